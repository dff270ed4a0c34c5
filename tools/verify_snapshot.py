#!/usr/bin/env python3
"""Verifies a snapshot: its files, its index, its content and, with the tables, a sample of their rows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.erased import read_erased
from resolver_grpc.build.sampling import Sample
from resolver_grpc.build.snapshot import Inputs
from resolver_grpc.build.verify_rows import verify_rows
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.changes.reading import reading_log
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import MasterKey
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.store import key_id_of, open_snapshot
from resolver_grpc.snapshot.verify import Check, verify_snapshot

_FILE = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("snapshot", type=_FILE)
@click.option("--keys", "key_file", required=True, type=_FILE, help="The key file that it was built with.")
@click.option("--persons", type=_FILE, help="The persons table that it was built from; asks for the others too.")
@click.option("--mailboxes", type=_FILE, help="The mailboxes table.")
@click.option("--relations", type=_FILE, help="The relations table.")
@click.option("--roads", type=_FILE, help="The roads table, if it was built with one.")
@click.option("--sample", default=1000, show_default=True, type=click.IntRange(1), help="How many numbers to look up.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which numbers these are.")
@click.option("--changes", "log_file", type=_FILE, help="The log of changes, if they were folded in.")
@click.option("--erased", "erased_file", type=_FILE, help="The list of erased numbers, if it was built with one.")
@one_line_errors()
def main(
    snapshot: Path,
    key_file: Path,
    persons: Path | None,
    mailboxes: Path | None,
    relations: Path | None,
    roads: Path | None,
    sample: int,
    seed: int,
    log_file: Path | None,
    erased_file: Path | None,
) -> None:
    """Checks everything about the snapshot in directory SNAPSHOT, and prints what was checked.

    With the tables that it was built from, a sample of their numbers is looked up too; where changes were folded in,
    with the log, which must still reach back to the tables. On the first fault the
    program ends with one line and exit code 2.

    \b
    Examples:
      tools/verify_snapshot.py snapshot --keys index.key
      tools/verify_snapshot.py snapshot --keys index.key --persons persons.parquet \\
          --mailboxes mailboxes.csv --relations relations.csv --sample 5000 --seed 7
    """
    inputs = _inputs(persons, mailboxes, relations, roads)
    ring = read_key_ring(key_file)
    key = ring.of(key_id_of(snapshot))
    checks = verify_snapshot(snapshot, key)
    if inputs:
        last = read_manifest(snapshot).change_sequence
        erased = read_erased(erased_file, ring) if erased_file else None
        with reading_log(log_file, ring, last) if log_file else nullcontext() as changes:
            checks += _verify_rows(snapshot, replace(inputs, changes=changes, erased=erased), key, Sample(sample, seed))
    _print(checks)


def _inputs(persons: Path | None, mailboxes: Path | None, relations: Path | None, roads: Path | None) -> Inputs | None:
    if persons and mailboxes and relations:
        return Inputs(persons, mailboxes, relations, roads)
    if persons or mailboxes or relations or roads:
        raise ConfigurationError("to look rows up, --persons, --mailboxes and --relations are needed; give all three")
    return None


def _verify_rows(directory: Path, inputs: Inputs, key: MasterKey, sample: Sample) -> list[Check]:
    snapshot = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION)
    try:
        return verify_rows(inputs, snapshot, key.index_keys, sample, progress)
    finally:
        snapshot.index.close()


def _print(checks: list[Check]) -> None:
    table = Table("checked", "how many", "found", title="All of it holds", title_justify="left")
    for check in checks:
        table.add_row(check.part, f"{check.amount:,} {check.unit}", check.finding)
    Console().print(table)


if __name__ == "__main__":
    main()
