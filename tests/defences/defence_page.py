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
_FURTHER = re.compile(
    r" (At index \d|\+ where |Use -v |Full diff|Differing items|Falsifying|Omitting |'.*' is contained here|\? [+-]).*"
)
_HIDDEN = (
    (re.compile(r"/[^\s'\"]*?/pytest-\d+/[^/\s'\"]+"), "…"),
    (re.compile(r"/(?:tmp|home|root)/[^\s'\"]*"), "…"),
    (re.compile(r"\btmp\w{8}\b"), "…"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
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
        said: what each one's tests said without it.
        threats: in the order of the page on security.
    """
    parts = [_HEAD]
    for threat in threats:
        rows = [row for one in defences if one.threat == threat for row in _rows(one, said[one])]
        parts.append(
            f"\n## {threat[0].upper()}{threat[1:]}\n\n| defence | test | it says without the defence |\n"
            "| --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "".join(parts)


def _rows(defence: Defence, said: Sequence[str]) -> list[str]:
    what = [defence.defence, *[""] * (len(defence.tests) - 1)]
    return [
        f"| {_cell(one)} | `{test.rpartition('::')[2]}` | {_code(shortened(text))} |"
        for one, test, text in zip(what, defence.tests, said, strict=True)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_cell(text.replace('`', chr(39)))}`"
