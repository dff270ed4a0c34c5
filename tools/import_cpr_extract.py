#!/usr/bin/env python3
"""Imports an extract of the CPR register into a persons table.

What belongs here: files and what the person who runs the import is told; ``build/cpr_extract.py`` reads.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.cpr_extract import Extract, RejectedLine, read_extract
from resolver_grpc.build.schema import PERSONS
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.program import one_line_errors, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SHOWN_LINES = 20
_PROGRESS_BYTES = 1 << 20
_SEQUENCES = click.IntRange(0, 2**64 - 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("extract", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The table to write: .csv or .parquet.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Write the rejected lines here, as CSV.")
@click.option(
    "--change-sequence",
    type=_SEQUENCES,
    default=0,
    show_default=True,
    help="The last change that the extract holds; later ones are laid over the snapshot.",
)
@one_line_errors()
def main(extract: Path, out: Path, rejects: Path | None, change_sequence: int) -> None:
    r"""Import EXTRACT, a file of the CPR register's format U12170, as a persons table.

    A line that can't be read takes its person out: the person stays in the table with a blank status, which
    the builder rejects and reports. An extract that isn't whole is refused, and nothing is written.

    \b
    Examples:
      tools/import_cpr_extract.py u12170.txt --out persons.parquet
      tools/import_cpr_extract.py u12170.txt --out persons.csv --rejects rejects.csv --change-sequence 4711
    """
    paths = [path.resolve() for path in (extract, out, rejects) if path]
    if len(set(paths)) < len(paths):
        raise click.UsageError("EXTRACT, --out and --rejects must be different files.")
    found = _read(extract)
    with write_table(out, PERSONS, TableMeta(change_sequence, found.register_date)) as table:
        for row in found.rows():
            table.write(row)
        if rejects:
            _write_rejects(rejects, found.rejected_lines)
    _print_summary(found)
    if not rejects:
        _print_rejects(found.rejected_lines)


def _read(path: Path) -> Extract:
    with path.open("rb") as file, progress(path.stat().st_size, "reading the extract") as advance:
        return read_extract(_told(file, advance), str(path))


def _told(lines: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """Passes the lines on and tells how many bytes they were, now and then."""
    untold = 0
    for line in lines:
        untold += len(line)
        if untold >= _PROGRESS_BYTES:
            advance(untold)
            untold = 0
        yield line
    advance(untold)


def _write_rejects(path: Path, lines: Sequence[RejectedLine]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["line", "record", "reason"])
        writer.writerows([line.line_number, line.record_type, line.fault.value] for line in lines)


def _print_rejects(lines: Sequence[RejectedLine]) -> None:
    for line in lines[:_SHOWN_LINES]:
        click.echo(f"line {line.line_number}, record {line.record_type}: {line.fault.value}", err=True)
    if len(lines) > _SHOWN_LINES:
        click.echo(f"and {len(lines) - _SHOWN_LINES} more: --rejects FILE.csv writes them all", err=True)


def _print_summary(found: Extract) -> None:
    table = Table(box=None, show_header=False, title=f"CPR extract of {found.register_date}", title_justify="left")
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_row("persons", str(found.complete))
    table.add_row("persons withheld, for the builder to reject", str(found.withheld))
    table.add_row("rejected lines", str(len(found.rejected_lines)))
    for fault, count in Counter(line.fault.value for line in found.rejected_lines).most_common():
        table.add_row(f"  {fault}", str(count))
    Console(highlight=False).print(table)
    if found.previous_date:
        click.echo(
            f"The extract follows one of {found.previous_date}: where it holds changes alone, so does the table."
        )


if __name__ == "__main__":
    main()
