"""What one process holds at an instant, its memory, its open files and its threads, and how calm the machine is.

What belongs here: reading them of the kernel's files, process by process; ``processes`` tells what whole families
of processes cost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from processes import family
from resolver_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_KIB = 1024
_SPAWNED = b"multiprocessing.spawn"
_STOLEN = 7


class Vitals(NamedTuple):
    """What a process holds.

    Attributes:
        anonymous: bytes in memory that stand in no file: what it needs beyond the page cache.
        private: bytes that nobody else has mapped, pages of files among them.
        resident: all bytes in memory, shared ones too.
        descriptors: open files and sockets.
        threads: its threads.
    """

    anonymous: int
    private: int
    resident: int
    descriptors: int
    threads: int


def read_vitals(pid: int) -> Vitals:
    """Looks at a process.

    Raises:
        ConfigurationError: it is gone.
    """
    process = Path("/proc", str(pid))
    try:
        sizes = parse_sizes(Path(process, "smaps_rollup").read_text(encoding="utf-8"))
        counts = [sum(1 for _ in Path(process, folder).iterdir()) for folder in ("fd", "task")]
    except (FileNotFoundError, ProcessLookupError):
        raise ConfigurationError(f"process {pid} ended while it was looked at; its log says why") from None
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Vitals(sizes["Anonymous"], private, sizes["Rss"], *counts)


def parse_sizes(text: str) -> dict[str, int]:
    """Reads the sizes of a ``smaps_rollup``, in bytes by their name; lines of another kind are none."""
    lines = (line.split() for line in text.splitlines())
    return {words[0].removesuffix(":"): int(words[1]) * _KIB for words in lines if len(words) > 1 and words[-1] == "kB"}


def stolen_seconds() -> float:
    """Processor seconds that the host kept from this machine since it started, of all processors together."""
    return parse_stolen(Path("/proc/stat").read_text(encoding="utf-8")) / os.sysconf("SC_CLK_TCK")


def parse_stolen(text: str) -> int:
    """Reads the ticks that a ``/proc/stat`` calls stolen: the eighth number of all processors' line."""
    _, *numbers = text.splitlines()[0].split()
    return int(numbers[_STOLEN])


def add_up(each: Iterable[Vitals]) -> Vitals:
    """What several processes hold; a page that they share counts for each."""
    return Vitals(*map(sum, zip(*each, strict=True)))


def workers_of(pid: int) -> list[int]:
    """The processes of a server that answer: the workers that it spawned, or else itself."""
    return [member for member in family(pid) if _SPAWNED in _command(member)] or [pid]


def _command(pid: int) -> bytes:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return b""
