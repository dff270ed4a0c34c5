"""gRPC's two stacks and their channel options beside each other: the sections of a report on them.

What belongs here: which stacks and options are worth a look, how their servers are started, and their tables. The
servers of ``stack_server`` are what is asked; the server itself is not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from beside import MARGIN_SECONDS, asking_beside
from loops import Plan
from resolver_grpc.errors import ConfigurationError
from rounds import table, take_in_turn
from samples import Sample, middle, take_sample
from serving import AS_OF, Running, Site, ended
from stack_server import Variant

_PROGRAM = Path(__file__).with_name("stack_server.py")
_MIB = 2**20

STACKS = {
    "aio, a batch at once": Variant("aio"),
    "aio, batches in slices (as we serve)": Variant("sliced"),
    "sync, 1 thread": Variant("sync", 1),
    "sync, 4 threads": Variant("sync", 4),
}
"""The same answers from the two stacks, with the real server's options."""

OPTIONS: dict[str, dict[str, int | str]] = {
    "grpc.http2.max_frame_size = 1 MiB": {"grpc.http2.max_frame_size": _MIB},
    "grpc.http2.write_buffer_size = 1 MiB": {"grpc.http2.write_buffer_size": _MIB},
    "grpc.http2.lookahead_bytes = 1 MiB": {"grpc.http2.lookahead_bytes": _MIB},
    "grpc.http2.bdp_probe = 0": {"grpc.http2.bdp_probe": 0},
    "grpc.optimization_target = throughput": {"grpc.optimization_target": "throughput"},
    "grpc.optimization_target = latency": {"grpc.optimization_target": "latency"},
    "grpc.max_receive_message_length = -1": {"grpc.max_receive_message_length": -1},
}
"""Channel options, each alone beside the real server's, on the stack that answers a batch at once."""

_HEAD = (
    "what",
    "stream, queries/s",
    "stream, server CPU, µs a query",
    "unary, calls/s",
    "unary, server CPU, µs a call",
    "unary, p99, ms",
)


class Pair(NamedTuple):
    """What one server came to: with a stream of batches, and with single calls."""

    stream: Sample
    unary: Sample


@contextmanager
def serving_variants(variants: Sequence[Variant], site: Site | None = None) -> Iterator[list[Running]]:
    """Starts a process with servers of these variants, and ends it when the block ends.

    Args:
        variants: one for each server.
        site: what they answer from; None for empty answers.

    Raises:
        ConfigurationError: they did not start.
    """
    words: list[str | Path] = [sys.executable, _PROGRAM]
    for variant in variants:
        words += ["--variant", json.dumps(variant)]
    if site:
        words += ["--snapshot", site.snapshot, "--keys", site.keys, "--senders", site.senders, "--as-of", AS_OF]
    with ended(subprocess.Popen(words, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout
        with process.stdout as said:
            try:
                addresses = json.loads(said.readline())
            except ValueError:
                raise ConfigurationError("stack_server.py did not start; what it said stands above") from None
            yield [Running(address, process.pid) for address in addresses]


def compare_stacks(
    site: Site, batches: Sequence[bytes], singles: Sequence[bytes], *, seconds: float, rounds: int
) -> Iterator[str]:
    """Measures all stacks and options in turn, and writes their table.

    Args:
        site: what to answer from.
        batches: messages for a stream.
        singles: messages of one query.
        seconds: how long each is measured.
        rounds: how often.
    """
    plan = Plan(streams=1, in_flight=4, rate=None, unary=False, seconds=seconds, warm_up=seconds / 4)
    alone = Plan(streams=1, in_flight=8, rate=None, unary=True, seconds=seconds, warm_up=seconds / 4)

    def take(server: Running) -> Pair:
        return Pair(take_sample(server, batches, plan), take_sample(server, singles, alone))

    variants = STACKS | {name: Variant("aio", options=options) for name, options in OPTIONS.items()}
    with ExitStack() as ends:
        measures: dict[str, Callable[[], Pair]] = {}
        # A process for each stack, so that neither's threads stand in the other's way.
        for names in _by_process(variants):
            servers = ends.enter_context(serving_variants([variants[name] for name in names], site))
            measures |= {name: partial(take, server) for name, server in zip(names, servers, strict=True)}
        taken = take_in_turn({name: measures[name] for name in variants}, rounds)
    yield from table(_HEAD, [_row(name, pairs) for name, pairs in taken.items()])


def feel_large(
    site: Site, large: Path, singles: Sequence[bytes], *, rate: float, seconds: float, rounds: int
) -> Iterator[str]:
    """Measures single calls beside a stream of large messages on each stack, in turn, and writes their table.

    A pool of one thread is left out: the stream holds it, and no call is answered.

    Args:
        site: what to answer from.
        large: a file of messages for the stream.
        singles: messages of one query.
        rate: calls a second.
        seconds: how long each is measured.
        rounds: how often.
    """
    plan = Plan(streams=1, in_flight=1, rate=rate, unary=True, seconds=seconds, warm_up=seconds / 4)

    def take(server: Running) -> Sample:
        with asking_beside(server, large, in_flight=2, seconds=seconds + plan.warm_up + MARGIN_SECONDS):
            return take_sample(server, singles, plan)

    variants = {name: one for name, one in STACKS.items() if one.stack != "sync" or one.threads > 1}
    with ExitStack() as ends:
        servers = {name: ends.enter_context(serving_variants([one], site))[0] for name, one in variants.items()}
        taken = take_in_turn({name: partial(take, server) for name, server in servers.items()}, rounds)
    rows = [[name, *(f"{middle(each, figure):.2f}" for figure in ("p50_ms", "p99_ms"))] for name, each in taken.items()]
    yield from table(("single calls beside large messages", "p50, ms", "p99, ms"), rows)


def _by_process(variants: dict[str, Variant]) -> list[list[str]]:
    """The names of the variants that may share a process."""
    sync = [name for name, variant in variants.items() if variant.stack == "sync"]
    return [[name for name in variants if name not in sync], sync]


def _row(name: str, pairs: Sequence[Pair]) -> list[str]:
    streams, calls = [pair.stream for pair in pairs], [pair.unary for pair in pairs]
    return [
        name,
        f"{middle(streams, 'queries_per_second'):,.0f}",
        f"{middle(streams, 'cpu_us'):.2f}",
        f"{middle(calls, 'queries_per_second'):,.0f}",
        f"{middle(calls, 'cpu_us'):.0f}",
        f"{middle(calls, 'p99_ms'):.2f}",
    ]
