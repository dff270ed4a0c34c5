"""Measuring in turn: rounds, medians, ratios, and the lines of a Markdown table.

What belongs here: what is the same whatever is measured; who is measured when, and which rounds count.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from resolver_grpc.program import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Name = TypeVar("Name")
Taken = TypeVar("Taken")

_MICROS = 1e6


class Ratio(NamedTuple):
    """How many times another's figure one's figure is: by their medians, and in single rounds."""

    of_medians: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.of_medians:.2f} ({self.lowest:.2f} to {self.highest:.2f})"


def take_in_turn(measures: Mapping[Name, Callable[[], Taken]], rounds: int) -> dict[Name, list[Taken]]:
    """Takes each measure in turn, over and over, so that what the machine does besides meets all alike.

    Args:
        measures: what takes each, by its name.
        rounds: how many count; a first one more is left out.

    Returns:
        What was taken, by the same names, round by round.
    """
    taken: dict[Name, list[Taken]] = {name: [] for name in measures}
    with progress((1 + rounds) * len(measures), "measuring") as advance:
        for _ in range(1 + rounds):
            for name, take in measures.items():
                taken[name].append(take())
                advance(1)
    return {name: each[1:] for name, each in taken.items()}


def medians(taken: Mapping[Name, Sequence[float]]) -> dict[Name, float]:
    """The median of what was taken under each name."""
    return {name: median(each) for name, each in taken.items()}


def micros(work: Callable[[], object], queries: int) -> float:
    """The microseconds of the processor that a work takes for each of the queries that it answers, in this thread.

    Of works that wait for nothing it is the clock's time, without what other programs take of the processor.
    """
    started = time.thread_time()
    work()
    return (time.thread_time() - started) / queries * _MICROS


def take_calmest(take: Callable[[], Taken], unrest: Callable[[Taken], float], calm: float, tries: int) -> Taken:
    """Takes a measure until the machine is calm meanwhile, and gives the one that met the least unrest.

    Args:
        take: takes it once.
        unrest: how far the machine was from calm meanwhile.
        calm: the unrest that ends the trying.
        tries: how often it is taken at most.
    """
    calmest = take()
    for _ in range(tries - 1):
        if unrest(calmest) <= calm:
            break
        calmest = min(calmest, take(), key=unrest)
    return calmest


def compare(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Sets figures against another's of the same rounds, which are above 0."""
    single = [one / other for one, other in zip(ours, others, strict=True)]
    return Ratio(median(ours) / median(others), min(single), max(single))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table: the first column to the left, the others to the right; a blank line after it."""
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
