"""What a build tells of itself: the seconds of its stages, its dropped rows, its keys by kind, its sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

import numpy as np

from resolver_grpc.build.rejects import Rejects
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import Timeline
from resolver_grpc.index.layout import STREET_SHARED
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.keys import KeyKind
from resolver_grpc.model import Fact

Progress: TypeAlias = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a step is: takes its total (0 where it is not known) and its name."""

_CPR_DIGITS = 10


class Stages:
    """Shows each stage of a build while it lasts, and keeps how long it took.

    Args:
        progress: shows how far a stage is.
        clock: seconds that only grow.

    Attributes:
        seconds: by stage, in their order.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.perf_counter) -> None:
        self._progress = progress
        self._clock = clock
        self.seconds: dict[str, float] = {}

    def rounded(self) -> dict[str, float]:
        """The seconds as a manifest tells them."""
        return {stage: round(taken, 2) for stage, taken in self.seconds.items()}

    @contextmanager
    def __call__(self, total: int, name: str) -> Iterator[Callable[[int], None]]:
        """Shows a stage, and times it."""
        begun = self._clock()
        try:
            with self._progress(total, name) as advance:
                yield advance
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - begun


def count_content(content: Content) -> dict[str, int]:
    """What a manifest tells of a content."""
    persons = int(np.count_nonzero(np.char.str_len(content.numbers) == _CPR_DIGITS))
    contested = content.timelines().get(Fact.CONTESTED)
    return {
        "persons": persons,
        "organisations": content.owners - persons,
        "keys": content.pairs.counts.keys,
        "keys_of_several_owners": content.pairs.counts.shared_keys,
        "addresses": int(content.address_numbers.max(initial=0)),
        "contested_claims": _count_owners(contested) if contested else 0,
        "shared_streets": sum(tag == STREET_SHARED for tag in content.roads.values()),
    }


def _count_owners(timeline: Timeline) -> int:
    return len(np.union1d(np.array(timeline.first.to_array(), np.uint32), timeline.changed))


def report_of_keys(pairs: SpilledPairs, rejects: Rejects) -> dict[str, dict[str, float]]:
    """What a manifest tells of the rows that were dropped, and of the keys by kind."""
    report: dict[str, dict[str, float]] = {}
    for (table, problem), count in sorted(rejects.by_problem().items()):
        report.setdefault(f"dropped {table}", {})[problem] = count
    counts = {KeyKind(tag).name: counts for tag, counts in pairs.counts_of_tags().items()}
    report["keys"] = {kind: keys for kind, (keys, _) in counts.items()}
    report["posting lists"] = {kind: lists for kind, (_, lists) in counts.items()}
    return report
