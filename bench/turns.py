"""Works timed in turn, round after round, so that all of them share the pace of the machine.

What belongs here: who is timed when, and which rounds count; nothing of what the works do.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from resolver_grpc.program import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Name = TypeVar("Name")

_MICROS = 1e6


def take_turns(works: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, list[float]]:
    """Has each work measure itself, one after the other, round after round.

    Args:
        works: by name; each gives what it cost, in whatever unit.
        rounds: two at least; the first is left out.

    Returns:
        What each work gave, of one round after the other.
    """
    taken: dict[Name, list[float]] = {name: [] for name in works}
    with progress(rounds * len(works), "measuring") as advance:
        for _ in range(rounds):
            for name, work in works.items():
                taken[name].append(work())
                advance(1)
    return {name: each[1:] for name, each in taken.items()}


def medians(taken: Mapping[Name, list[float]]) -> dict[Name, float]:
    """The median of each work's rounds."""
    return {name: median(each) for name, each in taken.items()}


def micros(work: Callable[[], object], queries: int) -> float:
    """The microseconds of the processor that a work takes for each of the queries that it answers, in this thread.

    Of works that wait for nothing it is the clock's time, without what other programs take of the processor.
    """
    started = time.thread_time()
    work()
    return (time.thread_time() - started) / queries * _MICROS
