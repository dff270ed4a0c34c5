"""What nothing may say: no line of a log, no error, nothing that a program prints to standard error names anybody.

Whatever the suite logs, raises and has programs say is looked through as it comes; a finding fails the test that it
came from (``conftest.py``). Everybody whom the suite knows is made up, so that a finding may tell the whole text.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from itertools import product
from unittest.mock import patch

from click.testing import CliRunner
from structlog._base import BoundLoggerBase

from resolver_grpc.build.population import names, places
from resolver_grpc.errors import ResolverError

SHORTEST_NAME = 4
"""Letters: shorter names are words of their own."""
NO_NAMES = frozenset({"August", "Line"})
"""Names that are words of their own all the same."""
# What stands before a number is looked at afterwards: a pattern that begins with it takes ten times as long.
_CPR = re.compile(r"\d{6}-?\d{4}(?!\w)")
_DAY = re.compile(r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
_WORD = re.compile(r"\w+(?:['-]\w+)*")
_CVR = re.compile(r"\d{8}(?!\w)")
# A folder of pytest's is named after its test, which may be named after anything.
_FOLDER = re.compile(r"[^\s'\"]*/pytest-of-[^\s'\"]*")

_streets = {stem + ending for stem, ending in product(places.STEMS, places.ENDINGS)}
_names = {*names.FEMALE, *names.MALE, *names.MIDDLE, *names.LAST}
_known = {word for word in _names | _streets if len(word) >= SHORTEST_NAME} - NO_NAMES
_organisations: set[str] = set()
_findings: list[str] = []


def know(rows):
    """Has persons and organisations of a register looked for, too.

    Args:
        rows: of its tables, cells by column.
    """
    for row in rows:
        words = _WORD.findall(
            f"{row.get('full_name', '')} {row.get('street_name', '')} {row.get('short_street_name', '')}"
        )
        _known.update(word for word in words if word.istitle() and len(word) >= SHORTEST_NAME and word not in NO_NAMES)
        _organisations.update(_numbers(_CVR, row.get("number", "")))


def personal_in(text):
    """What a text tells of persons, by its sort."""
    if "/pytest-of-" in text:
        text = _FOLDER.sub("", text)
    found = set()
    if any(map(_DAY.match, _numbers(_CPR, text))):
        found.add("a CPR number")
    if not _organisations.isdisjoint(_numbers(_CVR, text)):
        found.add("a CVR number")
    if "@" in text and _EMAIL.search(text):
        found.add("an e-mail address")
    if not _known.isdisjoint(_WORD.findall(text)):
        found.add("a name or a street")
    return found


def _numbers(pattern, text):
    """What looks like a number and is no part of a longer one, or of a word."""
    return [
        one[0] for one in pattern.finditer(text) if not re.match(r"\w", text[max(0, one.start() - 1) : one.start()])
    ]


def look_through(where, text):
    """Notes what a text tells of persons."""
    if found := personal_in(text):
        _findings.append(f"{where} tells {' and '.join(sorted(found))}: {text}")


def checked_lines(stream):
    """The lines that a program writes, looked through."""
    for line in stream:
        look_through("a program", line)
        yield line


def take_findings():
    """What was noted since it was last asked."""
    taken = _findings.copy()
    _findings.clear()
    return taken


@contextmanager
def listening():
    """Looks through every error, every line of a log and all that programs say to standard error, until it ends."""
    begin_error, log, communicate, invoke = (
        ResolverError.__init__,
        BoundLoggerBase._process_event,
        subprocess.Popen.communicate,
        CliRunner.invoke,
    )

    def begin_error_checked(error, message, **metadata):
        begin_error(error, message, **metadata)
        look_through(f"a {type(error).__name__}", f"{message} {list(metadata.values()) or ''}")

    def log_checked(logger, level, event, fields):
        look_through("the log", f"{event} {logger._context or ''} {fields}")
        return log(logger, level, event, fields)

    def communicate_checked(process, *arguments, **options):
        out, said = communicate(process, *arguments, **options)
        if said:
            look_through("a program", said if isinstance(said, str) else said.decode("utf-8", "replace"))
        return out, said

    def invoke_checked(runner, *arguments, **options):
        result = invoke(runner, *arguments, **options)
        look_through("a command", result.stderr)
        return result

    with (
        patch.object(ResolverError, "__init__", begin_error_checked),
        patch.object(BoundLoggerBase, "_process_event", log_checked),
        patch.object(subprocess.Popen, "communicate", communicate_checked),
        patch.object(CliRunner, "invoke", invoke_checked),
    ):
        yield
