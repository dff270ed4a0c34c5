"""docs/security.md names tests that are there."""

import re
from pathlib import Path

TESTS = Path(__file__).parent


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
