#!/usr/bin/env python3
"""What the audit costs a batch, and what group commit saves: with and without it in turn, in one process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar, cast

import click
from prometheus_client import CollectorRegistry

from machine import describe_commit, describe_machine
from nation.requests import encode_requests
from nation.world import make_country
from resolver_grpc.audit.chain import Chain
from resolver_grpc.audit.record import Record
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.writer import AuditWriter
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.auditing import Auditing
from resolver_grpc.server.log import make_log
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.opening import clock_of
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import InService, open_served
from resolver_grpc.server.service import ResolverService
from resolver_grpc.times import parse_time
from rounds import compare, table
from serving import AS_OF, make_site

_RECORD = Record(1_793_000_000, "loopback", "delivery", "5e" * 16, 7, 1, "afsender-01", "ab" * 16, {(1, 1): 800}, 800)
_MICROS, _SEED, _HIT_RATE = 1e6, 1, 0.8
_SHAPES = ((1000, 1), (1000, 8), (1, 1), (1, 8), (1, 64))
_SINGLES = 20
"""So many fewer queries are asked by themselves than in batches."""
_CALLERS, _RECORDS = (1, 8, 64), 200
_NOBODY = cast("Any", None)

Work = TypeVar("Work")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Where the site is kept, or made.")
@click.option("--mailboxes", default=20_000, show_default=True, type=click.IntRange(min=1000), help="Of the country.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="Of each measurement.")
@click.option("--queries", default=20_000, show_default=True, type=click.IntRange(min=1000), help="Of each round.")
@click.option("--disk", default=Path("/tmp"), type=click.Path(path_type=Path), help="Where audits are written.")  # noqa: S108 - emptied again
@one_line_errors()
def main(folder: Path, mailboxes: int, rounds: int, queries: int, disk: Path) -> None:
    """Measures the audit and prints the figures as Markdown.

    \b
    Example:
      bench/audit.py --folder build/bench-20000 --rounds 7
    """
    print(f"{describe_machine()}, {describe_commit()}\n")
    with tempfile.TemporaryDirectory(dir=disk) as one:
        print("\n".join(asyncio.run(_batches(folder, mailboxes, rounds, queries, Path(one)))))
    with tempfile.TemporaryDirectory(dir=disk) as one:
        print("\n".join(asyncio.run(_commits(folder, rounds, Path(one)))))


async def _batches(folder: Path, mailboxes: int, rounds: int, queries: int, disk: Path) -> list[str]:
    """What batches take with and without an audit, by their size and by how many callers there are."""
    site, country = make_site(mailboxes, _SEED, folder), make_country(mailboxes, _SEED)
    ring = read_key_ring(site.keys)
    served = open_served(site.snapshot, ring.active, read_senders(site.senders), parse_time(AS_OF))
    in_service, clock, log = InService(served), clock_of(served), make_log()
    audit = Auditing(disk, ring, 1, log)
    plain, audited = (
        ResolverService(in_service, clock, log, Metrics(CollectorRegistry()), one) for one in (None, audit)
    )
    rows = []
    for size, callers in _SHAPES:
        count = max(queries // (size if size > 1 else _SINGLES), 2 * callers)
        messages = encode_requests(country, "mix", batch=size, count=count, hit_rate=_HIT_RATE, seed=_SEED)
        without, with_it = [], []
        for _ in range(1 + rounds):
            without.append(await _at_once(lambda message: plain.resolve_batch(message, _NOBODY), messages, callers))
            with_it.append(await _at_once(lambda message: audited.resolve_batch(message, _NOBODY), messages, callers))
        rows.append([f"{size:,} queries, {callers} at once", *_row(without[1:], with_it[1:])])
    await audit.close()
    served.snapshot.index.close()
    return list(table(["a batch of", "µs without", "µs with", "throughput, with/without", "CPU µs more"], rows))


async def _commits(folder: Path, rounds: int, disk: Path) -> list[str]:
    """What records take that share syncs, and that have one each."""
    chain = Chain(
        disk, [AuditKeys.of(read_key_ring(folder / "index.key").active)], 1, time.time, lambda _news, _end: None
    )
    writer, loop = AuditWriter(chain, lambda _fault: None), asyncio.get_running_loop()
    rows = []
    with ThreadPoolExecutor(1) as thread:

        async def alone(record: Record) -> None:
            await loop.run_in_executor(thread, chain.append, [record])

        for callers in _CALLERS:
            records = [_RECORD] * (_RECORDS * callers)
            shared, single = [], []
            for _ in range(1 + rounds):
                single.append(await _at_once(alone, records[: 2 * _RECORDS], callers))
                shared.append(await _at_once(writer.write, records, callers))
            rates = [f"{1 / median(one.wall for one in each[1:]):,.0f}" for each in (single, shared)]
            times = str(compare([one.wall for one in single[1:]], [one.wall for one in shared[1:]]))
            rows.append([f"{callers} at once", *rates, times])
    await writer.close()
    return list(table(["callers", "records a second, a sync each", "group commit", "times"], rows))


class _Cost(NamedTuple):
    """Seconds for each piece of work: of the clock, and of the processors."""

    wall: float
    cpu: float


async def _at_once(work: Callable[[Work], Awaitable[object]], pieces: Sequence[Work], callers: int) -> _Cost:
    """So many callers share the pieces; each takes the next when its last one is done."""
    left = iter(pieces)

    async def call() -> None:
        for piece in left:
            await work(piece)

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    wall = time.perf_counter() - started
    return _Cost(wall / len(pieces), (time.process_time() - cpu) / len(pieces))


def _row(without: Sequence[_Cost], with_it: Sequence[_Cost]) -> list[str]:
    walls = [[one.wall for one in each] for each in (without, with_it)]
    more = median(ours.cpu - other.cpu for ours, other in zip(with_it, without, strict=True))
    return [*(f"{median(each) * _MICROS:,.0f}" for each in walls), str(compare(*walls)), f"{more * _MICROS:.0f}"]


if __name__ == "__main__":
    main()
