#!/usr/bin/env python3
"""Builds a snapshot from tables: persons, mailboxes, relations and, if there is one, roads."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.snapshot import Built, Inputs, build_snapshot
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.keys import read_key_file
from resolver_grpc.program import one_line_errors, progress

_FILE = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persons", required=True, type=_FILE, help="Persons, .csv or .parquet.")
@click.option("--mailboxes", required=True, type=_FILE, help="Mailboxes, .csv or .parquet.")
@click.option("--relations", required=True, type=_FILE, help="Relations to senders, .csv or .parquet.")
@click.option("--roads", type=_FILE, help="Roads with their names, .csv or .parquet.")
@click.option("--keys", "key_file", required=True, type=_FILE, help="The key file; `resolver-grpc keys new` makes one.")
@click.option("--out", "target", required=True, type=_FILE, help="The snapshot's directory, which must not exist yet.")
@click.option("--rejects", "rejects_file", type=_FILE, help="Where to list rejected rows: table, row, problem.")
@one_line_errors()
def main(
    persons: Path,
    mailboxes: Path,
    relations: Path,
    roads: Path | None,
    key_file: Path,
    target: Path,
    rejects_file: Path | None,
) -> None:
    """Builds a snapshot: the index that the server answers from, and its manifest.

    Rows that can't be read are rejected with their owner, counted and listed by their number; docs/inputs.md
    has the tables' columns. On any error nothing half-written is left behind.

    \b
    Example:
      tools/build_snapshot.py --persons persons.parquet --mailboxes mailboxes.csv --relations relations.csv \\
          --keys index.key --out snapshot --rejects rejects.csv
    """
    others = {path.resolve() for path in (persons, mailboxes, relations, roads, key_file, target) if path}
    if rejects_file and rejects_file.resolve() in others:
        raise ConfigurationError("--rejects must be a file of its own; name another")
    if rejects_file and not rejects_file.absolute().parent.is_dir():
        raise ConfigurationError(f"--rejects: there is no folder {rejects_file.parent}; make it first")
    key = read_key_file(key_file)
    built = build_snapshot(Inputs(persons, mailboxes, relations, roads), target, key, int(time.time()), progress)
    if rejects_file:
        _write_rejects(built.rejects, rejects_file)
    _print_report(built, target, Console(), rejects_file)


def _write_rejects(rejects: Rejects, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("table", "row", "problem"))
        writer.writerows((reject.table, reject.row, reject.problem) for reject in rejects.rows)


def _print_report(built: Built, target: Path, console: Console, rejects_file: Path | None) -> None:
    manifest = built.manifest
    table = Table("table", "rows", "rejected", title="Rows", title_justify="left")
    for source in manifest.sources:
        table.add_row(source.table, f"{source.rows:,}", f"{source.rejected:,}")
    console.print(table)
    problems = built.rejects.by_problem()
    if problems:
        table = Table("table", "problem", "rows", title="Rejected", title_justify="left")
        for (name, problem), count in sorted(problems.items()):
            table.add_row(name, problem, f"{count:,}")
        console.print(table)
        if not rejects_file:
            console.print("Give --rejects FILE to have the rejected rows listed.")
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.counts.items())
    console.print(f"{manifest.owners:,} owners: {counts}", highlight=False)
    console.print(f"{manifest.file_size:,} bytes, register date {manifest.register_date}", highlight=False)
    news = "published at" if built.is_new else "was published already, and is unchanged, at"
    console.print(f"Snapshot {manifest.snapshot_id} {news} {target}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
