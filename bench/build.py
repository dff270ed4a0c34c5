#!/usr/bin/env python3
"""What building a country's snapshot costs, and what PostgreSQL takes to load and index the same pairs."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from country import write_country
from machine import Cost, describe_machine, run_measured
from postgres import SETTINGS, Loading, find_postgres, measure_loading, write_copy_stream
from resolver_grpc.build.schema import TABLES
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.restoring import read_content
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import SECRET_BYTES, MasterKey
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE

_BUILDER = Path(__file__).resolve().parents[1] / "tools" / "build_snapshot.py"
_STREAM_ROWS = 1 << 20
_KEY = b"a key of benchmarks, of no secret"[:SECRET_BYTES]
_GIB, _MIB = 2**30, 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """Builds of one country from one format of tables.

    Attributes:
        ending: the tables' format.
        costs: of each run.
        snapshot: the directory of the last run's snapshot.
    """

    ending: str
    costs: list[Cost]
    snapshot: Path

    @property
    def seconds(self) -> float:
        """The median of the runs."""
        return median(cost.seconds for cost in self.costs)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=5_000_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What the country follows from.")
@click.option("--runs", type=click.IntRange(min=1), default=1, show_default=True, help="How often both sides run.")
@click.option("--csv", "with_csv", is_flag=True, help="Build from CSV tables too.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Where tables are kept for later runs.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(*, mailboxes: int, seed: int, runs: int, with_csv: bool, keep: Path | None, out: Path | None) -> None:
    """Builds a country's snapshot and loads the same pairs into PostgreSQL, where that is installed.

    \b
    Examples:
      bench/build.py --mailboxes 5000000 --runs 3 --csv --keep tables --out bench/results/build.md
      bench/build.py --mailboxes 20000
    """
    with ExitStack() as ends:
        work = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-build-")))
        key = _write_key_file(work / "index.key")
        measured = []
        for ending in ("parquet", "csv") if with_csv else ("parquet",):
            tables = _tables(keep or work, mailboxes, seed, ending)
            measured.append(_measure_builds(tables, ending, work, runs))
        loadings = _measure_postgres(measured[0].snapshot, key, work, runs)
        text = "\n".join(_report(mailboxes, seed, measured, loadings)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _write_key_file(path: Path) -> MasterKey:
    """A key file that is always the same, so that equal tables give equal snapshot ids from run to run."""
    path.touch(mode=0o600)
    path.write_bytes(base64.b64encode(_KEY) + b"\n")
    return read_key_ring(path).active


def _tables(keep: Path, mailboxes: int, seed: int, ending: str) -> Path:
    """The folder of a country's tables, which are made unless they are kept from before."""
    folder = keep / f"country-{mailboxes}-{seed}-{ending}"
    if not folder.exists():
        being_made = keep / f".{folder.name}"
        shutil.rmtree(being_made, ignore_errors=True)
        write_country(mailboxes, seed, being_made, ending)
        being_made.rename(folder)
    return folder


def _measure_builds(tables: Path, ending: str, work: Path, runs: int) -> Measured:
    target = work / f"snapshot-{ending}"
    words: list[str | Path] = [sys.executable, _BUILDER, "--keys", work / "index.key", "--out", target]
    for table in TABLES:
        path = tables / f"{table.name}.{ending}"
        # Read once beforehand: neither side is charged for a cold disk.
        with path.open("rb") as file:
            while file.read(_MIB):
                pass
        words += [f"--{table.name}", path]
    costs = []
    for _ in range(runs):
        shutil.rmtree(target, ignore_errors=True)
        costs.append(run_measured(words))
    return Measured(ending, costs, target)


def _measure_postgres(snapshot: Path, key: MasterKey, work: Path, runs: int) -> list[Loading]:
    """Loads the snapshot's pairs into PostgreSQL, so often; no loading where it isn't installed."""
    binaries = find_postgres()
    if binaries is None:
        print("PostgreSQL is not installed (apt-get install postgresql): only our side is measured.")
        return []
    stream = work / "pairs.copy"
    write_copy_stream(_pairs_by_owner(snapshot, key), stream)
    return [measure_loading(binaries, stream) for _ in range(runs)]


def _pairs_by_owner(snapshot: Path, key: MasterKey) -> Iterator[tuple[Any, Any]]:
    """The pairs of a snapshot in the order of their owners, as a register's rows give them: keys unsorted."""
    manifest = read_manifest(snapshot)
    content = read_content(snapshot / INDEX_FILE, key.columns_secret, bytes.fromhex(manifest.snapshot_id)).content
    parts = list(content.pairs.partitions())
    keys = np.concatenate([keys for keys, _ in parts])
    ordinals = np.concatenate([ordinals for _, ordinals in parts])
    del parts
    order = np.argsort(ordinals, kind="stable")
    for begin in range(0, len(order), _STREAM_ROWS):
        chosen = order[begin : begin + _STREAM_ROWS]
        yield keys[chosen], ordinals[chosen]


def _report(mailboxes: int, seed: int, measured: list[Measured], loadings: list[Loading]) -> Iterator[str]:
    manifest = read_manifest(measured[0].snapshot)
    runs = len(measured[0].costs)
    yield "# Building a country\n"
    yield (
        f"{mailboxes:,} mailboxes, seed {seed}, {manifest.owners:,} owners, {manifest.counts['keys']:,} keys; snapshot "
        f"{manifest.snapshot_id}; {describe_machine()}. "
        f"{'One run' if runs == 1 else f'Medians of {runs} runs'}, all inputs in the page cache.\n"
    )
    yield "| building from | seconds | processor seconds | peak memory, GiB | bytes a mailbox |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for one in measured:
        cpu = median(cost.cpu_seconds for cost in one.costs)
        memory = max(cost.peak_memory for cost in one.costs) / _GIB
        size = sum(path.stat().st_size for path in one.snapshot.iterdir()) / mailboxes
        yield f"| {one.ending} | {one.seconds:.1f} | {cpu:.1f} | {memory:.2f} | {size:.0f} |"
    yield "\nPeak memory is that of all processes together, a shared page counted once.\n"
    for one in measured:
        yield from _report_stages(one)
    yield from _report_loadings(measured[0], loadings)


def _report_stages(one: Measured) -> Iterator[str]:
    """The seconds of each stage, as far as the builder's own report tells them."""
    report = json.loads((one.snapshot / MANIFEST_FILE).read_text(encoding="utf-8")).get("report", {})
    stages = report.get("seconds", {})
    if stages:
        yield f"| stage, last run from {one.ending} | seconds |"
        yield "| --- | ---: |"
        yield from (f"| {name.replace('_', ' ')} | {seconds:.1f} |" for name, seconds in stages.items())
        yield ""


def _report_loadings(ours: Measured, loadings: list[Loading]) -> Iterator[str]:
    if not loadings:
        yield "PostgreSQL was not installed; its side was not measured."
        return
    middle = sorted(loadings, key=lambda loading: loading.seconds)[len(loadings) // 2]
    settings = ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    yield "| PostgreSQL, the same pairs | seconds |"
    yield "| --- | ---: |"
    yield f"| COPY, binary, into a table made in the same transaction | {middle.copy_seconds:.1f} |"
    yield f"| CREATE INDEX, btree on the key | {middle.index_seconds:.1f} |"
    yield f"| CHECKPOINT | {middle.checkpoint_seconds:.1f} |"
    yield f"| all three | {middle.seconds:.1f} |"
    yield f"| processor seconds | {middle.cpu_seconds:.1f} |\n"
    yield (
        f"Table {middle.table_bytes / _MIB:,.0f} MiB, index {middle.index_bytes / _MIB:,.0f} MiB; {settings}, "
        "fsync on. "
        "The pairs come in the order of their owners from a file made beforehand, so that each side begins with "
        "unsorted keys; making them is charged to our side only.\n"
    )
    yield f"Our whole build from {ours.ending} takes {ours.seconds / middle.seconds:.2f} of PostgreSQL's time."


if __name__ == "__main__":
    main()
