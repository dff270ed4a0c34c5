"""What a benchmark's results stand beside: the machine, the commit, and what a program cost on it."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from processes import family

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = Path(__file__).resolve().parents[1]
_SECONDS_BETWEEN_SAMPLES = 0.5
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What a program and the processes that it started cost.

    Attributes:
        seconds: of the clock.
        cpu_seconds: of all processors, user and system.
        largest_process: bytes of the largest resident set that any one of them had.
        peak_memory: bytes of all of them together, a shared page counted once; sampled, and never less than
            ``largest_process``.
    """

    seconds: float
    cpu_seconds: float
    largest_process: int
    peak_memory: int


def describe_machine() -> str:
    """The machine, Python and the commit, in one line."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"commit {describe_commit()}; Python {platform.python_version()}, {os.cpu_count()} cores of "
        f"{processor or platform.machine()}, {memory:.0f} GiB"
    )


def describe_commit() -> str:
    """The commit of the working tree, and whether the tree has changes beside it."""
    commit = _git("rev-parse", "--short", "HEAD").strip() or "unknown"
    return f"{commit} with changes" if _git("status", "--porcelain", "--", "src", "tools", "bench").strip() else commit


def run_measured(words: Sequence[str | Path]) -> Cost:
    """Runs a program to its end and tells what it cost.

    Raises:
        CalledProcessError: it failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(words)
    samples = _Samples(process.pid)
    samples.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    samples.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    largest = usage.ru_maxrss * _KIB
    return Cost(seconds, usage.ru_utime + usage.ru_stime, largest, max(largest, samples.peak))


class _Samples(threading.Thread):
    """Looks twice a second at what a process and its descendants hold together."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_SAMPLES):
            self.peak = max(self.peak, sum(map(_proportional_bytes, family(self._pid))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _proportional_bytes(pid: int) -> int:
    """The memory of a process, a page shared by n processes counted as an n-th."""
    for line in _lines(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _KIB
    return 0


def _lines(path: str | Path) -> list[str]:
    """The lines of a file of the kernel's; none when its process is gone, or on another system."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_ROOT, check=False, capture_output=True, text=True)
    return done.stdout
