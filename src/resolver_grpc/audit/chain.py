"""The chain of one process: one record after the other, through one file a day.

What belongs here: which file a record goes to, what is said between records (where a file begins, how many records
there are by now, where it ends), and how a chain goes on when a file of it was lost. Nothing here knows of callers
that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from resolver_grpc.audit.chain_file import ChainFile
from resolver_grpc.audit.naming import End, chain_name, end_of_day, format_time
from resolver_grpc.audit.record import Body, Record, record_body
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.succession import find_ends

RECORDS_TO_A_CHECKPOINT: Final = 1_000
SECONDS_TO_A_CHECKPOINT: Final = 60
VERSION: Final = 1


class News(StrEnum):
    """What a chain has to tell, about an end of one of its files."""

    CHECKPOINT = "audit checkpoint"
    """All up to there is synced: keep it elsewhere, and what is cut off later can be found."""
    LOST = "audit file lost"
    """Somebody else moved, removed or changed the file; the chain goes on in another one."""
    UNFIT = "audit file not continued"
    """A former file doesn't hold: have the folder verified."""


Tell = Callable[[News, End], None]


class Chain:
    """A worker's audit; used by one thread at a time.

    Args:
        folder: the audit's folder, which is there.
        keys: what it is sealed with, then what else former chains may have been sealed with.
        worker: the number of the worker.
        clock: tells the instant, in seconds of UTC.
        tell: is told of checkpoints, and of what went wrong with files.

    Raises:
        OSError: no file can be begun there.
    """

    def __init__(
        self, folder: Path, keys: Sequence[AuditKeys], worker: int, clock: Callable[[], float], tell: Tell
    ) -> None:
        self._folder = folder
        self._keys = keys[0]
        self._worker = worker
        self._clock = clock
        self._tell = tell
        self._started = clock()
        self._ends, unfit = find_ends(folder, {one.key_id: one for one in keys})
        for name in unfit:
            tell(News.UNFIT, End(name, 0, ""))
        self._file: ChainFile | None = None
        self._until = 0.0
        self._unchecked = 0
        self._checked_at = self._started
        self._current(self._started)

    def append(self, records: Sequence[Record]) -> None:
        """Writes records; once it returns they are on the disk.

        Args:
            records: if there are none, a checkpoint is written, which shows whether anything can be.

        Raises:
            OSError: they couldn't be written; whoever waits for them is to be refused.
        """
        now = self._clock()
        file = self._current(now)
        common = self._common(now)
        bodies = [record_body(record) | common for record in records]
        if is_due := not records or self._is_due(now, len(records)):
            bodies.append(_milestone("checkpoint", file.batches + len(records)) | common)
        file.append(bodies)
        self._unchecked += len(records)
        if is_due:
            self._passed(file, now)

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether records have waited for a checkpoint long enough."""
        return self._unchecked > 0 and self._clock() - self._checked_at >= SECONDS_TO_A_CHECKPOINT

    def close(self) -> None:
        """Says that nothing more comes, and lets go of the file.

        Raises:
            OSError: it can't be said; the chain goes on from the last record all the same.
        """
        file, self._file = self._file, None
        if file:
            try:
                if file.is_in_place():
                    self._end(file, self._clock())
            finally:
                file.release()

    def _current(self, now: float) -> ChainFile:
        """The file of the day; begins it if need be."""
        if file := self._file:
            is_in_place = file.is_in_place()
            if is_in_place and now < self._until:
                return file
            if is_in_place:
                self._end(file, now)
            else:
                self._tell(News.LOST, file.end)
            self._ends, self._file = [file.end], None
            file.release()
        self._file = file = self._begin(now)
        self._until = end_of_day(now)
        self._ends, self._unchecked, self._checked_at = [], 0, now
        return file

    def _begin(self, now: float) -> ChainFile:
        name = chain_name(now, self._worker)
        opening: Body = {
            "type": "open",
            "version": VERSION,
            "file": name,
            "key": self._keys.key_id,
            "started": format_time(self._started),
            "continues": self._ends,
            **self._common(now),
        }
        return ChainFile(self._folder, name, self._keys.lines, opening)

    def _end(self, file: ChainFile, now: float) -> None:
        file.append([_milestone("close", file.batches) | self._common(now)])
        self._tell(News.CHECKPOINT, file.end)

    def _is_due(self, now: float, more: int) -> bool:
        passed = self._unchecked + more
        return passed >= RECORDS_TO_A_CHECKPOINT or now - self._checked_at >= SECONDS_TO_A_CHECKPOINT

    def _common(self, now: float) -> Body:
        """What every line says."""
        return {"time": format_time(now), "worker": self._worker}

    def _passed(self, file: ChainFile, now: float) -> None:
        self._unchecked, self._checked_at = 0, now
        self._tell(News.CHECKPOINT, file.end)


def _milestone(kind: str, batches: int) -> Body:
    """A line between records: how many of them the file holds before it."""
    return {"type": kind, "batches": batches}
