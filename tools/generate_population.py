#!/usr/bin/env python3
"""Makes a population: tables for the builder, senders, and queries with the decisions expected of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.population.generation import Settings, noon
from resolver_grpc.build.population.senders import SENDERS
from resolver_grpc.build.population.writing import Counts, write_population
from resolver_grpc.program import one_line_errors, progress


def summary(counts: Counts) -> Table:
    """Return the number of expected decisions by route and reason, as a table to print."""
    table = Table("route", "reason", title="Expected decisions")
    table.add_column("queries", justify="right")
    for (route, reason), count in sorted(counts.items()):
        table.add_row(route.name, reason.name, str(count))
    return table


def _instant(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persons", type=click.IntRange(min=1), required=True, help="How many people.")
@click.option("--queries", type=click.IntRange(min=0), required=True, help="How many queries.")
@click.option("--seed", type=int, required=True, help="What everything random follows from.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write to.")
@click.option("--format", "ending", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option("--register-date", type=click.DateTime(["%Y-%m-%d"]), default="2026-11-01", show_default=True)
@click.option("--as-of", default="", help="The instant of judging, with its offset; noon of the register's day else.")
@click.option(
    "--shipment",
    "shipments",
    type=click.Choice([sender.id for sender in SENDERS]),
    multiple=True,
    help="Whose shipment-ID.csv to write; may be given more than once.",
)
@one_line_errors()
def main(
    *,
    persons: int,
    queries: int,
    seed: int,
    out: Path,
    ending: str,
    register_date: datetime,
    as_of: str,
    shipments: tuple[str, ...],
) -> None:
    """Makes a population: tables for the builder, senders, and judged queries; equal options give equal rows.

    queries.jsonl holds a query in each line with the decision that a brute-force reading of the rules expects.

    \b
    Examples:
      tools/generate_population.py --persons 50000 --queries 20000 --seed 1 --out population
      tools/generate_population.py --persons 1000 --queries 500 --seed 7 --out small --format csv \\
          --shipment nordkraft --as-of 2026-11-03T23:59:59+01:00
    """
    try:
        instant = _instant(as_of) if as_of else noon(register_date.date())
    except ValueError:
        raise click.BadParameter("write an instant such as 2026-11-01T12:00:00+01:00", param_hint="--as-of") from None
    settings = Settings(persons, queries, seed, register_date.date(), instant)
    with progress(persons, "making persons") as advance:
        counts = write_population(settings, out, ending, shipment_sender_ids=shipments, progress=advance)
    Console(highlight=False).print(summary(counts))


if __name__ == "__main__":
    main()
