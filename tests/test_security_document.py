"""docs/security.md names tests that are there; and what it says of the packages that are installed holds."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def test_every_test_that_the_document_names_is_there():
    text = TESTS.parent.joinpath("docs", "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    defined = {
        name
        for file in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 20
    assert named - defined == set()


def test_every_threat_has_a_test():
    text = TESTS.parent.joinpath("docs", "security.md").read_text(encoding="utf-8")
    rows = [line for line in text.split("## Threats")[1].split("## ")[0].splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 15
    assert all("`test_" in row.rsplit("|", 2)[1] for row in rows)


def pinned():
    """The versions of ``requirements.lock`` by their packages' names."""
    lines = ROOT.joinpath("requirements.lock").read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([\w.-]+)==([\w.+-]+)", line) for line in lines if line and not line.startswith("#")]
    assert all(found)
    return {canonicalize_name(one[1]): one[2] for one in found}


def test_every_package_is_pinned_to_one_version():
    assert len(pinned()) > 30


def test_what_a_package_draws_in_is_pinned_too():
    """All that the packages of pyproject.toml want here, and what these want, however far away."""
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    waiting = list(map(Requirement, [*named, *project["project"]["optional-dependencies"]["build"]]))
    wanted = set()
    while waiting:
        one = waiting.pop()
        asked = {(canonicalize_name(one.name), extra) for extra in ("", *one.extras)} - wanted
        wanted |= asked
        for extra in {extra for _, extra in asked}:
            more = map(Requirement, metadata.requires(one.name) or [])
            waiting += [each for each in more if not each.marker or each.marker.evaluate({"extra": extra})]
    assert {name for name, _ in wanted} - set(pinned()) == set()
