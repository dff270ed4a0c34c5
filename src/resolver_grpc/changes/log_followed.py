"""The file that a log's name leads to, open: another one once the log was trimmed.

What belongs here: which file is read and written, and in whose turn. How another takes its place is ``log_names.py``'s,
what stands in it ``log.py``'s.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from resolver_grpc.changes.log_check import check_beginning, check_file
from resolver_grpc.changes.log_file import LogFile
from resolver_grpc.changes.log_names import file_id, locked, make_private, open_beside
from resolver_grpc.errors import ChangeLogError

Opened = tuple[LogFile, Any]
"""A file of a log, and a transaction of LMDB's on it."""


class FollowedFile:
    """The file that a log's name leads to; made where there is none.

    Args:
        path: the log's name.

    Attributes:
        stated: the descriptor of ``LOG.last``.
        log_id: the log's.

    Raises:
        ChangeLogError: it can't be opened, others may read it, it is damaged, or none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: Final = RLock()
        make_private(path)
        self.stated = open_beside(path)
        try:
            with self.naming(fcntl.LOCK_SH):
                check_file(path.resolve())
                self._file = LogFile(path, path.resolve())
        except BaseException:
            os.close(self.stated)
            raise
        self.log_id = self._file.log_id

    def close(self) -> None:
        """Closes it."""
        self._file.close()
        os.close(self.stated)

    @contextmanager
    def reading(self) -> Iterator[Opened]:
        """Gives the file that the name leads to, and a transaction that reads.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._using() as file, file.refusing(), file.begin() as reading:
            yield file, reading

    @contextmanager
    def writing(self) -> Iterator[Opened]:
        """Holds the write lock of the file that the name leads to, which can't change as long as it is held.

        Raises:
            ChangeLogError: it can't be written.
        """
        while True:
            with self._using() as file, file.refusing(), file.begin(write=True) as writing:
                if file_id(self._path) == file.id:
                    yield file, writing
                    return
                writing.abort()

    @contextmanager
    def replacing(self) -> Iterator[Opened]:
        """Holds the locks on the names and of the file, so that another may take its place; nothing is written to it.

        Raises:
            ChangeLogError: it can't be locked.
        """
        # First the names, then the write lock: who opens the log takes them in this order too.
        with self.naming(fcntl.LOCK_EX):
            self._follow()
            with self._using() as file, file.refusing(), file.begin(write=True) as writing:
                yield file, writing
                writing.abort()

    @contextmanager
    def naming(self, operation: int) -> Iterator[None]:
        """Holds the lock on the names, see ``log_names.locked``.

        Raises:
            ChangeLogError: another file can't take the place of this one.
        """
        try:
            with locked(self.stated, operation):
                yield
        except OSError as error:
            raise ChangeLogError(f"{self._path}: can't be changed: {error.strerror}; set that right") from None

    def _follow(self) -> None:
        """Opens the file that took the place of the one that is open; the lock on the names is held."""
        if file_id(self._path) == self._file.id:
            return
        # Who wrote it did so a moment ago: it isn't walked through.
        check_beginning(self._path.resolve())
        former, self._file = self._file, LogFile(self._path, self._path.resolve())
        if not former.users:
            former.close()

    @contextmanager
    def _using(self) -> Iterator[LogFile]:
        """Gives the file that the name leads to, which stays open as long as the block lasts."""
        with self._lock:
            if file_id(self._path) != self._file.id:
                with self.naming(fcntl.LOCK_SH):
                    self._follow()
            file = self._file
            file.users += 1
        try:
            yield file
        finally:
            with self._lock:
                file.users -= 1
                if file is not self._file and not file.users:
                    file.close()
