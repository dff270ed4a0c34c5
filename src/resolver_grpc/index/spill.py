"""A spill: arrays on the disk in a file without a name.

What belongs here: reading and writing arrays at places of such a file. It is gone with the program that made
it, however that ends; what the disk says is wrong becomes a ``SnapshotError``.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Array = npt.NDArray[Any]


class Spill:
    """A file without a name, open for reading and writing; threads may share it.

    Raises:
        SnapshotError: the folder is missing or can't be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._errors_are_said():
            # Unnamed from the start (O_TMPFILE) where the file system can do that, else unlinked at once.
            self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by close

    def write(self, offset: int, array: Array) -> int:
        """Writes an array at a place, and gives the place behind it.

        Raises:
            SnapshotError: the disk is full.
        """
        rest = _bytes_of(array)
        with self._errors_are_said():
            while len(rest):
                written = os.pwrite(self._file.fileno(), rest, offset)
                offset += written
                rest = rest[written:]
        return offset

    def read_into(self, offset: int, array: Array) -> int:
        """Fills an array from a place, and gives the place behind it.

        Raises:
            SnapshotError: the disk can't be read.
        """
        rest = _bytes_of(array)
        with self._errors_are_said():
            while len(rest):
                read = os.preadv(self._file.fileno(), [rest], offset)
                if not read:
                    raise OSError(None, "the file ends too early")
                offset += read
                rest = rest[read:]
        return offset

    def close(self) -> None:
        """Gives the room on the disk back; closing twice is fine."""
        self._file.close()

    @contextmanager
    def _errors_are_said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SnapshotError(
                f"The keys can't be spilled to {self._folder} ({error.strerror}); make room there and build again."
            ) from error


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
