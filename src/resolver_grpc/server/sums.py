"""Sums: what a process has counted of its batches, in plain numbers that cost next to nothing to add to.

What belongs here: which numbers there are, where they lie, and what Prometheus is told of them. A worker's lie in a
file of a folder that it shares with its supervisor, so that nothing of them is lost with it; a server alone has them in
its memory. One thread counts, and whoever shows them may look meanwhile: each is written at one stroke. The supervisor
runs this module, so that gRPC and LMDB are not touched.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum, unique
from itertools import accumulate, product
from math import prod
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from resolver_grpc.model import Kind, Reason, Route

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""In the environment of workers: where they count. Prometheus's library has its own files there."""

Sums: TypeAlias = "memoryview[float]"
"""The numbers of a process, in the order of ``_ALL``."""

_PREFIX: Final = "sums_"
_NUMBER_BYTES: Final = 8
_BATCH_SIZES: Final = (1, 10, 100, 1_000, 2_500, 5_000, 10_000)
_BATCH_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@unique
class Stage(IntEnum):
    """What the time of an answered batch goes to."""

    ANSWERING = 0
    """Reading, deciding and writing."""
    OTHERS = 1
    """Small steps of other batches, which a large one lets go first."""
    AUDIT = 2
    """Waiting until its record is on the disk."""


@unique
class Outcome(IntEnum):
    """What became of a live generation that was new."""

    TAKEN_UP = 0
    REFUSED = 1


class Counts:
    """A counter for each combination of some labels; those that were never met are not shown.

    Args:
        name: the metric's, without its ending.
        documentation: what Prometheus says of it.
        labels: each label's name, and its values.

    Attributes:
        size: how many numbers it takes.
        places: where each combination is counted, by the numbers of its values.
    """

    def __init__(self, name: str, documentation: str, **labels: type[IntEnum]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self.size = prod(map(len, labels.values()))
        self.places: dict[tuple[int, ...], int] = {}

    def lie(self, first: int) -> None:
        """Is told where among all numbers its own begin."""
        combinations = product(*self._labels.values())
        self.places = {combination: place for place, combination in enumerate(combinations, first)}

    def add(self, sums: Sums, count: int, *numbers: int) -> None:
        """Counts so many under the values of these numbers."""
        sums[self.places[numbers]] += count

    def family(self, sums: list[float]) -> Metric:
        """What Prometheus is told."""
        family = CounterMetricFamily(self._name, self._documentation, labels=list(self._labels))
        for combination, place in self.places.items():
            if sums[place] or not combination:
                names = [values(number).name for values, number in zip(self._labels.values(), combination, strict=True)]
                family.add_metric(names, sums[place])
        return family


class Histogram:
    """How often values fell below each of some edges, and their sum, for each value of a label.

    Args:
        name: the metric's.
        documentation: what Prometheus says of it.
        edges: ascending.
        labels: one at most; its values are numbered from 0 on.

    Attributes:
        size: how many numbers it takes.
    """

    def __init__(self, name: str, documentation: str, edges: tuple[float, ...], **labels: type[IntEnum]) -> None:
        self._name = name
        self._documentation = documentation
        self._edges = edges
        self._labels = labels
        # Beside the edges what lies past them all, and the sum.
        self._width = len(edges) + 2
        self._values = [one for values in labels.values() for one in values]
        self.size = self._width * (len(self._values) or 1)
        self._first = 0

    def lie(self, first: int) -> None:
        """Is told where among all numbers its own begin."""
        self._first = first

    def observe(self, sums: Sums, value: float, number: int = 0) -> None:
        """Adds a value, under a label's value of that number."""
        first = self._first + number * self._width
        sums[first + bisect_left(self._edges, value)] += 1
        sums[first + self._width - 1] += value

    def family(self, sums: list[float]) -> Metric:
        """What Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=list(self._labels))
        edges = [*map(floatToGoString, self._edges), "+Inf"]
        for place, names in enumerate([[one.name] for one in self._values] or [[]]):
            first = self._first + place * self._width
            counts = accumulate(sums[first : first + len(edges)])
            family.add_metric(names, list(zip(edges, counts, strict=True)), sums[first + len(edges)])
        return family


QUERIES: Final = Counts(
    "resolver_queries", "Queries answered, by kind, route and reason.", kind=Kind, route=Route, reason=Reason
)
BATCH_QUERIES: Final = Histogram("resolver_batch_queries", "Queries in a batch.", _BATCH_SIZES)
BATCH_SECONDS: Final = Histogram(
    "resolver_batch_seconds",
    "Seconds from when a batch was taken up to its response, small steps of others in between included.",
    _BATCH_SECONDS,
)
STAGE_SECONDS: Final = Histogram(
    "resolver_stage_seconds", "Seconds of a batch that went to a stage, if it had it.", _BATCH_SECONDS, stage=Stage
)
AUDIT_RECORDS: Final = Counts("resolver_audit_records", "Records of the audit that were written.")
AUDIT_FAILURES: Final = Counts("resolver_audit_failures", "Writes of the audit that failed.")
AUDIT_SECONDS: Final = Histogram(
    "resolver_audit_write_seconds", "Seconds of a write of the audit, its sync included.", _BATCH_SECONDS
)
GENERATIONS: Final = Counts("resolver_generations", "New live generations, by what became of them.", outcome=Outcome)

_ALL: Final[tuple[Counts | Histogram, ...]] = (
    QUERIES,
    BATCH_QUERIES,
    BATCH_SECONDS,
    STAGE_SECONDS,
    AUDIT_RECORDS,
    AUDIT_FAILURES,
    AUDIT_SECONDS,
    GENERATIONS,
)


def _lay_out(counted: Iterable[Counts | Histogram]) -> int:
    """Gives each its place, one after the other; tells how many numbers there are."""
    first = 0
    for one in counted:
        one.lie(first)
        first += one.size
    return first


_NUMBERS: Final = _lay_out(_ALL)
_BYTES: Final = _NUMBER_BYTES * _NUMBERS


def open_sums() -> Sums:
    """This process's own sums: zeros in its memory, or a file of the folder that the environment names."""
    folder = os.environ.get(SHARED_FOLDER)
    if not folder:
        return memoryview(bytearray(_BYTES)).cast("d")
    # Another process may have had the same number before: its sums are gone on with.
    with Path(folder, f"{_PREFIX}{os.getpid()}").open("a+b") as file:
        file.truncate(_BYTES)
        return memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("d")


def read_shared(folder: Path) -> Iterator[Sums]:
    """The sums of all processes that count in a folder, those that ended included."""
    for file in folder.glob(f"{_PREFIX}*"):
        found = file.read_bytes()
        # One that was made a moment ago may have no room yet.
        if len(found) == _BYTES:
            yield memoryview(found).cast("d")


class SumsCollector(Collector):
    """Tells Prometheus what some processes counted together.

    Args:
        read: gives the sums of each process.
    """

    def __init__(self, read: Callable[[], Iterable[Sums]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Adds up, when the page is asked for."""
        added_up = [sum(numbers) for numbers in zip([0.0] * _NUMBERS, *self._read(), strict=True)]
        return (one.family(added_up) for one in _ALL)
