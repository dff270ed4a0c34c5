"""The sections of a report on calls: small ones, small beside large, half load, several workers, memory.

What belongs here: what each section measures, in turn and on real servers of its own, and the table it makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from beside import MARGIN_SECONDS, asking_beside
from loops import Plan
from rounds import compare, table, take_in_turn
from samples import ABOUT_CALM, Sample, check_nothing_said, figures, middle, take_calmly, take_sample
from serving import Running, Site, serving
from stack_server import Variant
from stacks import compare_stacks, feel_large, serving_variants
from vitals import read_vitals, workers_of

_SMALL_RATE = 100
"""Single queries a second where small calls are to feel large ones: a few hundredths of what the server can take."""
_IN_FLIGHT, _LARGE_IN_FLIGHT, _STREAMS = 4, 2, 8
_MIB = 2**20
KINDS = {"full_name": "FULL_NAME", "mix_with_lines": "the mix with lines"}
"""What messages of more than one query are made of, and how a report calls it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all sections measure with.

    Attributes:
        site: what the servers serve.
        singles: messages of one FULL_NAME query.
        batches: messages of 1,000 queries, by kind.
        large: files of messages of 10,000 queries, by kind.
        rounds: how often each is measured, after a first time that is left out.
        seconds: how long each time.
    """

    site: Site
    singles: Sequence[bytes]
    batches: dict[str, list[bytes]]
    large: dict[str, Path]
    rounds: int
    seconds: float

    def plan(self, *, streams: int = 1, in_flight: int = _IN_FLIGHT, unary: bool = False) -> Plan:
        """A closed loop."""
        return Plan(streams, in_flight, None, unary, self.seconds, self.seconds / 4)

    def calls(self, in_flight: int) -> Plan:
        """A closed loop of unary calls."""
        return self.plan(in_flight=in_flight, unary=True)


class Half(NamedTuple):
    """A server in a closed loop, and at half of what it answered there."""

    closed: Sample
    half: Sample


def empty_handler(bench: Bench) -> Iterator[str]:
    """A single-query unary call against an empty handler."""
    yield "The same requests to both, closed loops over one connection; the ratio is of processor time.\n"
    with serving(bench.site) as server, serving_variants([Variant("aio")]) as (empty,):
        measures: dict[str, Callable[[], Sample]] = {}
        for in_flight in (1, 8):
            plan = bench.calls(in_flight)
            measures[f"an empty handler, {in_flight} in flight"] = partial(
                take_sample, empty, bench.singles, plan, check_nothing_said
            )
            measures[f"ResolveBatch, {in_flight} in flight"] = partial(take_sample, server, bench.singles, plan)
        taken = take_in_turn(measures, bench.rounds)
    names = list(taken)
    rows = []
    for name, samples in taken.items():
        beside = taken[names[names.index(name) // 2 * 2]]
        ratio = "1" if samples is beside else str(compare(figures(samples, "cpu_us"), figures(beside, "cpu_us")))
        rows.append([name, f"{middle(samples, 'cpu_us'):.1f}", f"{middle(samples, 'queries_per_second'):,.0f}", ratio])
    yield from table(("", "server CPU, µs a call", "calls/s", "times the empty handler's"), rows)


def small_beside_large(bench: Bench) -> Iterator[str]:
    """A small call beside large ones."""
    yield (
        f"Single-query unary calls, {_SMALL_RATE} a second in an open loop, alone and beside one stream with "
        f"{_LARGE_IN_FLIGHT} messages under way at any time, sent by another process; the ratio is of the p99. "
        f"{ABOUT_CALM}\n"
    )
    plan = replace(bench.calls(1), rate=_SMALL_RATE)
    with serving(bench.site) as server:

        def beside(kind: str) -> Sample:
            seconds = plan.warm_up + plan.seconds + MARGIN_SECONDS
            with asking_beside(server, bench.large[kind], in_flight=_LARGE_IN_FLIGHT, seconds=seconds):
                return take_sample(server, bench.singles, plan)

        measures: dict[str, Callable[[], Sample]] = {
            "alone": partial(take_calmly, partial(take_sample, server, bench.singles, plan))
        }
        for kind, name in KINDS.items():
            measures[f"beside large messages, {name}"] = partial(take_calmly, partial(beside, kind))
        taken = take_in_turn(measures, bench.rounds)
    alone = figures(taken["alone"], "p99_ms")
    rows = [
        [
            name,
            *_times(samples),
            "1" if name == "alone" else str(compare(figures(samples, "p99_ms"), alone)),
            f"{max(figures(samples, 'stolen')):.2%}",
        ]
        for name, samples in taken.items()
    ]
    yield from table(("small calls", "p50, ms", "p99, ms", "times alone", "kept"), rows)


def half_load(bench: Bench) -> Iterator[str]:
    """A batch of 1,000 at half load."""
    yield (
        f"One stream; a closed loop with {_IN_FLIGHT} batches in flight tells what the server can take, an open loop "
        f"at half of that is what is looked at. Latencies count from when a batch was due. {ABOUT_CALM}\n"
    )
    with serving(bench.site) as server:

        def take(kind: str) -> Half:
            closed = take_sample(server, bench.batches[kind], bench.plan())
            plan = replace(bench.plan(), rate=closed.queries_per_second / 2)
            half = partial(take_sample, server, bench.batches[kind], plan)
            return Half(closed, take_calmly(half))

        taken = take_in_turn({name: partial(take, kind) for kind, name in KINDS.items()}, bench.rounds)
    rows = []
    for name, pairs in taken.items():
        half = [pair.half for pair in pairs]
        answered = f"{middle([pair.closed for pair in pairs], 'queries_per_second'):,.0f}"
        ratio = str(compare(figures(half, "p99_ms"), figures(half, "p50_ms")))
        rows.append([name, answered, *_times(half), ratio, f"{max(figures(half, 'stolen')):.2%}"])
    yield from table(("batches of", "closed loop, queries/s", "p50, ms", "p99, ms", "p99 to p50", "kept"), rows)


def two_workers(bench: Bench) -> Iterator[str]:
    """Two workers against one."""
    yield (
        f"{_STREAMS} streams, each a connection of its own, one batch in flight on each in the closed loop; the open "
        "loop sends both what half of one worker's closed loop was. The client shares the processors with them.\n"
    )
    batches = bench.batches["full_name"]
    closed = bench.plan(streams=_STREAMS, in_flight=1)
    with serving(bench.site, ("--workers", "1")) as one, serving(bench.site, ("--workers", "2")) as two:
        rate = take_sample(one, batches, closed).queries_per_second / 2
        servers = {"one worker": one, "two workers": two}
        loops = {"closed loop": closed, "open loop": replace(closed, rate=rate)}
        taken = take_in_turn(
            {
                f"{name}, {loop}": partial(take_sample, server, batches, plan)
                for loop, plan in loops.items()
                for name, server in servers.items()
            },
            bench.rounds,
        )
    rows = []
    for loop in loops:
        costs = [figures(taken[f"{name}, {loop}"], "cpu_us") for name in servers]
        for name, ratio in zip(servers, ("1", str(compare(costs[1], costs[0]))), strict=True):
            samples = taken[f"{name}, {loop}"]
            rate_answered, cost = middle(samples, "queries_per_second"), middle(samples, "cpu_us")
            busiest = f"{middle(samples, 'busiest'):.0%}"
            rows.append([f"{name}, {loop}", f"{rate_answered:,.0f}", f"{cost:.2f}", ratio, busiest])
    head = ("", "queries/s", "server CPU, µs a query", "times one worker's", "the busier one's share")
    yield from table(head, rows)


def memory_of_workers(bench: Bench) -> Iterator[str]:
    """Memory."""
    yield (
        "Each of two workers: just started, and after single calls, batches of 1,000 and messages of 10,000 of all "
        f"kinds over {_STREAMS} connections. What stands in no file is what a worker needs beyond the page cache.\n"
    )
    with serving(bench.site, ("--workers", "2")) as server:
        rows = _memory_rows(server, "just started")
        streams = bench.plan(streams=_STREAMS, in_flight=1)
        for batches in bench.batches.values():
            take_sample(server, batches, streams)
        take_sample(server, bench.singles, replace(streams, unary=True))
        for messages in bench.large.values():
            with asking_beside(server, messages, in_flight=_LARGE_IN_FLIGHT, seconds=bench.seconds):
                pass
        rows += _memory_rows(server, "after load")
    yield from table(("", "in no file, MiB", "mapped by nobody else, MiB", "resident, MiB"), rows)


def stacks_and_options(bench: Bench) -> Iterator[str]:
    """Streams and threads."""
    yield (
        "The same snapshot behind servers of our own: one stream of batches of 1,000 FULL_NAME queries with "
        f"{_IN_FLIGHT} in flight, and single-query unary calls, 8 in flight. Options stand each alone beside the "
        "server's own, on aio with a batch at once.\n"
    )
    yield from compare_stacks(
        bench.site, bench.batches["full_name"], bench.singles, seconds=bench.seconds, rounds=bench.rounds
    )
    yield f"Single-query unary calls, {_SMALL_RATE} a second, beside a stream of messages of 10,000 FULL_NAME ones.\n"
    yield from feel_large(
        bench.site,
        bench.large["full_name"],
        bench.singles,
        rate=_SMALL_RATE,
        seconds=bench.seconds,
        rounds=bench.rounds,
    )


SECTIONS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "a": empty_handler,
    "b": small_beside_large,
    "c": half_load,
    "d": two_workers,
    "e": memory_of_workers,
    "f": stacks_and_options,
}
"""The sections by letter; the first line of each one's docstring is its heading."""


def _times(samples: Sequence[Sample]) -> list[str]:
    return [f"{middle(samples, figure):.2f}" for figure in ("p50_ms", "p99_ms")]


def _memory_rows(server: Running, when: str) -> list[list[str]]:
    rows = []
    for number, pid in enumerate(workers_of(server.pid), start=1):
        seen = read_vitals(pid)
        sizes = (seen.anonymous, seen.private, seen.resident)
        rows.append([f"worker {number}, {when}", *(f"{size / _MIB:,.0f}" for size in sizes)])
    return rows
