"""A worker's side of its audit: who waits for what.

What belongs here: whoever waits for a record goes on once the keeper says that it is on the disk, or is told that it
can't be; and a keeper that ends is replaced. The event loop has its own work: records of batches that are under way
together are made together, go in one message, and one reply settles all that were written together. Nothing here knows
of files, or of how a line looks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from resolver_grpc.audit.chain import News, Tell
from resolver_grpc.audit.gathering import Gathering, MakeRecord, Written, cannot_write, settle
from resolver_grpc.audit.keeper_process import KeeperProcess
from resolver_grpc.audit.messages import FAREWELL, Begun, Reply, Told, Wrote, encode_setup
from resolver_grpc.audit.naming import End
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.errors import AuditError

SECONDS_TO_CLOSE: Final = 4.0
"""How long a drain waits for the last records and the closing line: a worker has five for all after its last call."""
SECONDS_BETWEEN_STARTS: Final = 1.0
"""A keeper that ends at once is not started more often; one that has lived for longer is replaced at once."""
SECONDS_TO_GATHER: Final = 0.005
"""How long a record waits for those of others who are under way with it."""

_SECONDS_BETWEEN_LOOKS: Final = 0.02
_ENDED: Final = "the process that writes it has ended"


class NoteWrite(Protocol):
    """Is told of each write."""

    def __call__(self, records: int, seconds: float, *, is_written: bool) -> None:
        """Takes how many records it was to hold (none for a mere checkpoint), how long it took, whether it holds."""


class Audience(NamedTuple):
    """Who is told how an audit fares.

    Attributes:
        changed: is called when writing begins to fail, with why, and with an empty text when it no longer does.
        told: is told of checkpoints, and of what went wrong with files.
        wrote: is called after each write, whatever came of it.
    """

    changed: Callable[[str], None]
    told: Tell
    wrote: NoteWrite


class AuditWriter:
    """Has a chain written for many callers at once; made and used on the event loop alone.

    Args:
        folder: the audit's folder.
        keys: what lines are sealed with, then what else former chains may have been sealed with.
        worker: the number of the worker.
        audience: who is told how it fares.

    Raises:
        AuditError: no file can be begun there.
    """

    def __init__(self, folder: Path, keys: Sequence[AuditKeys], worker: int, audience: Audience) -> None:
        self._loop = asyncio.get_running_loop()
        self._setup = encode_setup(folder, worker, keys)
        self._audience = audience
        self._gathered = Gathering()
        self._waiting: deque[Written] = deque()
        self._writes = 0
        self._is_kept = True
        self._is_closing = False
        self._parted = asyncio.Event()
        try:
            self._keeper = self._start()
            self._fault = self._await_beginning()
        except OSError as error:
            self._fault = error.strerror or type(error).__name__
        if self._fault:
            raise AuditError(
                f"{folder}: the audit can't be written there ({self._fault}); make it a folder that this program "
                "may write to, with room on its disk"
            )
        self._keeper.attend(self._hear)

    @property
    def is_well(self) -> bool:
        """Whether the last write succeeded, and whoever makes the next one is there."""
        return not self._fault

    def check(self) -> int:
        """Refuses what could not be recorded anyway, before any work is done for it.

        Returns:
            What tells when the batch was taken up, for ``write``.

        Raises:
            AuditError: the audit can't be written.
        """
        if self._fault:
            raise cannot_write()
        return self._writes

    def write(self, make: MakeRecord, taken_up: int | None = None) -> Written:
        """Begins to write a record.

        Args:
            make: makes the record of a batch. It is called in a moment, beside those of others: what making one takes
                is then near, which after a batch it is not.
            taken_up: when the batch was taken up, as ``check`` told; now, unless told.

        Returns:
            What ends once the record is on the disk, or raises an ``AuditError`` where it can't be written.
        """
        written = self._loop.create_future()
        if not self._is_kept:
            settle(written, is_written=False)
            return written
        # Whoever asks for one batch after the other takes none up before the one before it is recorded.
        is_taken_up_before = taken_up is not None and taken_up != self._writes
        has_company = bool(self._waiting or self._gathered) or is_taken_up_before
        self._gathered.add(make, written)
        if not has_company:
            self._send()
        elif len(self._gathered) == 1:
            self._loop.call_later(SECONDS_TO_GATHER, self._send)
        return written

    async def close(self) -> None:
        """Waits for what is being written, and ends the chain; of a disk that hangs it despairs after a while."""
        self._is_closing = True
        if not self._parted.is_set():
            self._send()
            self._keeper.send(FAREWELL)
            try:
                async with asyncio.timeout(SECONDS_TO_CLOSE):
                    await self._parted.wait()
            except TimeoutError:
                self._part()
        self._keeper.bury()

    def _send(self) -> None:
        """Sends all records that were gathered."""
        for order in self._gathered.take():
            self._waiting.extend(order.waiting)
            self._keeper.send(order.message)

    def _start(self) -> KeeperProcess:
        self._started = self._loop.time()
        return KeeperProcess(self._setup)

    def _await_beginning(self) -> str:
        """Waits until the first keeper has begun a chain; tells why it has none, if so."""
        while reply := self._keeper.await_reply():
            match reply:
                case Begun(fault=""):
                    return ""
                case Begun():
                    break
                case _:
                    self._hear(reply)
        self._keeper.part()
        self._keeper.bury()
        return reply.fault if isinstance(reply, Begun) else _ENDED

    def _hear(self, reply: Reply | None) -> None:
        match reply:
            case Wrote():
                self._settle_next(reply)
            case Told(news=news, file=file, sequence=sequence, seal=seal):
                self._audience.told(News(news), End(file, sequence, seal))
            case Begun(fault=fault):
                self._is_kept = not fault
                self._note(fault)
            case None:
                self._lose()

    def _settle_next(self, reply: Wrote) -> None:
        """Lets those go on whose records were written together, or could not be."""
        for _ in range(reply.records):
            settle(self._waiting.popleft(), is_written=not reply.fault)
        self._writes += reply.records > 0
        self._audience.wrote(reply.records, reply.seconds, is_written=not reply.fault)
        self._note(reply.fault)

    def _lose(self) -> None:
        """Has another keeper take the place of one that has ended."""
        self._part()
        if not self._is_closing:
            self._note(self._fault or _ENDED)
            self._loop.call_soon(self._replace)

    def _part(self) -> None:
        """Lets go of a keeper; nobody will ever know what became of the records that it was sent last."""
        self._is_kept = False
        self._parted.set()
        self._keeper.part()
        self._waiting.extend(self._gathered.give_up())
        if records := len(self._waiting):
            self._audience.wrote(records, 0.0, is_written=False)
        while self._waiting:
            settle(self._waiting.popleft(), is_written=False)

    def _replace(self) -> None:
        if self._is_closing:
            return
        # It goes on from the file of the one before it, which has to have let go of that.
        if self._keeper.has_ended and self._loop.time() >= self._started + SECONDS_BETWEEN_STARTS:
            try:
                self._keeper = self._start()
            except OSError as error:
                self._note(error.strerror or type(error).__name__)
            else:
                self._parted.clear()
                self._keeper.attend(self._hear)
                return
        self._loop.call_later(_SECONDS_BETWEEN_LOOKS, self._replace)

    def _note(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            # A log that can't be written is no reason to take the audit for one that can't.
            with suppress(OSError):
                self._audience.changed(fault)
