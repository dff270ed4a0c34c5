"""Runs of load, and what they come to: queries a second, latencies, the server's processor time and memory."""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from latency import MEDIAN, P99, P999, measure, percentile
from loops import Plan, Result, Run
from messages import check_answer, count_queries
from processes import cpu_seconds, memory
from resolver_grpc.errors import ConfigurationError
from serving import Running

_SHARES = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_MILLI, _MICRO, _MIB = 1e3, 1e6, 2**20
_COLUMNS = (
    "due, queries/s",
    "answered, queries/s",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "sent late, p99, ms",
    "errors, messages",
    "server CPU, µs a query",
    "server memory, MiB",
    "of that in no file, MiB",
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run of load came to.

    Attributes:
        rate: queries a second that were due; None in a closed loop.
        queries_per_second: queries a second that were answered.
        p50_ms: milliseconds from when a message was due until its response was there; the others likewise.
        late_ms: how much later than due messages were sent, by this program or a full stream, the 99th percentile.
        errors: messages that got no response, by status code.
        cpu_us: the server's processor time for each query, microseconds; None where its process is not known.
        resident_mib: the server's memory, mapped files included.
        own_mib: its memory beyond mapped files.
    """

    rate: float | None
    queries_per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    late_ms: float
    errors: dict[str, int]
    cpu_us: float | None
    resident_mib: float | None
    own_mib: float | None


def run_load(server: Running, messages: Sequence[bytes], plan: Plan) -> Figures:
    """Sends load to a server and tells what came of it.

    Args:
        server: where it listens; its process, or 0 where that is not known.
        messages: as ``nation.requests`` makes them, all of as many queries as the first.
        plan: how to send them.

    Raises:
        ConfigurationError: nobody answers there, or nothing was answered in time.
        MismatchedResponseError: a response that was looked into is not the right one.
    """
    batch = count_queries(messages[0])
    run = Run(messages, batch, plan)
    # The client's own pauses would be taken for the server's.
    gc.collect()
    gc.freeze()
    window, before, after = run_on_loop(run.send(server.address, lambda: cpu_seconds(server.pid)))
    for place, response in run.kept:
        check_answer(messages[place], response)
    times = measure(run.answers, window)
    if not times.latencies or not times.answered_per_second:
        told = ", ".join(f"{count} {code}" for code, count in run.errors.items()) or "no answer came in time"
        raise ConfigurationError(f"{server.address}: nothing was answered ({told}); measure for longer, or send less")
    queries = times.answered_per_second * batch * plan.seconds
    used = memory(server.pid) if server.pid else None
    return Figures(
        rate=plan.rate,
        queries_per_second=times.answered_per_second * batch,
        p50_ms=percentile(times.latencies, MEDIAN) * _MILLI,
        p99_ms=percentile(times.latencies, P99) * _MILLI,
        p999_ms=percentile(times.latencies, P999) * _MILLI,
        late_ms=percentile(times.late, P99) * _MILLI,
        errors={code: count for code, count in run.errors.items() if count},
        cpu_us=(after - before) / queries * _MICRO if server.pid else None,
        resident_mib=used.resident / _MIB if used else None,
        own_mib=used.own / _MIB if used else None,
    )


def run_sweep(server: Running, messages: Sequence[bytes], plan: Plan) -> Iterator[Figures]:
    """Measures what a closed loop answers, then open loops at shares of that."""
    closed = run_load(server, messages, replace(plan, rate=None))
    yield closed
    for share in _SHARES:
        yield run_load(server, messages, replace(plan, rate=share * closed.queries_per_second))


def table(runs: Sequence[Figures]) -> Iterator[str]:
    """The lines of a Markdown table of runs."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield f"|{' ---: |' * len(_COLUMNS)}"
    for one in runs:
        due = "closed loop" if one.rate is None else f"{one.rate:,.0f}"
        errors = ", ".join(f"{count} {code}" for code, count in one.errors.items()) or "0"
        times = " | ".join(f"{ms:.2f}" for ms in (one.p50_ms, one.p99_ms, one.p999_ms, one.late_ms))
        cost = " | ".join(_known(*pair) for pair in ((one.cpu_us, 2), (one.resident_mib, 0), (one.own_mib, 0)))
        yield f"| {due} | {one.queries_per_second:,.0f} | {times} | {errors} | {cost} |"


def run_on_loop(main: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine on a loop whose timers are finer than the millisecond that the usual one keeps to."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(main)


def _known(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"
