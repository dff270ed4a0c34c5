"""The log of changes: what was acknowledged, in order and without gaps, on the disk before anybody is told.

What belongs here: sequences, and who may write when. One LMDB file, which several processes have open: LMDB's own lock
lets one write at a time, and all read. What an entry's bytes are is ``log_sealing.py``'s, what a file must be before it
is opened ``log_check.py``'s; what a change means is nobody's business here.

Beside the file lies another, of the same name with ``.last``: the last sequence that was written, sealed. Without it a
file of which the last transactions are gone would look whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import lmdb

from resolver_grpc.changes.log_check import DATABASES, MOST_BYTES, check_file
from resolver_grpc.changes.log_sealing import LAST_BYTES, SEQUENCE, Entry, LogKey, Read, id_hash_of, key_id_of
from resolver_grpc.errors import ChangeIdTakenError, ChangeLogError, KeyFileError
from resolver_grpc.keys import KeyRing

FORMAT: Final = b"resolver-changes/1"
LOG_ID_BYTES: Final = 16

_MODE: Final = 0o600
_AT_ONCE: Final = 1_000
_FORMAT: Final = b"format"
_LOG_ID: Final = b"log id"
_LAST: Final = b"last"
_FIRST: Final = b"first"
_RESTORE: Final = "restore it from its backup, or begin a new one and build a snapshot from tables exported after it"


class ChangeLog:
    """An open log of changes; made where there is none, for its owner alone.

    One thread at a time writes to it, and any may read.

    Args:
        path: where it lies, in a folder that exists.
        ring: the keys; new entries are under the active one.
        renewed: gives the keys as they are by then, where an entry is under one that the ring doesn't hold: another
            process has begun after a rotation, and writes under the new key.

    Raises:
        ChangeLogError: it can't be opened, others may read it, it is damaged, none, or under other keys.
    """

    def __init__(self, path: Path, ring: KeyRing, renewed: Callable[[], KeyRing] | None = None) -> None:
        self._path = path
        self._renewed = renewed
        _make_private(path)
        check_file(path)
        with self._refusing():
            self._environment = lmdb.open(
                str(path), subdir=False, max_dbs=len(DATABASES), map_size=MOST_BYTES, mode=_MODE, meminit=True
            )
        try:
            with self._refusing():
                self._head, self._entries, self._ids = self._begin()
                with self._environment.begin() as reading:
                    self.log_id = bytes(reading.get(_LOG_ID, db=self._head, default=b""))
            self._keys = self._keys_of(ring)
            self._active = self._keys[bytes.fromhex(ring.active.key_id)]
            self._stated = os.open(path.with_name(path.name + ".last"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
            self._check_last()
        except OSError as error:
            self._environment.close()
            raise ChangeLogError(f"{path}: can't be opened: {error.strerror}; set that right") from None
        except BaseException:
            self._environment.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; whatever was appended is on the disk already."""
        self._environment.close()
        os.close(self._stated)

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Writes entries in one synced transaction; all of them or none.

        Returns:
            The sequence of each; one that is in the log already has the sequence that it had.

        Raises:
            ChangeIdTakenError: an entry has the id of another one whose content is different.
            ChangeLogError: they can't be written.
        """
        with self.group() as group:
            return [group.append(entry) for entry in entries]

    @contextmanager
    def group(self) -> Iterator[Group]:
        """Keeps all others from writing, until what is appended in the block is synced; none of it if it raises.

        Raises:
            ChangeLogError: it can't be written.
        """
        with self._refusing(), self._environment.begin(write=True) as writing:
            group = Group(self, writing, self._last(writing))
            yield group
            if not group.appended:
                writing.abort()
                return
            writing.put(_LAST, SEQUENCE.pack(group.last), db=self._head)
        self._state_last(group.last)

    def last_sequence(self) -> int:
        """The sequence of the last entry that any process wrote; 0 where there was none.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._refusing(), self._environment.begin() as reading:
            return self._last(reading)

    def first_sequence(self) -> int:
        """The sequence of the first entry that was not trimmed; the next one's where there is none.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._refusing(), self._environment.begin() as reading:
            return self._first(reading)

    def read_from(self, sequence: int) -> Iterator[Read]:
        """Reads the entries from a sequence on, in order, those too that are written meanwhile.

        Raises:
            ChangeLogError: an entry is damaged, missing, trimmed, or under a key that the ring doesn't hold.
        """
        while some := self.read_some(sequence, _AT_ONCE):
            yield from some
            sequence += len(some)

    def trim(self, up_to: int) -> None:
        """Removes the entries up to a sequence, with it; their ids are forgotten too.

        Raises:
            ChangeLogError: they can't be removed.
        """
        with self._refusing(), self._environment.begin(write=True) as writing:
            cursor = writing.cursor(self._entries)
            while cursor.first() and SEQUENCE.unpack(cursor.key())[0] <= up_to:
                writing.delete(id_hash_of(cursor.value()), db=self._ids)
                cursor.delete()
            first = max(self._first(writing), min(up_to, self._last(writing)) + 1)
            writing.put(_FIRST, SEQUENCE.pack(first), db=self._head)

    def _begin(self) -> tuple[Any, Any, Any]:
        """Opens the databases; of several processes that make a log at once one makes it."""
        with self._environment.begin(write=True) as writing:
            if writing.stat()["entries"] == 0:
                head = self._environment.open_db(b"head", writing)
                writing.put(_FORMAT, FORMAT, db=head)
                writing.put(_LOG_ID, os.urandom(LOG_ID_BYTES), db=head)
            head, entries, ids = (self._environment.open_db(name, writing) for name in DATABASES)
            if writing.get(_FORMAT, db=head) != FORMAT:
                raise ChangeLogError(f"{self._path}: is no log of changes that this program reads; name another file")
            return head, entries, ids

    def _check_last(self) -> None:
        """Refuses a log that holds less than was written to it, or that is under keys that the ring doesn't hold."""
        stated, last = os.pread(self._stated, LAST_BYTES, 0), self.last_sequence()
        if not stated and not last:
            # New, or killed when it was.
            self._state_last(0)
            return
        key = self._keys.get(key_id_of(stated))
        if key is None and len(stated) == LAST_BYTES:
            raise ChangeLogError(f"{self._path}: is under another key; pass the key file that the server used")
        try:
            written = key.read_last(stated) if key and len(stated) == LAST_BYTES else None
        except ValueError:
            written = None
        if written is None or written > last:
            raise ChangeLogError(f"{self._path}: holds less than was written to it, or is damaged; {_RESTORE}")

    def _state_last(self, sequence: int) -> None:
        """Unsynced: after a loss of power it may state an earlier one, and never a later."""
        try:
            os.pwrite(self._stated, self._active.seal_last(sequence), 0)
        except OSError as error:
            raise ChangeLogError(f"{self._path}: can't be written: {error.strerror}; set that right") from None

    def find(self, writing: Any, entry: Entry) -> int | None:  # noqa: ANN401 - LMDB's own type
        """The sequence of an entry that is in the log; None where it isn't. For a ``Group`` alone.

        Raises:
            ChangeIdTakenError: an entry with other content has its id.
        """
        for key in self._keys.values():
            noted = writing.get(key.hash_id(entry.change_id), db=self._ids)
            if noted is not None:
                if noted[SEQUENCE.size :] != key.hash_content(entry):
                    raise ChangeIdTakenError("Another change has this id; give each change its own.")
                return int(SEQUENCE.unpack_from(noted)[0])
        return None

    def write(self, writing: Any, sequence: int, entry: Entry) -> None:  # noqa: ANN401 - LMDB's own type
        """Writes an entry at its place; for a ``Group`` alone."""
        place, sealed = SEQUENCE.pack(sequence), self._active.seal(sequence, entry)
        writing.put(place, sealed, db=self._entries, append=True)
        writing.put(id_hash_of(sealed), place + self._active.hash_content(entry), db=self._ids)

    def read_some(self, sequence: int, most: int) -> list[Read]:
        """Reads so many entries at most from a sequence on, in order; none past the last.

        Raises:
            ChangeLogError: see ``read_from``.
        """
        with self._refusing(), self._environment.begin() as reading:
            last = self._last(reading)
            if sequence < self._first(reading):
                raise ChangeLogError(
                    f"{self._path}: holds changes from {self._first(reading)} on; serve a newer snapshot"
                )
            places = range(sequence, min(sequence + most, last + 1))
            return [self._open(one, reading.get(SEQUENCE.pack(one), db=self._entries, default=b"")) for one in places]

    def _open(self, sequence: int, sealed: bytes) -> Read:
        key = self._key_of(sealed)
        try:
            if key is not None:
                return key.open(sequence, sealed)
        except ValueError:
            pass
        raise ChangeLogError(f"{self._path}: the entry {sequence} is damaged or under a key not held; {_RESTORE}")

    def _keys_of(self, ring: KeyRing) -> dict[bytes, LogKey]:
        return {bytes.fromhex(key.key_id): LogKey.of(key, self.log_id) for key in ring}

    def _key_of(self, sealed: bytes) -> LogKey | None:
        key_id = key_id_of(sealed)
        if sealed and key_id not in self._keys and self._renewed:
            with suppress(KeyFileError):
                self._keys |= self._keys_of(self._renewed())
        return self._keys.get(key_id)

    def _last(self, transaction: Any) -> int:  # noqa: ANN401 - LMDB's own type
        return int(SEQUENCE.unpack(transaction.get(_LAST, db=self._head, default=bytes(SEQUENCE.size)))[0])

    def _first(self, transaction: Any) -> int:  # noqa: ANN401 - LMDB's own type
        return int(SEQUENCE.unpack(transaction.get(_FIRST, db=self._head, default=SEQUENCE.pack(1)))[0])

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise ChangeLogError(
                f"{self._path}: LMDB refuses it ({type(error).__name__}); see that the disk has room and is sound"
            ) from None


class Group:
    """Entries that are being written together; for as long as ``ChangeLog.group`` lasts, in its thread.

    Attributes:
        last: the sequence of the last entry so far, whoever wrote it.
        appended: how many were appended.
    """

    def __init__(self, log: ChangeLog, writing: Any, last: int) -> None:  # noqa: ANN401 - LMDB's own type
        self._log = log
        self._writing = writing
        self.last = last
        self.appended = 0
        self._position = 0

    def find(self, entry: Entry) -> int | None:
        """The sequence that an entry has, of whatever index keys; None where it isn't in the log.

        Raises:
            ChangeIdTakenError: an entry with other content has its id.
        """
        return self._log.find(self._writing, entry)

    def append(self, entry: Entry) -> int:
        """Appends an entry; one that is there already has the sequence that it had.

        Raises:
            ChangeIdTakenError: an entry with other content has its id.
        """
        position, self._position = self._position, self._position + 1
        try:
            found = self.find(entry)
        except ChangeIdTakenError as error:
            raise ChangeIdTakenError(error.message, position=position) from None
        return self.write(entry) if found is None else found

    def write(self, entry: Entry) -> int:
        """Writes an entry of which ``find`` has told that it isn't in the log; tells its sequence."""
        self.last += 1
        self.appended += 1
        self._log.write(self._writing, self.last, entry)
        return self.last


def _make_private(path: Path) -> None:
    """Makes an empty file that only its owner may read, where there is none."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE))
    except OSError as error:
        raise ChangeLogError(f"{path}: can't be opened: {error.strerror}; set that right") from None
