"""An index file as LMDB shows it: databases of records, and nothing of what they mean.

What belongs here: the opening of the file under one read transaction and the plain questions to LMDB.
Whatever LMDB says is wrong becomes a ``SnapshotError``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import lmdb

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import DATABASES, INTEGER_KEY, INTEGER_KEY_DATABASES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lmdb import _Database


@contextmanager
def _lmdb_errors_refuse_the_snapshot() -> Iterator[None]:
    try:
        yield
    except lmdb.Error as error:
        raise SnapshotError(f"LMDB refuses the index ({error}); publish the snapshot again.") from error


class LmdbFile:
    """An LMDB file, open for reading.

    The views that it hands out point into the file: they are void once it is closed.

    Raises:
        SnapshotError: the file is missing, open already in this process, or no index file.
    """

    def __init__(self, path: Path) -> None:
        with _lmdb_errors_refuse_the_snapshot():
            self._environment = lmdb.open(
                str(path), subdir=False, create=False, readonly=True, lock=False, max_dbs=len(DATABASES)
            )
        try:
            with _lmdb_errors_refuse_the_snapshot():
                self._databases = {name: self._open_database(name) for name in DATABASES}
                self._transaction = self._environment.begin(buffers=True)
        except BaseException:
            self._environment.close()
            raise

    def _open_database(self, name: bytes) -> _Database:
        database = self._environment.open_db(name, create=False)
        flags = {flag for flag, is_set in database.flags().items() if is_set}
        if flags != ({"integerkey"} if name in INTEGER_KEY_DATABASES else set()):
            raise SnapshotError("A database of the index has the wrong kind of keys; build the snapshot again.")
        return database

    def get(self, database: bytes, key: bytes) -> memoryview:
        """Gives the value of a key.

        Raises:
            SnapshotError: it is missing.
        """
        with _lmdb_errors_refuse_the_snapshot():
            value = self._transaction.get(key, db=self._databases[database])
        if value is None:
            raise SnapshotError("A value of the index is missing; build the snapshot again.")
        return value

    def count(self, database: bytes) -> int:
        """Counts the records of a database."""
        with _lmdb_errors_refuse_the_snapshot():
            return self._transaction.stat(self._databases[database])["entries"]

    def records(self, database: bytes) -> Iterator[tuple[memoryview, memoryview]]:
        """Yields the keys and values of a database, in the order of the keys."""
        with _lmdb_errors_refuse_the_snapshot():
            yield from self._transaction.cursor(self._databases[database])

    def numbered(self, database: bytes) -> list[memoryview] | None:
        """Gives the values of a database whose keys are the numbers from 0 on; None where one is left out.

        Distinct numbers of which the last is one less than there are: only that one is looked at.
        """
        with _lmdb_errors_refuse_the_snapshot():
            cursor = self._transaction.cursor(self._databases[database])
            values = list(cursor.iternext(keys=False))
            if values and (not cursor.last() or cursor.key() != INTEGER_KEY.pack(len(values) - 1)):
                return None
        return values

    def close(self) -> None:
        """Ends the transaction and unmaps the file; closing twice is fine."""
        self._environment.close()
