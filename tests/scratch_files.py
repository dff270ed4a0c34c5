"""Files that a process has open and nobody sees: what the tests of what lies on the disk look into."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, never written to


def family(process):
    """A process and all that it started, as far as they live."""
    yield process
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # a thread that ended a moment ago
            for child in task.read_text(encoding="ascii").split():
                yield from family(int(child))


def scratch_files(process):
    """The open files of a process that stand in no folder, or in that of shared memory."""
    try:
        entries = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return []  # it ended a moment ago
    return [entry for entry in entries if _is_scratch(entry)]


def _is_scratch(entry):
    try:
        target = entry.readlink()
        is_hidden = target.name.endswith("(deleted)") or target.is_relative_to(_SHARED_MEMORY)
        return is_hidden and stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False  # closed a moment ago
