#!/usr/bin/env python3
"""What a query costs the plain way, in process: bytes of a request in, bytes of the response out, by kind."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from statistics import median

import click

from resolver_grpc.build.population.generation import Settings, noon
from resolver_grpc.build.population.writing import write_population
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.keys import create_key_file
from resolver_grpc.model import Kind, Reason
from resolver_grpc.program import one_line_errors
from resolver_grpc.server.app import Served, open_served
from resolver_grpc.server.senders import read_senders
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

_DAY = date(2026, 11, 1)
_TABLES = ("persons", "mailboxes", "relations", "roads")
_BATCH = 1_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persons", default=50_000, show_default=True, help="How many people.")
@click.option("--rounds", default=7, show_default=True, help="How often each kind is measured; the first is left out.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(persons: int, rounds: int, out: Path | None) -> None:
    """Measures each kind of well-formed query in batches of 1,000 and of 1.

    \b
    Example:
      bench/resolve.py --persons 50000 --out bench/results/resolve.md
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(persons, 20_000, 1, _DAY, noon(_DAY))
        served, queries = _prepare(settings, Path(folder))
        instant = int(settings.as_of.timestamp())
        lines = list(_report(served, queries, instant, rounds))
        served.snapshot.index.close()
    text = "\n".join(lines) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _prepare(settings: Settings, folder: Path) -> tuple[Served, dict[Kind, list[Query]]]:
    """A population of queries that can be read, its snapshot opened."""
    write_population(settings, folder, "parquet")
    key = create_key_file(folder / "index.key")
    persons, mailboxes, relations, roads = (folder / f"{table}.parquet" for table in _TABLES)
    inputs = Inputs(persons, mailboxes, relations, roads)
    build_snapshot(inputs, folder / "snapshot", key, 0, lambda _total, _words: nullcontext(lambda _amount: None))
    queries: defaultdict[Kind, list[Query]] = defaultdict(list)
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if Reason[row["expected"]["reason"]] < Reason.INVALID_KIND:
                kind = Kind[row["kind"]]
                fields = {name: value for name, value in row.items() if name in Query.DESCRIPTOR.fields_by_name}
                fields |= {"kind": kind.value, "handle": bytes.fromhex(row.get("handle", ""))}
                queries[kind].append(Query(**fields))
    senders = read_senders(folder / "senders.toml")
    return open_served(folder / "snapshot", key, senders, int(settings.as_of.timestamp())), queries


def _report(served: Served, queries: dict[Kind, list[Query]], instant: int, rounds: int) -> Iterator[str]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True).stdout
    manifest = served.snapshot.manifest
    yield "# The plain way, in process\n"
    yield (
        f"Bytes in, bytes out, one thread. {manifest.owners:,} owners, {manifest.counts['keys']:,} keys, snapshot "
        f"{manifest.snapshot_id}; commit {commit.strip()}; Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{platform.machine()}. Median of {rounds - 1} rounds after a first.\n"
    )
    yield "| kind | µs a query, batches of 1,000 | µs a query, alone |"
    yield "| --- | ---: | ---: |"
    for kind in sorted(queries):
        rows = (queries[kind] * (1 + _BATCH // len(queries[kind])))[:_BATCH]
        whole, alone = (_micros(served, _requests(rows, size), instant, rounds) for size in (_BATCH, 1))
        yield f"| {kind.name} | {whole:.0f} | {alone:.0f} |"


def _requests(queries: list[Query], size: int) -> list[bytes]:
    return [
        ResolveBatchRequest(sender_id="nordkraft", queries=queries[start : start + size]).SerializeToString()
        for start in range(0, len(queries), size)
    ]


def _micros(served: Served, requests: list[bytes], instant: int, rounds: int) -> float:
    """Microseconds a query, of requests that hold 1,000 of them together."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        for request in requests:
            served.batches.answer(request, instant)
        taken.append(time.perf_counter() - started)
    return median(taken[1:]) / _BATCH * 1e6


if __name__ == "__main__":
    main()
