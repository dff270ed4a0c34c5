"""What a running process and those that it started have used so far: processor time and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIB = 1024
_FIRST_AFTER_NAME = 3
_TICKS = slice(14 - _FIRST_AFTER_NAME, 18 - _FIRST_AFTER_NAME)
"""Fields 14 to 17 of ``/proc/PID/stat``: user and system time, its own and that of children who ended."""


class Memory(NamedTuple):
    """Bytes of all processes together, a page shared by n processes counted as an n-th.

    Attributes:
        resident: all that is in memory, mapped files included.
        own: what stands in no file: what a process needs beyond the page cache.
    """

    resident: int
    own: int


def cpu_seconds(pid: int) -> float:
    """Processor seconds, user and system, of a process and its descendants; 0 for one that is gone, or no process."""
    ticks = 0
    for member in family(pid):
        # The name of the program, in brackets, may hold anything.
        fields = _read(f"/proc/{member}/stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[_TICKS]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> Memory:
    """The memory of a process and its descendants."""
    resident = own = 0
    for member in family(pid):
        for line in _read(f"/proc/{member}/smaps_rollup").splitlines():
            name, _, rest = line.partition(":")
            if name == "Pss":
                resident += int(rest.split()[0]) * _KIB
            elif name == "Pss_Anon":
                own += int(rest.split()[0]) * _KIB
    return Memory(resident, own)


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    if pid:
        yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(tasks).split():
            yield from family(int(child))


def _read(path: str | Path) -> str:
    """A file of the kernel's; nothing when its process is gone."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
