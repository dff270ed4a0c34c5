"""Who answers the same messages fastest: all give equal bytes first, then each is timed in turn.

What belongs here: contenders and their measuring, whatever stands behind them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from statistics import median

from peer_index import SwappedIndex
from resolver_grpc.errors import MismatchedResponseError
from rounds import take_in_turn

_MICROS = 1e6


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to answer messages.

    Attributes:
        name: what it is called in the table.
        answer: the bytes of a request in, the bytes of its response out.
        index: the index that counts how long its lookups take, where there is such a one.
        process: the id of a process beside this one that works for it; 0 where there is none.
    """

    name: str
    answer: Callable[[bytes], bytes]
    index: SwappedIndex | None = None
    process: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a query took, in microseconds.

    Attributes:
        wall: of the clock.
        lookup: of the clock, in lookups.
        own: of processors, in this process: front and client.
        other: of processors, in the process beside it.
    """

    wall: float
    lookup: float
    own: float
    other: float


def check_equal(contenders: Sequence[Contender], messages: Sequence[bytes]) -> list[bytes]:
    """Has every contender answer every message.

    Returns:
        The responses.

    Raises:
        MismatchedResponseError: a response is not that of the first contender, byte for byte.
    """
    first, *others = contenders
    responses = [first.answer(message) for message in messages]
    for other in others:
        for place, (message, response) in enumerate(zip(messages, responses, strict=True)):
            if other.answer(message) != response:
                raise MismatchedResponseError(
                    f"{other.name} answers message {place} otherwise than {first.name}: nothing was measured; "
                    "find out which of the two is wrong."
                )
    return responses


def measure_in_turn(
    contenders: Sequence[Contender], messages: Sequence[bytes], queries: int, rounds: int
) -> dict[str, Taken]:
    """Has each contender answer all messages, one contender after the other, round after round.

    Args:
        contenders: their names differ.
        messages: what each answers in a round.
        queries: how many the messages hold together.
        rounds: two at least; the first is left out.

    Returns:
        For each contender by its name the medians of the rounds.
    """
    measures = {one.name: partial(_measure, one, messages, queries) for one in contenders}
    taken = take_in_turn(measures, rounds - 1)
    return {name: Taken(*map(median, zip(*map(astuple, each), strict=True))) for name, each in taken.items()}


def _measure(contender: Contender, messages: Sequence[bytes], queries: int) -> Taken:
    before = _clocks(contender)
    for message in messages:
        contender.answer(message)
    after = _clocks(contender)
    return Taken(*((end - start) * _MICROS / queries for start, end in zip(before, after, strict=True)))


def _clocks(contender: Contender) -> tuple[float, float, float, float]:
    """The seconds of each field of ``Taken`` so far."""
    looked_up = contender.index.seconds if contender.index else 0.0
    other = time.clock_gettime(_clock_of(contender.process)) if contender.process else 0.0
    return time.perf_counter(), looked_up, time.process_time(), other


def _clock_of(process: int) -> int:
    """The clock of all processor time of a process, as Linux' clock_getcpuclockid(3) makes it: to the nanosecond."""
    return ~process << 3 | 2
