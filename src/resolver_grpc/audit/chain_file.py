"""One file of a chain, as the process that writes it holds it.

What belongs here: when a line counts as written. It does once the file is synced, and the head beside it says so;
a line that failed is taken back whole. Whoever else changed or moved the file meanwhile is noticed before the next
line. A file appears under its name with its first line in it, locked for as long as its process lives.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from resolver_grpc.audit.naming import OPENING_SUFFIX, End, head_name
from resolver_grpc.audit.record import Body
from resolver_grpc.audit.sealing import NO_SEAL, seal_line

_MODE: Final = 0o600


class ChainFile:
    """A chain file that is being written; used by one thread at a time.

    Args:
        folder: the audit's folder.
        name: as ``chain_name`` makes it; new to the folder.
        secret: ``AuditKeys.lines``.
        opening: the first line.

    Attributes:
        name: its name.
        batches: how many records it holds.

    Raises:
        OSError: it can't be made.
    """

    def __init__(self, folder: Path, name: str, secret: bytes, opening: Body) -> None:
        self.name = name
        self._path = folder / name
        self._secret = secret
        self._sequence = -1
        self._seal = NO_SEAL
        self._size = 0
        self._is_soiled = False
        self.batches = 0
        opened_path = folder / (name + OPENING_SUFFIX)
        with ExitStack() as undone:
            # The head comes first: its name, which nobody else can have, keeps the other one.
            self._head = _create(folder / head_name(name), undone)
            # Where a failed line was taken back the next one begins.
            self._file = _create(opened_path, undone, os.O_APPEND)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.append([opening])
            os.fsync(self._head)
            opened_path.rename(self._path)
            undone.pop_all()
        try:
            self._mark = _mark(os.fstat(self._file))
            _sync_names(folder)
        except OSError:
            # It is there, and sound; only nobody writes it.
            self.release()
            raise

    @property
    def end(self) -> End:
        """Where it ends by now."""
        return End(self.name, self._sequence, self._seal.hex())

    def append(self, bodies: Sequence[Body]) -> None:
        """Writes lines and syncs them.

        Raises:
            OSError: they couldn't be written, or the head couldn't be told of them.
        """
        lines, sequence, seal = [], self._sequence, self._seal
        for body in bodies:
            sequence += 1
            line, seal = seal_line(self._secret, seal, body | {"sequence": sequence})
            lines.append(line)
        text = b"".join(lines)
        self._is_soiled = True
        try:
            _write_all(self._file, text)
            os.fdatasync(self._file)
            self._is_soiled = False
        finally:
            if self._is_soiled:
                with suppress(OSError):
                    self._take_back()
        self._sequence, self._seal, self._size = sequence, seal, self._size + len(text)
        self.batches += sum(body["type"] == "batch" for body in bodies)
        self._state_end()

    def is_in_place(self) -> bool:
        """Whether it stands under its name, and holds what was written and nothing else.

        Raises:
            OSError: what a failed write left in it can't be taken back yet, or the folder can't be looked at.
        """
        if self._is_soiled:
            self._take_back()
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return _mark(found) == self._mark and found.st_size == self._size

    def release(self) -> None:
        """Lets go of it; nothing is written any more."""
        os.close(self._file)
        os.close(self._head)

    def _take_back(self) -> None:
        os.ftruncate(self._file, self._size)
        self._is_soiled = False

    def _state_end(self) -> None:
        """Tells the head where the file ends by now. Unsynced: after a loss of power it may state an earlier line."""
        body: Body = {"type": "head", "file": self.name, "sequence": self._sequence, "line_seal": self._seal.hex()}
        os.pwrite(self._head, seal_line(self._secret, NO_SEAL, body)[0], 0)


def _create(path: Path, undone: ExitStack, more: int = 0) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | more, _MODE)
    undone.callback(path.unlink, missing_ok=True)
    undone.callback(os.close, descriptor)
    return descriptor


def _mark(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _write_all(descriptor: int, text: bytes) -> None:
    left = memoryview(text)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
