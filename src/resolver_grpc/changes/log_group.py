"""Entries that are being written to the log together, in one synced transaction.

What belongs here: the order of a group's entries, and which of them the log has already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolver_grpc.changes.log_file import LogFile
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.errors import ChangeIdTakenError

if TYPE_CHECKING:
    from resolver_grpc.changes.log import ChangeLog


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
