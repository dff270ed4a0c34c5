"""The intake of changes: what came in while the last group was written becomes the next one.

What belongs here: groups, their order, and the room for what waits. A thread holds the log's lock and syncs; the event
loop judges, while the lock keeps the log, and so the overlay, as it is. A few are judged before, and written where the
log is as it was. So no worker takes a change that contradicts another's, and nobody waits for a disk but those who sent
changes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from resolver_grpc.changes.events import Change
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_group import Group
from resolver_grpc.changes.log_sealing import Entry
from resolver_grpc.errors import ChangeIdTakenError, ChangeLogError
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.judging import ID_TAKEN, Draft, Outcome, Refused, Sent, judge_group
from resolver_grpc.server.overlaid import Known, Overlaid

MOST_WAITING: Final = 20_000
"""Changes that may wait to be written in a process; who sends more waits before they are read."""
_FEW: Final = 64
"""Changes of a group that are judged before the log is locked; that others write meanwhile is then unlikely."""
_MOST_IN_GROUP: Final = 5_000
_STEP_SECONDS: Final = 0.0005


_Written: TypeAlias = tuple[list[Outcome | Entry], dict[str, int]]
"""What became of each change of a group, and the sequences of those that were written, by id."""


class _Waiting(NamedTuple):
    """Changes that came together, and what their sender waits for."""

    changes: Sequence[Sent]
    answer: asyncio.Future[list[Outcome]]


class Intake:
    """Takes changes into the log; made and used on the event loop.

    Args:
        log: the log.
        in_service: whose overlay they are judged by.
        note_fault: is told why the log can't be written, and of nothing once it can be again.
    """

    def __init__(
        self, log: ChangeLog, in_service: InService, note_fault: Callable[[ChangeLogError | None], None]
    ) -> None:
        self._log = log
        self._in_service = in_service
        self._note_fault = note_fault
        self._thread = ThreadPoolExecutor(1, "changes")
        self._waiting: deque[_Waiting] = deque()
        self._count = 0
        self._has_room = asyncio.Condition()
        self._writing: asyncio.Task[None] | None = None

    async def send(self, changes: Sequence[Sent]) -> asyncio.Future[list[Outcome]]:
        """Has changes taken together, in their order, once there is room for them.

        Returns:
            What ends once all that were taken are on the disk, with an outcome for each; or raises a
            ``ChangeLogError`` where they can't be written.
        """
        async with self._has_room:
            await self._has_room.wait_for(lambda: self._count + len(changes) <= MOST_WAITING)
            self._count += len(changes)
        waiting = _Waiting(changes, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return waiting.answer

    async def close(self) -> None:
        """Waits until nothing is being written any more."""
        if self._writing:
            await self._writing
        self._thread.shutdown()

    async def _write_all(self) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                outcomes = iter(await self._write_in_turn([change for one in group for change in one.changes]))
                self._note_fault(None)
                for one in group:
                    one.answer.set_result(list(islice(outcomes, len(one.changes))))
            except Exception as error:  # noqa: BLE001 - those who wait are told
                refused = self._refusal(error)
                for one in group:
                    one.answer.set_exception(refused)
            async with self._has_room:
                self._count -= sum(len(one.changes) for one in group)
                self._has_room.notify_all()

    def _refusal(self, error: Exception) -> Exception:
        """What those are told whose changes were not written; nothing of this machine."""
        if not isinstance(error, ChangeLogError):
            return error
        self._note_fault(error)
        return ChangeLogError("the changes can't be written; send them again")

    def _next_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        count = len(group[0].changes)
        while self._waiting and count + len(self._waiting[0].changes) <= _MOST_IN_GROUP:
            group.append(self._waiting.popleft())
            count += len(group[-1].changes)
        return group

    async def _write_in_turn(self, changes: Sequence[Sent]) -> list[Outcome]:
        """Writes changes, in one group where all of them can be judged together."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(changes):
            outcomes += await self._write(changes[len(outcomes) :])
        return outcomes

    async def _write(self, changes: Sequence[Sent]) -> list[Outcome]:
        """Judges a group and writes it; what can be laid over the snapshot before comes first.

        Returns:
            The outcomes of as many changes as were judged, the first of them at least.
        """
        with self._in_service.batch() as served:
            overlaid = served.overlaid
            assert overlaid, "a server that takes changes has a log"
            await overlaid.catch_up()
            written = await self._write_few(changes, overlaid) if len(changes) <= _FEW else None
            judged, sequences = written or await self._write_locked(changes, overlaid)
            overlaid.foresee(_known(changes[: len(judged)], judged, sequences))
        return [sequences[one.change_id] if isinstance(one, Entry) else one for one in judged]

    async def _write_few(self, changes: Sequence[Sent], overlaid: Overlaid) -> _Written | None:
        """Judges before the log is locked, which spares going to and fro; None where others wrote meanwhile."""
        last, found = self._log.find_all([Entry(one.change_id, one.content) for one in changes])
        if last != overlaid.sequence:
            return None
        known = [_outcome(one, of_id) for one, of_id in zip(changes, found, strict=True)]
        judged = await _judge(changes, known, overlaid)
        if last != overlaid.sequence:
            return None

        def write() -> dict[str, int] | None:
            with self._log.group() as group:
                return _write_entries(group, judged) if group.last == last else None

        sequences = await asyncio.get_running_loop().run_in_executor(self._thread, write)
        return None if sequences is None else (judged, sequences)

    async def _write_locked(self, changes: Sequence[Sent], overlaid: Overlaid) -> _Written:
        """Judges while the log is locked, so that nobody else writes meanwhile."""
        loop = asyncio.get_running_loop()

        def write() -> _Written:
            with self._log.group() as group:
                known = [_find(group, one) for one in changes]
                judging = asyncio.run_coroutine_threadsafe(_judge(changes, known, overlaid), loop)
                judged = judging.result()
                return judged, _write_entries(group, judged)

        return await loop.run_in_executor(self._thread, write)


def _write_entries(group: Group, judged: Sequence[Outcome | Entry]) -> dict[str, int]:
    """Writes what was taken; gives the sequences by change id, of which each is written once."""
    entries = {one.change_id: one for one in judged if isinstance(one, Entry)}
    return {change_id: group.write(entry) for change_id, entry in entries.items()}


def _find(group: Group, sent: Sent) -> Outcome | None:
    """What the log knows of a change."""
    try:
        return _outcome(sent, group.find(Entry(sent.change_id, sent.content)))
    except ChangeIdTakenError as error:
        return _outcome(sent, error)


def _outcome(sent: Sent, found: int | ChangeIdTakenError | None) -> Outcome | None:
    """What is known of a change before it is judged: that it can't be read, its sequence, or whose id it has."""
    if isinstance(sent.read, Refused):
        return sent.read
    return ID_TAKEN if isinstance(found, ChangeIdTakenError) else found


async def _judge(changes: Sequence[Sent], found: Sequence[Outcome | None], overlaid: Overlaid) -> list[Outcome | Entry]:
    """Judges a group while its log is locked, with the event loop in between."""
    await overlaid.catch_up()
    judged: list[Outcome | Entry] = []
    begun = time.perf_counter()
    for one in judge_group(changes, found, Draft(overlaid)):
        judged.append(one)
        if time.perf_counter() - begun > _STEP_SECONDS:
            await asyncio.sleep(0)
            begun = time.perf_counter()
    return judged


def _known(
    changes: Sequence[Sent], judged: Sequence[Outcome | Entry], sequences: Mapping[str, int]
) -> dict[int, Known]:
    """What was written, by sequence, so that it need not be read again."""
    return {
        sequences[entry.change_id]: Known(sent.read, entry.keys, entry.after)
        for sent, entry in zip(changes, judged, strict=True)
        if isinstance(entry, Entry) and isinstance(sent.read, Change)
    }
