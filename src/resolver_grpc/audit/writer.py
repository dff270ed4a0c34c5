"""Group commit: batches that end while others are being synced share the next write.

What belongs here: who waits for what. Whoever waits for a record goes on once it is on the disk, or is told that it
can't be. A sync costs as much as a good part of a batch of 1,000; so where several batches are under way at once it
waits for their records, too. Nothing here knows how a line looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from resolver_grpc.audit.chain import Chain
from resolver_grpc.audit.record import Record
from resolver_grpc.audit.syncing import Syncer
from resolver_grpc.errors import AuditError

SECONDS_TO_GATHER: Final = 0.003
"""How long a write waits for the records of others."""

_SENTENCE: Final = "the audit can't be written, so nothing is resolved until it can be; try again later"


class Wrote(Protocol):
    """Is told of each write."""

    def __call__(self, records: int, seconds: float, *, is_written: bool) -> None:
        """Takes how many records it was to hold (none for a mere checkpoint), how long it took, whether it holds."""


class AuditWriter:
    """Writes a chain for many callers at once; used on the event loop alone.

    Args:
        chain: what it writes; nobody else uses it meanwhile.
        changed: is called when writing begins to fail, with why, and with an empty text when it no longer does.
        wrote: is called after each write, whatever came of it.
    """

    def __init__(self, chain: Chain, changed: Callable[[str], None], wrote: Wrote | None = None) -> None:
        self._chain = chain
        self._changed = changed
        self._wrote = wrote
        self._syncer = Syncer()
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        # A checkpoint may be under way when a record comes, and the chain has one end.
        self._one_at_a_time = asyncio.Lock()
        self._writes = 0
        self._has_company = False
        self._fault = ""

    @property
    def is_well(self) -> bool:
        """Whether the last write succeeded."""
        return not self._fault

    def check(self) -> int:
        """Refuses what could not be recorded anyway, before any work is done for it.

        Returns:
            What tells when the batch was taken up, for ``write``.

        Raises:
            AuditError: the audit can't be written.
        """
        if self._fault:
            raise AuditError(_SENTENCE)
        return self._writes

    def write(self, record: Record, taken_up: int | None = None) -> asyncio.Future[None]:
        """Begins to write a record.

        Args:
            record: of a batch.
            taken_up: when that was taken up, as ``check`` told; now, unless told.

        Returns:
            What ends once the record is on the disk, or raises an ``AuditError`` where it can't be written.
        """
        written = asyncio.get_running_loop().create_future()
        # Whoever asks for one batch after the other takes none up before the one before it is recorded.
        self._has_company |= bool(self._committing) or taken_up not in {None, self._writes}
        self._waiting.append((record, written))
        if not self._committing:
            self._committing = asyncio.create_task(self._commit_all())
        return written

    async def check_up(self) -> None:
        """Looks whether a failed audit can be written again, and makes a checkpoint that is overdue."""
        if self._committing or (self.is_well and not self._chain.is_checkpoint_due):
            return
        await self._write([])

    async def close(self) -> None:
        """Waits for what is being written, and ends the chain."""
        while self._committing:
            await asyncio.wait({self._committing})
        self._syncer.close()
        # The chain goes on from its last record, if it can't be said that nothing more comes.
        with suppress(OSError):
            self._chain.close()

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                if self._has_company:
                    self._has_company = False
                    await asyncio.sleep(SECONDS_TO_GATHER)
                group, self._waiting = self._waiting, []
                records = [record for record, _ in group]
                is_written = await self._write(records)
                self._writes += 1
                for _, written in group:
                    # Whoever waited may have gone.
                    if not written.done():
                        _settle(written, is_written=is_written)
        finally:
            self._committing = None

    async def _write(self, records: list[Record]) -> bool:
        """Whether records, or a mere checkpoint, could be written; tells when that changes."""
        fault, begun = "", time.perf_counter()
        try:
            async with self._one_at_a_time:
                await self._sync(records)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are to be told
            fault = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        if self._wrote:
            self._wrote(len(records), time.perf_counter() - begun, is_written=not fault)
        if fault != self._fault:
            self._fault = fault
            with suppress(OSError):
                self._changed(fault)
        return not fault

    async def _sync(self, records: list[Record]) -> None:
        """Writes records and waits for the disk.

        Raises:
            OSError: they are not on the disk, or nobody knows.
        """
        begun = self._chain.begin(records)
        try:
            await self._syncer.sync(begun.descriptor)
        except BaseException:
            self._chain.finish(begun, is_synced=False)
            raise
        self._chain.finish(begun, is_synced=True)


def _settle(written: asyncio.Future[None], *, is_written: bool) -> None:
    if is_written:
        written.set_result(None)
    else:
        written.set_exception(AuditError(_SENTENCE))
        # Whoever waited may have gone: asyncio is not to write to the log that nobody asked.
        written.exception()
