"""One file of a log, open: its databases, its head, and who uses it just now.

What belongs here: what LMDB is told, and how an empty file becomes a log's. Which file that is ``log_names.py`` says;
what an entry's bytes are ``log_sealing.py``. A log may be read in several threads: a file that another one took the
place of is closed when the last of them is done with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import lmdb

from resolver_grpc.changes.log_check import DATABASES, MOST_BYTES
from resolver_grpc.changes.log_names import MODE, file_id
from resolver_grpc.changes.log_sealing import SEQUENCE, id_hash_of
from resolver_grpc.errors import ChangeLogError

FORMAT: Final = b"resolver-changes/1"
LOG_ID_BYTES: Final = 16

_FORMAT: Final = b"format"
_LOG_ID: Final = b"log id"
_LAST: Final = b"last"
_FIRST: Final = b"first"


class LogFile:
    """A file of a log, open; an empty one is made a log's.

    Args:
        path: the log's name, for errors.
        file: the file itself, which was looked at: LMDB trusts it.

    Attributes:
        id: what tells it from every other file.
        log_id: the log's.
        users: how many transactions there are under way.

    Raises:
        ChangeLogError: it can't be opened, or is none of this format.
    """

    def __init__(self, path: Path, file: Path) -> None:
        self._path = path
        self.users = 0
        self.id = file_id(file)
        with self.refusing():
            self._environment = _open(file)
        try:
            with self.refusing(), self._environment.begin(write=True) as writing:
                self.head, self.entries, self.ids = self._begin(writing)
                self.log_id = bytes(writing.get(_LOG_ID, db=self.head, default=b""))
        except BaseException:
            self._environment.close()
            raise

    def close(self) -> None:
        """Closes it."""
        self._environment.close()

    def begin(self, *, write: bool = False) -> Any:  # noqa: ANN401 - LMDB's own type
        """Begins a transaction; of several processes one at a time writes."""
        return self._environment.begin(write=write)

    def first(self, transaction: Any) -> int:  # noqa: ANN401 - LMDB's own type
        """The sequence of the first entry that was not trimmed; past the last where there is none."""
        return int(SEQUENCE.unpack(transaction.get(_FIRST, db=self.head, default=SEQUENCE.pack(1)))[0])

    def last(self, transaction: Any) -> int:  # noqa: ANN401 - LMDB's own type
        """The sequence of the last entry that was ever written."""
        return int(SEQUENCE.unpack(transaction.get(_LAST, db=self.head, default=bytes(SEQUENCE.size)))[0])

    def put_last(self, writing: Any, sequence: int) -> None:  # noqa: ANN401 - LMDB's own type
        """States the sequence of the last entry."""
        writing.put(_LAST, SEQUENCE.pack(sequence), db=self.head)

    def sealed_from(self, reading: Any, sequence: int, most: int) -> Iterator[bytes]:  # noqa: ANN401 - as above
        """Gives so many entries at most from a sequence on, as they stand there."""
        return (sealed for _, sealed in islice(self._entries_from(reading, sequence), most))

    def write_from(self, reading: Any, first: int, fresh: Path) -> None:  # noqa: ANN401 - LMDB's own type
        """Writes what is kept of the log into an empty file: the head, the entries from a sequence on, their ids."""
        head = dict(reading.cursor(self.head)) | {_FIRST: SEQUENCE.pack(first)}
        kept = self._entries_from(reading, first)
        _fill(fresh, head, ((place, sealed, reading.get(id_hash_of(sealed), db=self.ids)) for place, sealed in kept))

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Turns LMDB's errors into one sentence.

        Raises:
            ChangeLogError: in their place.
        """
        try:
            yield
        except lmdb.Error as error:
            raise ChangeLogError(
                f"{self._path}: LMDB refuses it ({type(error).__name__}); see that the disk has room and is sound"
            ) from None

    def _entries_from(self, reading: Any, sequence: int) -> Iterator[tuple[bytes, bytes]]:  # noqa: ANN401 - as above
        cursor = reading.cursor(self.entries)
        return cursor.iternext() if cursor.set_range(SEQUENCE.pack(sequence)) else iter(())

    def _begin(self, writing: Any) -> Iterable[Any]:  # noqa: ANN401 - LMDB's own type
        """Opens the databases; of several processes that make a log at once one makes it."""
        if writing.stat()["entries"] == 0:
            head = self._environment.open_db(b"head", writing)
            writing.put(_FORMAT, FORMAT, db=head)
            writing.put(_LOG_ID, os.urandom(LOG_ID_BYTES), db=head)
        databases = [self._environment.open_db(name, writing) for name in DATABASES]
        if writing.get(_FORMAT, db=databases[0]) != FORMAT:
            raise ChangeLogError(f"{self._path}: is no log of changes that this program reads; name another file")
        return databases


def _open(file: Path) -> lmdb.Environment:
    return lmdb.open(str(file), subdir=False, max_dbs=len(DATABASES), map_size=MOST_BYTES, mode=MODE, meminit=True)


def _fill(file: Path, head: Mapping[bytes, bytes], kept: Iterable[tuple[bytes, bytes, bytes]]) -> None:
    """Fills an empty file, synced: a log's head, and each entry's place, its bytes and what stands under its id."""
    with _open(file) as environment:
        databases = [environment.open_db(name) for name in DATABASES]
        with environment.begin(write=True) as writing:
            for key, value in head.items():
                writing.put(key, value, db=databases[0])
            for place, sealed, noted in kept:
                writing.put(place, sealed, db=databases[1], append=True)
                writing.put(id_hash_of(sealed), noted, db=databases[2])
