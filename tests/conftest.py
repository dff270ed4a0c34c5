import os
from pathlib import Path

import pytest
from hypothesis import settings

from redaction import listening, look_through, take_findings
from small_register import build_register, serving

# The suite draws the same few examples each time, wherever it runs; `make test-anew` looks further.
settings.register_profile("same", derandomize=True, max_examples=40)
settings.register_profile("anew", derandomize=False, print_blob=True, max_examples=200)
settings.load_profile(os.environ.get("RESOLVER_EXAMPLES", "same"))


@pytest.fixture(scope="session", autouse=True)
def _nothing_personal_is_said():
    """Looks through all that the suite logs, raises and has programs say; see ``redaction.py``."""
    with listening():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fails a test that had something personal said."""
    report = yield
    for name, said in report.sections:
        if name == f"Captured stderr {report.when}":
            look_through("standard error", said)
    if findings := take_findings():
        report.outcome = "failed"
        report.longrepr = "\n".join(findings)
    return report


@pytest.fixture(scope="session")
def shared():
    """The folder of real data, for the tests that read it."""
    folder = Path(os.environ.get("RESOLVER_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip("real data are not here: set RESOLVER_SHARED to their folder")
    return folder


@pytest.fixture(scope="session")
def register(tmp_path_factory):
    return build_register(tmp_path_factory.mktemp("register"))


@pytest.fixture(scope="session")
def running_server(register):
    with serving(register) as server:
        yield server
