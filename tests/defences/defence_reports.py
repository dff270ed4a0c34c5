"""A plugin for pytest that writes down how each test ended: a line of JSON for each that failed.

What belongs here: what pytest alone knows, the types of errors above all. What they mean is ``taking_out.py``'s.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

REPORT = "DEFENCE_REPORT"
"""The name of the variable that names the file."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    """Notes a test that failed, in its fixtures or by itself."""
    report = yield
    if report.failed:
        _note(_names(call.excinfo.value), report.longreprtext)
    return report


def pytest_collectreport(report):
    """Notes a module that could not be loaded."""
    if report.failed:
        _note(["ImportError"], report.longreprtext)


def _names(error):
    """The names of an error's types, of a group those of its members."""
    if isinstance(error, BaseExceptionGroup):
        return [name for member in error.exceptions for name in _names(member)]
    is_late = type(error).__name__ == "Failed" and str(error).startswith("Timeout")
    return ["Timeout" if is_late else type(error).__name__]


def _note(names, text):
    said = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    with Path(os.environ[REPORT]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"errors": names, "said": " ".join(said) or text.strip()}) + "\n")
