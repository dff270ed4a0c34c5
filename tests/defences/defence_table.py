"""The defences as the TOML files beside this module list them, and the threats that docs/security.md states.

What belongs here: reading both. A file lists the defences of one area, each a table ``[[defences]]``:

========== =========================================================================================
key        what it says
========== =========================================================================================
threat     the first cell of the threat's row in docs/security.md, word for word
defence    what keeps it off, in half a sentence
file       where the defence stands, from the repository's root
stands     the text that is the defence; it stands exactly once in the file
without    what stands there once it is taken out; may be empty
tests      ``file::name``, from the repository's root; each of them must fail without the defence
fails_with an error that the tests may end with beside an assertion, and an error that was expected and did not come;
           ``Timeout`` where they never end
compiled   true where the compiled modules are to be built again
========== =========================================================================================
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
PAGE = ROOT / "docs" / "defences.md"
SECURITY = ROOT / "docs" / "security.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One defence; the fields are the keys of its table."""

    threat: str
    defence: str
    file: str
    stands: str
    without: str
    tests: tuple[str, ...]
    fails_with: str = ""
    compiled: bool = False

    def taken_out_of(self, text: str) -> str:
        """The file's text without the defence.

        Raises:
            ValueError: the defence stands there not at all, or more than once.
        """
        if (count := text.count(self.stands)) != 1:
            raise ValueError(f"{self.defence}: its text stands {count} times in {self.file}")
        return text.replace(self.stands, self.without)


def read_defences(folder: Path = FOLDER) -> list[Defence]:
    """Reads all defences, file by file in the order of their names.

    Raises:
        TypeError: a table lacks a key, or has one that is not known.
    """
    return [
        Defence(**table | {"tests": tuple(table["tests"])})
        for path in sorted(folder.glob("*.toml"))
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["defences"]
    ]


def read_threats(page: Path = SECURITY) -> list[str]:
    """Reads the first cell of each threat, in their order."""
    section = page.read_text(encoding="utf-8").split("## Threats\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    return [row for row in rows[1:] if not row.startswith("---")]
