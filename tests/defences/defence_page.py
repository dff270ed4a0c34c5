"""The page docs/defences.md: each defence, its tests, and what these said once it was taken out.

What belongs here: the page's text, free of what only one machine or one run has, and of anything that looks personal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from defence_table import Defence

MOST_CHARACTERS = 160
_HEAD = """# Defences, each of them taken out once

For every row of [security.md](security.md) what keeps the threat off, and what a test says once just that is taken out
of the code: `make defences` does it, and writes this page. A defence whose removal no test noticed would end it with an
error. What is taken out, and what is put in its place, stands in `tests/defences/`.
"""
_ROW = re.compile(r"^\| (.*?) \| `(\w+)` \| `(.*)` \|$")
_FURTHER = re.compile(
    r" (At index \d|\+ where |Use -v |Full diff|Differing items|Falsifying|Omitting |'.*' is contained here|\? [+-]).*"
)
_HIDDEN = (
    (re.compile(r"/[^\s'\"]*?/pytest-\d+/[^/\s'\"]+"), "…"),
    (re.compile(r"/(?:tmp|home|root)/[^\s'\"]*"), "…"),
    (re.compile(r"\btmp\w{8}\b"), "…"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"\baudit-\d{8}-\d+-\d+"), "audit-…"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{16,}(?![0-9a-f])"), "…"),
    (re.compile(r"\b\d{6}-?\d{4}\b"), "##########"),
    (re.compile(r"[\w.+-]+@[\w.-]+"), "…@…"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), r"\1:…"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "…"),
    (re.compile(r"b'(?:[^'\\]|\\.){12,}(?:'|$)|b\"(?:[^\"\\]|\\.){12,}(?:\"|$)"), "b'…'"),
    (re.compile(r"\[[A-Za-z]\w+ \d\d:\d\d.*?\]"), ""),
)


def shortened(said: str) -> str:
    """What a test said, as the page has it: one line, nothing of one machine or run, and no long text."""
    text = _FURTHER.sub("", " ".join(said.split()))
    for pattern, stands_for in _HIDDEN:
        text = pattern.sub(stands_for, text)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1].rstrip() + "…"


def page_of(defences: Sequence[Defence], said: Mapping[Defence, Sequence[str]], threats: Sequence[str]) -> str:
    """Writes the page.

    Args:
        defences: all of them.
        said: what each one's tests said without it; one that is not there is left out.
        threats: in the order of the page on security.
    """
    parts = [_HEAD]
    for threat in threats:
        rows = [row for one in defences if one.threat == threat and one in said for row in _rows(one, said[one])]
        parts.append(
            f"\n## {_heading(threat)}\n\n| defence | test | it says without the defence |\n"
            "| --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "".join(parts)


def said_on(page: str, defences: Sequence[Defence]) -> dict[Defence, list[str]]:
    """Reads what a page has of defences; one that it has not, or with another test, is not in it.

    Args:
        page: as ``page_of`` wrote it.
        defences: those that are asked for.
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    heading = defence = ""
    for line in page.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif row := _ROW.match(line):
            defence = row[1] or defence
            found.setdefault((heading, defence), []).append((row[2], row[3].replace("\\|", "|")))
    kept = {}
    for one in defences:
        rows = found.get((_heading(one.threat), _cell(one.defence)), [])
        if [test for test, _ in rows] == [_name(test) for test in one.tests]:
            kept[one] = [text for _, text in rows]
    return kept


def _heading(threat: str) -> str:
    return f"{threat[0].upper()}{threat[1:]}"


def _name(test: str) -> str:
    return test.rpartition("::")[2]


def _rows(defence: Defence, said: Sequence[str]) -> list[str]:
    what = [defence.defence, *[""] * (len(defence.tests) - 1)]
    return [
        f"| {_cell(one)} | `{_name(test)}` | {_code(shortened(text))} |"
        for one, test, text in zip(what, defence.tests, said, strict=True)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_cell(text.replace('`', chr(39)))}`"
