"""The names of an audit's files: a day, a worker, and when the file was begun.

What belongs here: names and instants as texts. Each *chain file* ``audit-DAY-WORKER-BEGUN.jsonl`` has a *head*
beside it, the same name with ``.head``, which states the last line that was synced.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

CHAIN_SUFFIX: Final = ".jsonl"
HEAD_SUFFIX: Final = ".head"
OPENING_SUFFIX: Final = ".opening"

_SECONDS_OF_A_DAY: Final = 86_400
_CHAIN_NAME: Final = re.compile(r"audit-([0-9]{8})-([0-9]{1,9})-[0-9]{12}\.jsonl")


class End(NamedTuple):
    """Where a chain file ends.

    Attributes:
        file: its name.
        sequence: the number of its last line.
        seal: that line's seal, in hexadecimal.
    """

    file: str
    sequence: int
    seal: str


def chain_name(instant: float, worker: int) -> str:
    """The name of a file that a worker begins at an instant, in seconds of UTC."""
    begun = datetime.fromtimestamp(instant, UTC)
    return f"audit-{begun:%Y%m%d}-{worker}-{begun:%H%M%S%f}{CHAIN_SUFFIX}"


def head_name(name: str) -> str:
    """The name of the head of a chain file."""
    return name.removesuffix(CHAIN_SUFFIX) + HEAD_SUFFIX


def chain_of_head(name: str) -> str:
    """The name of the chain file that a head belongs to."""
    return name.removesuffix(HEAD_SUFFIX) + CHAIN_SUFFIX


def day_of(name: str) -> str:
    """The day ``YYYY-MM-DD`` of a chain file; empty where the name is none of a chain file."""
    found = _CHAIN_NAME.fullmatch(name)
    return f"{found[1][:4]}-{found[1][4:6]}-{found[1][6:]}" if found else ""


def worker_of(name: str) -> int:
    """The worker whose chain file it is."""
    found = _CHAIN_NAME.fullmatch(name)
    return int(found[2]) if found else 0


def end_of_day(instant: float) -> float:
    """The instant at which an instant's day ends, in UTC, where all days are alike."""
    return (instant // _SECONDS_OF_A_DAY + 1) * _SECONDS_OF_A_DAY


def format_time(instant: float) -> str:
    """An instant as ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def list_chains(folder: Path) -> list[str]:
    """The names of a folder's chain files, in order of day, worker and beginning.

    Raises:
        OSError: the folder can't be read.
    """
    return sorted(path.name for path in folder.iterdir() if day_of(path.name))


def list_heads(folder: Path) -> list[str]:
    """The names of a folder's heads, in the same order.

    Raises:
        OSError: the folder can't be read.
    """
    heads = (path.name for path in folder.iterdir() if path.name.endswith(HEAD_SUFFIX))
    return sorted(name for name in heads if day_of(chain_of_head(name)))
