#!/usr/bin/env python3
"""Makes the tables of a whole country: persons, mailboxes, relations, roads."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from nation.world import make_country
from nation.writing import write_table
from resolver_grpc.program import one_line_errors, progress


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=5_000_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What all follows from.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write to.")
@click.option("--format", "ending", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@one_line_errors()
def main(mailboxes: int, seed: int, out: Path, ending: str) -> None:
    """Makes a country's tables for the builder; equal options give equal files.

    Of the mailboxes 94 % are persons', the others organisations'; one row in ten thousand is bad. The people
    are made up.

    \b
    Example:
      bench/country.py --mailboxes 5000000 --seed 1 --out country --format parquet
    """
    started = time.perf_counter()
    write_country(mailboxes, seed, out, ending)
    Console(highlight=False).print(f"{mailboxes:,} mailboxes in {time.perf_counter() - started:.0f} s")


def write_country(mailboxes: int, seed: int, out: Path, ending: str) -> None:
    """Makes a country and writes its tables to a folder, which is made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    tables = make_country(mailboxes, seed).tables()
    for rows in tables:
        with progress(rows.rows, f"writing {rows.table.name}") as advance:
            size = write_table(rows, out, ending, advance).stat().st_size
        Console(highlight=False).print(f"{rows.table.name}: {rows.rows:,} rows, {size:,} bytes")


if __name__ == "__main__":
    main()
