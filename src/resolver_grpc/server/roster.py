"""The senders that are onboarded now: their file is looked at while the server runs, and taken up when it changes.

What belongs here: when the senders' file is read, taken up or refused. What stands in it is ``senders.py``'s. A batch
looks its sender up once and keeps it to its end; whatever is wrong with a changed file, the former senders stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Sender
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.sighting import Mark, mark_of


class Roster(Mapping[str, Sender]):
    """The senders of a file, by id, as they were taken up last.

    Args:
        path: the senders' file.

    Raises:
        ConfigurationError: the file is refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = mark_of(path)
        self._senders = read_senders(path)

    def __getitem__(self, sender_id: str) -> Sender:
        return self._senders[sender_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._senders)

    def __len__(self) -> int:
        return len(self._senders)

    def take_up(self, senders: dict[str, Sender]) -> None:
        """Has these be the senders from the next batch on."""
        self._senders = senders


class RosterWatch:
    """Keeps a roster true to its file.

    Args:
        roster: the senders.
        in_service: is told of a file that is refused, and of one that no longer is.
        log: likewise, and of what was taken up.
    """

    def __init__(self, roster: Roster, in_service: InService, log: FilteringBoundLogger) -> None:
        self._roster = roster
        self._in_service = in_service
        self._log = log
        self._seen = roster.mark

    async def watch(self, interval: float) -> NoReturn:
        """Looks at the file again and again, so many seconds apart, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a watcher that died would go unnoticed
                # The log itself may be what failed; the next look tries again.
                with suppress(OSError):
                    self._log.error("fault", **fault_of(error))

    async def look(self) -> None:
        """Looks at the file, and takes up what stands there if it has changed."""
        mark = await asyncio.to_thread(mark_of, self._roster.path)
        if mark == self._seen:
            return
        read = await asyncio.to_thread(_try_to_read, self._roster.path)
        # Half of a file may be a sound one: what is still being written is left to the next look.
        if await asyncio.to_thread(mark_of, self._roster.path) == mark:
            self._settle(mark, read)

    def _settle(self, mark: Mark | None, read: dict[str, Sender] | ConfigurationError) -> None:
        self._seen = mark
        if isinstance(read, ConfigurationError):
            self._in_service.senders_refusal = read.message
            self._log.error("senders refused", reason=read.message)
            return
        self._roster.take_up(read)
        self._in_service.senders_refusal = ""
        self._log.info("senders taken up", senders=len(read))


def _try_to_read(path: Path) -> dict[str, Sender] | ConfigurationError:
    try:
        return read_senders(path)
    except ConfigurationError as error:
        return error
