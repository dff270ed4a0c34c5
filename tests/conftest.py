import os
from pathlib import Path

import pytest

from small_register import build_register, serving


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
