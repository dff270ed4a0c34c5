"""Following the log: what is in service is kept close to it, also while nobody asks anything.

What belongs here: when the overlay is brought up to the log without a batch, and telling log and health how that fares.
So the first batch after a quiet hour, or after a million changes, waits for a few of them only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

from structlog.typing import FilteringBoundLogger

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.server.in_service import InService

_SECONDS_BETWEEN_LOOKS: Final = 0.1


class Following:
    """Follows the log with what is in service; used on the event loop alone.

    Args:
        log: the log of changes.
        in_service: what the changes are laid over.
        tell: the log where it says how it fares.
        note: is told the sequence that decisions take account of, and how many changes lie between it and the log's.
    """

    def __init__(
        self,
        log: ChangeLog,
        in_service: InService,
        tell: FilteringBoundLogger,
        note: Callable[[int, int], None] = lambda _sequence, _behind: None,
    ) -> None:
        self._log = log
        self._in_service = in_service
        self._tell = tell
        self._note = note
        self._unread = self._unwritten = ""

    @property
    def is_well(self) -> bool:
        """Whether all changes can be read; where they can't, nothing is resolved."""
        return not self._unread

    @property
    def takes(self) -> bool:
        """Whether changes can be taken."""
        return not self._unread and not self._unwritten

    def note_writing(self, error: ChangeLogError | None) -> None:
        """Notes why changes can't be written, or that they can."""
        self._unwritten = self._noted(self._unwritten, error, "changes can't be written", "changes written again")

    async def watch(self) -> NoReturn:
        """Follows, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def look(self) -> None:
        """Brings what is in service up to the log."""
        error = None
        with self._in_service.batch() as served:
            assert served.overlaid, "a server that follows a log lays its changes over"
            try:
                self._note(served.overlaid.sequence, self._log.last_sequence() - served.overlaid.sequence)
                await served.overlaid.catch_up()
            except ChangeLogError as refused:
                error = refused
        self._unread = self._noted(self._unread, error, "changes can't be read", "changes read again")

    def _noted(self, former: str, error: ChangeLogError | None, worse: str, better: str) -> str:
        """Tells log and health of what is new; gives what is to be remembered."""
        reason = error.message if error else ""
        if reason == former:
            return former
        self._in_service.changed.set()
        if reason:
            self._tell.error(worse, reason=reason)
        else:
            self._tell.info(better)
        return reason
