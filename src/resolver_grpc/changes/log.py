"""The log of changes: what was acknowledged, in order and without gaps, on the disk before anybody is told.

What belongs here: sequences, and who may write when. One LMDB file, which several processes have open: LMDB's own lock
lets one write at a time, and all read. What an entry's bytes are is ``log_sealing.py``'s, what a file must be before it
is opened ``log_check.py``'s; what a change means is nobody's business here.

Beside the file lies another, of the same name with ``.last``: the last sequence that was written, sealed. Without it a
file of which the last transactions are gone would look whole. When the log is trimmed another file takes the place of
the one that is open here; ``log_names.py`` has how, and it is followed before anything is read or written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Final, Self

from resolver_grpc.changes.log_check import check_beginning, check_file
from resolver_grpc.changes.log_file import LogFile
from resolver_grpc.changes.log_names import file_id, locked, make_private, open_beside, remove_leftovers, replace_file
from resolver_grpc.changes.log_sealing import LAST_BYTES, SEQUENCE, Entry, LogKey, Read, id_hash_of, key_id_of
from resolver_grpc.errors import ChangeIdTakenError, ChangeLogError, KeyFileError
from resolver_grpc.keys import KeyRing

_AT_ONCE: Final = 1_000
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
        self._path, self._ring, self._renewed = path, ring, renewed
        self._lock = RLock()
        make_private(path)
        self._stated = open_beside(path)
        try:
            with self._naming(fcntl.LOCK_SH):
                check_file(path.resolve())
                self._file = LogFile(path, path.resolve())
            try:
                self.log_id = self._file.log_id
                self._keys = self._keys_of(ring)
                self._active = self._keys[bytes.fromhex(ring.active.key_id)]
                self._check_last()
            except BaseException:
                self._file.close()
                raise
        except BaseException:
            os.close(self._stated)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; whatever was appended is on the disk already."""
        self._file.close()
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
        with self._writing() as (file, writing):
            group = Group(self, file, writing)
            yield group
            if not group.appended:
                writing.abort()
                return
            file.put_last(writing, group.last)
        self._state_last(group.last)

    def last_sequence(self) -> int:
        """The sequence of the last entry that any process wrote; 0 where there was none.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._reading() as (file, reading):
            return file.last(reading)

    def first_sequence(self) -> int:
        """The sequence of the first entry that was not trimmed; the next one's where there is none.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._reading() as (file, reading):
            return file.first(reading)

    def read_from(self, sequence: int) -> Iterator[Read]:
        """Reads the entries from a sequence on, in order, those too that are written meanwhile.

        Raises:
            ChangeLogError: an entry is damaged, missing, trimmed, or under a key that the ring doesn't hold.
        """
        while some := self.read_some(sequence, _AT_ONCE):
            yield from some
            sequence += len(some)

    def trim(self, up_to: int) -> None:
        """Removes the entries up to a sequence, with it, for good; their ids are forgotten too.

        What is left is in another file afterwards, and the former one is gone: nothing that was removed can be read
        in the bytes of any file. Meanwhile nobody writes.

        Raises:
            ChangeLogError: they can't be removed; the log is then as it was.
        """
        # First the names, then the write lock: who opens the log takes them in this order too.
        with self._naming(fcntl.LOCK_EX):
            self._follow()
            with self._using() as file, file.refusing(), file.begin(write=True) as writing:
                first = max(file.first(writing), min(up_to, file.last(writing)) + 1)
                if first > file.first(writing):
                    replace_file(self._path, lambda fresh: file.write_from(writing, first, fresh))
                else:
                    remove_leftovers(self._path)
                writing.abort()

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
                with self._naming(fcntl.LOCK_SH):
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

    @contextmanager
    def _reading(self) -> Iterator[tuple[LogFile, Any]]:
        with self._using() as file, file.refusing(), file.begin() as reading:
            yield file, reading

    @contextmanager
    def _writing(self) -> Iterator[tuple[LogFile, Any]]:
        """Holds the write lock of the file that the name leads to, which can't change as long as it is held."""
        while True:
            with self._using() as file, file.refusing(), file.begin(write=True) as writing:
                if file_id(self._path) == file.id:
                    yield file, writing
                    return
                writing.abort()

    @contextmanager
    def _naming(self, operation: int) -> Iterator[None]:
        try:
            with locked(self._stated, operation):
                yield
        except OSError as error:
            raise ChangeLogError(f"{self._path}: can't be changed: {error.strerror}; set that right") from None

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

    def find(self, file: LogFile, writing: Any, entry: Entry) -> int | None:  # noqa: ANN401 - LMDB's own type
        """The sequence of an entry that is in the log; None where it isn't. For a ``Group`` alone.

        Raises:
            ChangeIdTakenError: an entry with other content has its id.
        """
        for key in self._keys.values():
            noted = writing.get(key.hash_id(entry.change_id), db=file.ids)
            if noted is not None:
                if noted[SEQUENCE.size :] != key.hash_content(entry):
                    raise ChangeIdTakenError("Another change has this id; give each change its own.")
                return int(SEQUENCE.unpack_from(noted)[0])
        return None

    def write(self, file: LogFile, writing: Any, sequence: int, entry: Entry) -> None:  # noqa: ANN401 - LMDB's own type
        """Writes an entry at its place; for a ``Group`` alone."""
        place, sealed = SEQUENCE.pack(sequence), self._active.seal(sequence, entry)
        writing.put(place, sealed, db=file.entries, append=True)
        writing.put(id_hash_of(sealed), place + self._active.hash_content(entry), db=file.ids)

    def read_some(self, sequence: int, most: int) -> list[Read]:
        """Reads so many entries at most from a sequence on, in order; none past the last.

        Raises:
            ChangeLogError: see ``read_from``.
        """
        with self._reading() as (file, reading):
            last = file.last(reading)
            if sequence < file.first(reading):
                raise ChangeLogError(
                    f"{self._path}: holds changes from {file.first(reading)} on; serve a newer snapshot"
                )
            places = range(sequence, min(sequence + most, last + 1))
            return [self._open(one, reading.get(SEQUENCE.pack(one), db=file.entries, default=b"")) for one in places]

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


class Group:
    """Entries that are being written together; for as long as ``ChangeLog.group`` lasts, in its thread.

    Attributes:
        last: the sequence of the last entry so far, whoever wrote it.
        appended: how many were appended.
    """

    def __init__(self, log: ChangeLog, file: LogFile, writing: Any) -> None:  # noqa: ANN401 - LMDB's own type
        self._log = log
        self._file = file
        self._writing = writing
        self.last = file.last(writing)
        self.appended = 0
        self._position = 0

    def find(self, entry: Entry) -> int | None:
        """The sequence that an entry has, of whatever index keys; None where it isn't in the log.

        Raises:
            ChangeIdTakenError: an entry with other content has its id.
        """
        return self._log.find(self._file, self._writing, entry)

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
        self._log.write(self._file, self._writing, self.last, entry)
        return self.last
