"""Watching changes: from a sequence on as they stand in the log, and then as they come.

What belongs here: which changes come next, and when one who doesn't take them is cut off. So that one who reads slowly
holds one response, and not a queue of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ChangesTrimmedError, SequenceNotReachedError, SlowReaderError
from resolver_grpc.server.gate import admitted_caller
from resolver_grpc.v1.change_pb2 import Change
from resolver_grpc.v1.change_service_pb2 import SequencedChange, WatchChangesResponse

SECONDS_FOR_A_RESPONSE: Final = 30.0
"""How long a response may stay untaken."""
SECONDS_BETWEEN_RESPONSES: Final = 10.0
"""After so long without a change a response says that there was none."""
_SECONDS_BETWEEN_LOOKS: Final = 0.05
_MOST_CHANGES: Final = 500
_READ_AT_ONCE: Final = 50
"""Entries of the log that are deciphered before others go first."""

Write = Callable[[bytes], Awaitable[None]]


async def watch(log: ChangeLog, first: int, write: Write, stopping: asyncio.Event) -> None:
    """Tells changes until the caller is cut off, or the server stops.

    Args:
        log: where they stand.
        first: the sequence of the first one.
        write: gives the caller a response; ends once that is on its way.
        stopping: set once the server stops.

    Raises:
        ChangeLogError: the log can't be read.
        ChangesTrimmedError: it doesn't hold the next change any more.
        SequenceNotReachedError: it doesn't reach that far.
        SlowReaderError: a response was left untaken for too long.
        UnauthenticatedError: what the caller showed has expired.
    """
    last = log.last_sequence()
    if first > last + 1:
        raise SequenceNotReachedError("the log has not reached from_sequence; ask for an earlier one", asked=first)
    loop, following = asyncio.get_running_loop(), first
    told = -SECONDS_BETWEEN_RESPONSES
    while not stopping.is_set():
        admitted_caller()
        changes = await _changes_from(log, following)
        if changes or loop.time() - told >= SECONDS_BETWEEN_RESPONSES:
            following += len(changes)
            await _give(write, WatchChangesResponse(changes=changes, next_sequence=following))
            told = loop.time()
        if not changes:
            await _pause(stopping)


async def _changes_from(log: ChangeLog, sequence: int) -> list[SequencedChange]:
    """The next changes, with the event loop in between."""
    held_from = log.first_sequence()
    if sequence < held_from:
        raise ChangesTrimmedError(
            "the log doesn't hold these changes any more; begin anew from a snapshot", first_sequence=held_from
        )
    changes: list[SequencedChange] = []
    while len(changes) < _MOST_CHANGES and (some := log.read_some(sequence + len(changes), _READ_AT_ONCE)):
        changes += [SequencedChange(sequence=one.sequence, change=Change.FromString(one.content)) for one in some]
        await asyncio.sleep(0)
    return changes


async def _give(write: Write, response: WatchChangesResponse) -> None:
    try:
        async with asyncio.timeout(SECONDS_FOR_A_RESPONSE):
            await write(response.SerializeToString())
    except TimeoutError:
        raise SlowReaderError("a response was left untaken for too long; go on from the last one taken") from None


async def _pause(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_SECONDS_BETWEEN_LOOKS):
            await stopping.wait()
    except TimeoutError:
        return
