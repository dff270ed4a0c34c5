"""Servers that are killed while changes stream in: whether all that they acknowledged is there afterwards.

What belongs here: killing, sending again what was not answered, and looking for what was.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from change_mix import draw_changes
from loading import run_on_loop
from loops import Call, Channel
from registrars import Office, Taking, apply_over, connected, encode_changes, exchange, sequences_of
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ChangeLogError, ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import progress
from resolver_grpc.v1.change_pb2 import Change
from resolver_grpc.v1.change_service_pb2 import WatchChangesRequest, WatchChangesResponse

_WATCH = "/resolver_grpc.v1.ChangeService/WatchChanges"
_SIZE, _IN_FLIGHT = 100, 4
_SHORTEST, _LONGEST = 0.01, 0.3
"""Seconds from the first message to the kill."""
_KILLS_OF_A_LOG: Final = 20
"""Then a new one is begun: each start reads all of a log."""
_MOST_CHANGES = 1_000_000
_SECONDS_TO_WATCH = 60


@dataclass(slots=True)
class Fate:
    """What became of changes.

    Attributes:
        kills: how often a server was killed.
        acknowledged: changes that it had acknowledged by then.
        lost: how many of these are not there with the sequence that was told.
        kept: how many the logs hold.
        again: changes that were sent again though they had been acknowledged.
        starts: seconds from each start to serving.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    kept: int = 0
    again: int = 0
    starts: list[float] = field(default_factory=list)


def outlived_kills(office: Office, numbers: Sequence[str], instant: int, kills: int) -> Iterator[str]:
    """Kills servers while changes stream in, and tells what is left; see ``kill_over_and_over``.

    Yields:
        The lines of a report.

    Raises:
        ChangeLogError: something that was acknowledged is not there.
    """
    fate = kill_over_and_over(office, numbers, instant, kills)
    if fate.lost:
        raise ChangeLogError(f"{fate.lost} changes of {fate.acknowledged} that were acknowledged are lost; see the log")
    yield (
        f"A server was killed by SIGKILL {fate.kills} times, {_SHORTEST} to {_LONGEST} s after the first message of "
        f"{_SIZE} changes with {_IN_FLIGHT} under way, and started again on the same log, a new one after "
        f"{_KILLS_OF_A_LOG} kills: {fate.acknowledged:,} changes acknowledged, {fate.lost} of them lost or elsewhere, "
        f"by `WatchChanges` after each start and by the logs in the end; {fate.kept:,} kept; {fate.again:,} sent again "
        f"had the same sequence. From a start to serving {median(fate.starts):.1f} s "
        f"({min(fate.starts):.1f} to {max(fate.starts):.1f}).\n"
    )


def kill_over_and_over(office: Office, numbers: Sequence[str], instant: int, kills: int) -> Fate:
    """Kills servers that take changes, each time a while after it began to.

    Args:
        office: what they are started from.
        numbers: of persons of the snapshot.
        instant: the servers' now.
        kills: how often.
    """
    fate, dice = Fate(), random.Random(kills)  # noqa: S311 - a choice of instants
    with progress(kills, "killing") as advance:
        while fate.kills < kills:
            changes = draw_changes(numbers, _MOST_CHANGES, instant, seed=fate.kills)
            life = _Log(office, changes, fate, dice)
            for _ in range(min(_KILLS_OF_A_LOG, kills - fate.kills)):
                life.send_until_killed()
                advance(1)
            life.end()
    return fate


class _Log:
    """A log that outlives its servers, and what was told of it.

    Args:
        office: what they are started from.
        changes: what they are sent, without an end.
        fate: what is noted there.
        dice: picks the instants.
    """

    def __init__(self, office: Office, changes: Iterator[Change], fate: Fate, dice: random.Random) -> None:
        self._office = office
        self._path = office.new_log()
        self._messages = encode_changes(changes, _SIZE)
        self._fate = fate
        self._dice = dice
        self._told: dict[str, int] = {}
        self._unseen: dict[str, int] = {}
        self._again: list[bytes] = []

    def send_until_killed(self) -> None:
        """Starts a server, looks for what the last one acknowledged, sends on, and kills it."""
        begun = time.perf_counter()
        with self._office.taking(self._path) as taking:
            self._fate.starts.append(time.perf_counter() - begun)
            run_on_loop(self._watch_and_send(taking))
        self._fate.kills += 1

    def end(self) -> None:
        """Looks for all that was ever acknowledged."""
        with ChangeLog(self._path, read_key_ring(self._office.site.keys)) as log:
            held = {Change.FromString(read.content).change_id: read.sequence for read in log.read_from(1)}
        self._fate.acknowledged += len(self._told)
        self._fate.lost += _missing(self._told, held)
        self._fate.kept += len(held)

    async def _watch_and_send(self, taking: Taking) -> None:
        async with connected(taking.running, 1) as channels:
            ((channel,),) = channels
            if self._unseen:
                held = await _watch(channel, taking, min(self._unseen.values()), max(self._unseen.values()))
                self._fate.lost += _missing(self._unseen, held)
            await self._send_until_killed(apply_over(channel, taking.registrar), taking.running.pid)

    async def _send_until_killed(self, call: Call, pid: int) -> None:
        """Sends what was not answered, after the last message that was; then others."""
        sent, answers, again = list[bytes](), list[bytes](), iter(self._again)
        killed = asyncio.Event()

        def messages() -> Iterator[bytes]:
            for message in itertools.chain(again, self._messages):
                sent.append(message)
                yield message

        def kill() -> None:
            os.kill(pid, signal.SIGKILL)
            killed.set()

        asyncio.get_running_loop().call_later(self._dice.uniform(_SHORTEST, _LONGEST), kill)
        try:
            await exchange(call, messages(), _IN_FLIGHT, answers.append)
        except ConfigurationError:
            if not killed.is_set():
                raise
        self._again = [*sent[max(len(answers) - 1, 0) :], *again]
        self._note(answers)

    def _note(self, answers: Sequence[bytes]) -> None:
        """Notes what was acknowledged."""
        told = {change_id: at for answer in answers for change_id, at in sequences_of(answer).items() if at}
        known = told.keys() & self._told.keys()
        self._fate.again += len(known)
        self._fate.lost += sum(told[change_id] != self._told[change_id] for change_id in known)
        self._told |= told
        self._unseen = told


async def _watch(channel: Channel, taking: Taking, first: int, last: int) -> dict[str, int]:
    """The changes that a server tells from one sequence to another."""
    held: dict[str, int] = {}
    request = WatchChangesRequest(from_sequence=first).SerializeToString()
    async with asyncio.timeout(_SECONDS_TO_WATCH):
        async for response in channel.unary_stream(_WATCH)(request, metadata=taking.registrar):
            told = WatchChangesResponse.FromString(response)
            held |= {one.change.change_id: one.sequence for one in told.changes}
            if told.next_sequence > last:
                return held
    raise ChangeLogError("the server ended the watch before the last change that was acknowledged")


def _missing(told: dict[str, int], held: dict[str, int]) -> int:
    return sum(held.get(change_id) != sequence for change_id, sequence in told.items())
