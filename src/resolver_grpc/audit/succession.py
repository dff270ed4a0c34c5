"""What a new chain goes on from: the ends of the files that nobody writes any more, and nobody goes on from yet.

What belongs here: vouching for a former file's end, so that what is cut off it later is found. Only an end that holds
is vouched for; a file that was tampered with stays as it is, for the verifier to find.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from resolver_grpc.audit.naming import End, head_name, list_chains
from resolver_grpc.audit.reading import Keyring, Opening, read_head, read_opening
from resolver_grpc.audit.sealing import MAX_LINE, NO_SEAL, Line, read_line, stated_seal

MOST_ENDS: Final = 256
"""Ends that one first line has room for; what is left waits for the next one."""


def find_ends(folder: Path, keyring: Keyring) -> tuple[list[End], list[str]]:
    """Finds the ends that a new chain goes on from, and takes away the unfinished lines behind them.

    Args:
        folder: the audit's folder.
        keyring: the keys that its files may have been written under.

    Returns:
        The ends, and the names of the files that can't be gone on from, for they were tampered with or written under
        another key.

    Raises:
        OSError: the folder or a file of it can't be read.
    """
    openings = {name: _opening(folder / name, keyring) for name in list_chains(folder)}
    continued = {end.file for opening in openings.values() if opening for end in opening.continues}
    ends, unfit = [], []
    for name in [name for name in openings if name not in continued][:MOST_ENDS]:
        with (folder / name).open("r+b") as file:
            if not _is_left(file):
                continue
            end = _take_end(file, folder / name, openings[name], keyring)
        if end:
            ends.append(end)
        else:
            unfit.append(name)
    return ends, unfit


def _opening(path: Path, keyring: Keyring) -> Opening | None:
    with path.open("rb") as file:
        return read_opening(file.readline(MAX_LINE), path.name, keyring)


def _is_left(file: BinaryIO) -> bool:
    """Whether the process that wrote a file is no more."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_end(file: BinaryIO, path: Path, opening: Opening | None, keyring: Keyring) -> End | None:
    """The end of a file, behind which nothing stands any more; None where it doesn't hold."""
    head = None
    with suppress(FileNotFoundError):
        head = read_head(path.with_name(head_name(path.name)), keyring)
    if not opening or not head:
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 3 * MAX_LINE))
    whole, _, unfinished = file.read().rpartition(b"\n")
    last = _last_line(opening, whole.split(b"\n"))
    end = End(path.name, last.sequence, last.seal.hex()) if last else None
    if not end or end.sequence < head.sequence or (end.sequence == head.sequence and end != head):
        return None
    # Such a line was never acknowledged, and no longer can be: the process that wrote it is dead.
    if unfinished:
        os.ftruncate(file.fileno(), size - len(unfinished))
        os.fsync(file.fileno())
    return end


def _last_line(opening: Opening, lines: Sequence[bytes]) -> Line | None:
    if len(lines) == 1:
        former: bytes | None = NO_SEAL
    else:
        former = stated_seal(lines[-2] + b"\n")
    return read_line(opening.keys.lines, former, lines[-1] + b"\n")
