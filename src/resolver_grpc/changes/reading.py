"""The log of changes as the builder reads it: decoded, from a sequence on, up to what was there at first.

What belongs here: bytes of the log to changes. The builder knows neither the wire's messages nor the log's file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError

from resolver_grpc.changes.events import Change
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.reasons import RefusedChangeError
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.keys import KeyRing
from resolver_grpc.v1 import change_pb2 as pb

Progress = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a step is: takes its total and its name."""


class LoggedChanges:
    """The changes that a log holds now.

    Args:
        log: an open log; what is appended to it later is not read.
        last: the sequence up to which it is read; None for all that it holds.

    Attributes:
        first: the sequence of the first that it still has; past the last where it has none.
        last: the sequence of the last that it ever had.

    Raises:
        ChangeLogError: it can't be read.
    """

    def __init__(self, log: ChangeLog, last: int | None = None) -> None:
        self._log = log
        self.first, held = log.first_sequence(), log.last_sequence()
        if last is not None and last > held:
            raise ChangeLogError(
                f"The log ends at {held:,}, and {last:,} is asked for; name the log that goes with it."
            )
        self.last = held if last is None else last

    def since(self, sequence: int) -> Iterator[tuple[int, Change]]:
        """Reads the changes behind a sequence, up to the last, each with its own.

        Raises:
            ChangeLogError: one is damaged, trimmed, or none that this program knows.
        """
        if sequence >= self.last:
            return
        for read in self._log.read_from(sequence + 1):
            yield read.sequence, decode_change(read.sequence, read.content)
            if read.sequence == self.last:
                return

    def changes_after(self, sequence: int, progress: Progress) -> Iterator[Change]:
        """Reads the changes after a snapshot that contains those up to a sequence.

        Args:
            sequence: the snapshot's.
            progress: shows how far the reading is.

        Raises:
            ChangeLogError: the log doesn't reach back to it, or ends before it; or see ``since``.
        """
        if sequence > self.last:
            raise ChangeLogError(
                f"The snapshot contains changes up to {sequence:,}, and the log ends at {self.last:,}: it is another "
                "log; name the one that it was built with."
            )
        with progress(self.last - sequence, "taking changes") as advance:
            for _, change in self.since(sequence):
                yield change
                advance(1)


@contextmanager
def reading_log(path: Path, ring: KeyRing, last: int | None = None) -> Iterator[LoggedChanges]:
    """Opens a log that is there to read it, for as long as the block lasts.

    Args:
        path: where it lies.
        ring: the keys.
        last: as for ``LoggedChanges``.

    Raises:
        ChangeLogError: there is none, or it can't be opened.
    """
    with existing_log(path, ring) as log:
        yield LoggedChanges(log, last)


def existing_log(path: Path, ring: KeyRing) -> ChangeLog:
    """Opens a log that is there.

    Raises:
        ChangeLogError: there is none, or it can't be opened.
    """
    if not path.is_file():
        raise ChangeLogError(f"There is no log of changes at {path}; name the one that the server writes.")
    return ChangeLog(path, ring)


def decode_change(sequence: int, content: bytes) -> Change:
    """Reads the change that an entry of the log holds.

    Raises:
        ChangeLogError: it is none that this program knows.
    """
    try:
        return parse_change(pb.Change.FromString(content))
    except (DecodeError, RefusedChangeError):
        raise ChangeLogError(
            f"The entry {sequence} of the log holds no change that this program knows; use the version that took it."
        ) from None
