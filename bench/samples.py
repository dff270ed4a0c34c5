"""One measurement of a server under load: how fast it answers, and what processor time that takes it.

What belongs here: a run of load brought to the figures that sections of a report compare.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from latency import MEDIAN, P99, measure, percentile
from loading import run_on_loop
from loops import Plan, Run
from messages import check_answer, count_queries
from processes import cpu_seconds
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from rounds import take_calmest
from vitals import stolen_seconds, workers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving import Running

    Check = Callable[[bytes, bytes], None]

_MILLI, _MICRO = 1e3, 1e6
_CALM, _TRIES = 0.004, 4

ABOUT_CALM = (
    f"A measurement during which the host kept more than {_CALM:.1%} of the processors' time from this machine is "
    f"taken again, up to {_TRIES} times in all, and the calmest counts; *kept* is the most of those that count."
)
"""What a report says of ``take_calmly``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a measurement came to.

    Attributes:
        queries_per_second: queries a second that were answered.
        p50_ms: milliseconds from when a message was due until its response was there, the median.
        p99_ms: the 99th percentile of the same.
        cpu_us: microseconds of processor time, of all processes of the server, for each query.
        busiest: the share of the workers' time that was the busiest one's, 0 to 1.
        stolen: the share of the processors' time that the host kept from this machine, 0 to 1.
    """

    queries_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    busiest: float
    stolen: float


def middle(samples: Sequence[Sample], figure: str) -> float:
    """The median of one of the figures of several samples."""
    return median(figures(samples, figure))


def figures(samples: Sequence[Sample], figure: str) -> list[float]:
    """One of the figures of each of several samples."""
    return [getattr(sample, figure) for sample in samples]


def check_nothing_said(_message: bytes, response: bytes) -> None:
    """Holds a response against what a server says that answers everything with nothing.

    Raises:
        MismatchedResponseError: it is more than that.
    """
    if response:
        raise MismatchedResponseError("the server of empty answers gave one that is not empty")


def take_sample(server: Running, messages: Sequence[bytes], plan: Plan, check: Check = check_answer) -> Sample:
    """Sends load to a server and tells what came of it.

    Args:
        server: a server of this machine.
        messages: as ``nation.requests`` makes them, all of as many queries as the first.
        plan: how to send them.
        check: what holds a message and its response against each other; some are looked into.

    Raises:
        ConfigurationError: nobody answers there, or not everything was answered.
        MismatchedResponseError: a response is not the right one.
    """
    batch = count_queries(messages[0])
    run = Run(messages, batch, plan)
    workers = workers_of(server.pid)
    # The client's own pauses would be taken for the server's.
    gc.collect()
    gc.freeze()
    sending = run.send(server.address, lambda: _look(server.pid, workers), server.credentials)
    window, before, after = run_on_loop(sending)
    for place, response in run.kept:
        check(messages[place], response)
    if errors := {code: count for code, count in run.errors.items() if count}:
        told = ", ".join(f"{count} {code}" for code, count in errors.items())
        raise ConfigurationError(f"not every message was answered ({told}): measure for longer, or on a calmer machine")
    times = measure(run.answers, window)
    if not times.latencies or not times.answered_per_second:
        raise ConfigurationError("no message was answered within the time that is measured; measure for longer")
    stolen, spent, *each = (late - early for early, late in zip(before, after, strict=True))
    return Sample(
        queries_per_second=times.answered_per_second * batch,
        p50_ms=percentile(times.latencies, MEDIAN) * _MILLI,
        p99_ms=percentile(times.latencies, P99) * _MILLI,
        cpu_us=spent / (times.answered_per_second * plan.seconds * batch) * _MICRO,
        busiest=largest_share(each),
        stolen=stolen / plan.seconds / (os.cpu_count() or 1),
    )


def take_calmly(take: Callable[[], Sample]) -> Sample:
    """Takes a sample whose latencies are to be looked at while the machine is calm, or as calm as it gets."""
    return take_calmest(take, lambda sample: sample.stolen, _CALM, _TRIES)


def largest_share(parts: Sequence[float]) -> float:
    """The largest part's share of the whole; 1 where there is no whole to share."""
    whole = sum(parts)
    return max(parts) / whole if whole else 1.0


def _look(pid: int, workers: Sequence[int]) -> list[float]:
    """Processor seconds: stolen ones, those of the whole server, then of each worker."""
    return [stolen_seconds(), cpu_seconds(pid), *map(cpu_seconds, workers)]
