"""The log of changes: what was acknowledged, in order and without gaps, on the disk before anybody is told.

What belongs here: sequences, and who may write when. One LMDB file, which several processes have open: LMDB's own lock
lets one write at a time, and all read. What an entry's bytes are is ``log_sealing.py``'s, what a file must be before it
is opened ``log_check.py``'s; what a change means is nobody's business here.

Beside the file lies another, of the same name with ``.last``: the last sequence that was written, sealed. Without it a
file of which the last transactions are gone would look whole. When the log is trimmed another file takes the place of
the one that is open here; ``log_names.py`` has how, and it is followed before anything is read or written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, Self

from resolver_grpc.changes.log_file import LogFile
from resolver_grpc.changes.log_followed import FollowedFile
from resolver_grpc.changes.log_group import Group
from resolver_grpc.changes.log_names import remove_leftovers, replace_file
from resolver_grpc.changes.log_sealing import (
    LAST_BYTES,
    SEQUENCE,
    Entry,
    LogKey,
    Read,
    id_hash_of,
    key_id_of,
    read_entry,
)
from resolver_grpc.errors import ChangeIdTakenError, ChangeLogError, KeyFileError
from resolver_grpc.keys import KeyRing

__all__ = ["ChangeLog", "Group"]

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
        self._file = FollowedFile(path)
        try:
            self.log_id = self._file.log_id
            self._keys = self._keys_of(ring)
            self._active = self._keys[bytes.fromhex(ring.active.key_id)]
            self._check_last()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes it; whatever was appended is on the disk already."""
        self._file.close()

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
        with self._file.writing() as (file, writing):
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
        with self._file.reading() as (file, reading):
            return file.last(reading)

    def find_all(self, entries: Sequence[Entry]) -> tuple[int, list[int | ChangeIdTakenError | None]]:
        """Looks for entries as of one instant.

        Returns:
            The sequence of the last entry that any process wrote; and of each of these what ``Group.find`` tells, or
            raises.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._file.reading() as (file, reading):
            return file.last(reading), [self._found(file, reading, entry) for entry in entries]

    def _found(self, file: LogFile, reading: Any, entry: Entry) -> int | ChangeIdTakenError | None:  # noqa: ANN401 - LMDB's own type
        try:
            return self.find(file, reading, entry)
        except ChangeIdTakenError as error:
            return error

    def first_sequence(self) -> int:
        """The sequence of the first entry that was not trimmed; the next one's where there is none.

        Raises:
            ChangeLogError: it can't be read.
        """
        with self._file.reading() as (file, reading):
            return file.first(reading)

    def read_from(self, sequence: int) -> Iterator[Read]:
        """Reads the entries from a sequence on, in order, those too that are written meanwhile.

        Raises:
            ChangeLogError: an entry is damaged, missing, trimmed, or under a key that the ring doesn't hold.
        """
        while some := self.read_some(sequence, _AT_ONCE):
            yield from some
            sequence += len(some)

    def read_some(self, sequence: int, most: int) -> list[Read]:
        """Reads so many entries at most from a sequence on, in order; none past the last.

        Raises:
            ChangeLogError: see ``read_from``.
        """
        return [read_entry(sequence + place, plain) for place, plain in enumerate(self.open_some(sequence, most))]

    def open_some(self, sequence: int, most: int) -> list[bytes]:
        """Deciphers so many entries at most from a sequence on, as ``read_some`` does; see ``log_sealing.after_in``.

        Raises:
            ChangeLogError: see ``read_from``.
        """
        with self._file.reading() as (file, reading):
            wanted = range(sequence, min(sequence + most, file.last(reading) + 1))
            if sequence < file.first(reading):
                raise ChangeLogError(
                    f"{self._path}: holds changes from {file.first(reading)} on; serve a newer snapshot"
                )
            found = file.sealed_from(reading, sequence, len(wanted))
            # What stands in the place of one that is missing isn't of its sequence.
            return list(self._open(wanted, chain(found, repeat(b""))))

    def trim(self, up_to: int) -> None:
        """Removes the entries up to a sequence, with it, for good; their ids are forgotten too.

        What is left is in another file afterwards, and the former one is gone: nothing that was removed can be read
        in the bytes of any file. Meanwhile nobody writes.

        Raises:
            ChangeLogError: they can't be removed; the log is then as it was.
        """
        with self._file.replacing() as (file, writing):
            first = max(file.first(writing), min(up_to, file.last(writing)) + 1)
            if first > file.first(writing):
                replace_file(self._path, lambda fresh: file.write_from(writing, first, fresh))
            else:
                remove_leftovers(self._path)

    def _check_last(self) -> None:
        """Refuses a log that holds less than was written to it, or that is under keys that the ring doesn't hold."""
        stated, last = os.pread(self._file.stated, LAST_BYTES, 0), self.last_sequence()
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
            os.pwrite(self._file.stated, self._active.seal_last(sequence), 0)
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

    def _open(self, sequences: Iterable[int], entries: Iterable[bytes]) -> Iterator[bytes]:
        """Deciphers entries, nearly all of which are under one key."""
        key: LogKey | None = self._active
        for sequence, sealed in zip(sequences, entries, strict=False):
            if key is None or not sealed.startswith(key.key_id):
                key = self._key_of(sealed)
            try:
                plain = key.open(sequence, sealed) if key else None
            except ValueError:
                plain = None
            if plain is None:
                what = f"the entry {sequence} is damaged or under a key not held"
                raise ChangeLogError(f"{self._path}: {what}; {_RESTORE}")
            yield plain

    def _keys_of(self, ring: KeyRing) -> dict[bytes, LogKey]:
        return {bytes.fromhex(key.key_id): LogKey.of(key, self.log_id) for key in ring}

    def _key_of(self, sealed: bytes) -> LogKey | None:
        key_id = key_id_of(sealed)
        if sealed and key_id not in self._keys and self._renewed:
            with suppress(KeyFileError):
                self._keys |= self._keys_of(self._renewed())
        return self._keys.get(key_id)
