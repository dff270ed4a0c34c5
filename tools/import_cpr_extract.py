#!/usr/bin/env python3
"""Imports extracts of the CPR register into a persons table: a full one, and the changes since.

What belongs here: files and what the person who runs the import is told; ``build/cpr_extract.py`` reads.
"""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.cpr_extract import Extract, RejectedLine, read_extracts
from resolver_grpc.build.schema import PERSONS
from resolver_grpc.build.tables import TableMeta, write_table
from resolver_grpc.program import one_line_errors, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SHOWN_LINES = 20
_PROGRESS_BYTES = 1 << 20
_SEQUENCES = click.IntRange(0, 2**64 - 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("full", type=click.Path(path_type=Path))
@click.argument("changes", nargs=-1, type=click.Path(path_type=Path), metavar="[CHANGE]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The table to write: .csv or .parquet.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Write the rejected lines here, as CSV.")
@click.option(
    "--change-sequence",
    type=_SEQUENCES,
    default=0,
    show_default=True,
    help="The last change that the extracts hold; later ones are laid over the snapshot.",
)
@one_line_errors()
def main(full: Path, changes: tuple[Path, ...], out: Path, rejects: Path | None, change_sequence: int) -> None:
    """Import FULL, an extract of the CPR register in the format U12170, as a persons table.

    Each CHANGE is an extract of what changed since the file before it; a person's records there replace the
    older ones whole. The files stand in the order of their production: one that doesn't follow the one before
    it, by its own previous day of production, refuses the import.

    A line that can't be read takes its person out: the person stays in the table with a blank status, which
    the builder rejects, and an older record doesn't come back. An extract that isn't whole refuses the import.
    A refused import writes nothing.

    \b
    Examples:
      tools/import_cpr_extract.py u12170.txt --out persons.parquet
      tools/import_cpr_extract.py u12170.txt --out persons.csv --rejects rejects.csv --change-sequence 4711
      tools/import_cpr_extract.py full.txt monday.txt tuesday.txt --out persons.parquet
    """
    _check_apart((full, *changes), out, rejects)
    found = _read((full, *changes))
    with write_table(out, PERSONS, TableMeta(change_sequence, found.register_date)) as table:
        for row in found.rows():
            table.write(row)
        if rejects:
            _write_rejects(rejects, found.rejected_lines)
    _print_summary(found)
    if not rejects:
        _print_rejects(found.rejected_lines)


def _check_apart(extracts: Sequence[Path], out: Path, rejects: Path | None) -> None:
    read = {path.resolve() for path in extracts}
    written = [path.resolve() for path in (out, rejects) if path]
    if len(set(written)) < len(written) or not read.isdisjoint(written):
        raise click.UsageError("--out and --rejects must be different files, and none of the extracts.")


def _read(paths: Sequence[Path]) -> Extract:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        total = sum(path.stat().st_size for path in paths)
        advance = stack.enter_context(progress(total, "reading the extracts"))
        return read_extracts([(str(path), _told(file, advance)) for path, file in zip(paths, files, strict=True)])


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
        writer.writerow(["file", "line", "record", "reason"])
        writer.writerows([line.source, line.line_number, line.record_type, line.fault.value] for line in lines)


def _print_rejects(lines: Sequence[RejectedLine]) -> None:
    for line in lines[:_SHOWN_LINES]:
        click.echo(f"{line.source}, line {line.line_number}, record {line.record_type}: {line.fault.value}", err=True)
    if len(lines) > _SHOWN_LINES:
        click.echo(f"and {len(lines) - _SHOWN_LINES} more: --rejects FILE.csv writes them all", err=True)


def _print_summary(found: Extract) -> None:
    console = Console(highlight=False, markup=False)
    console.print(_table_of_files(found))
    table = Table(box=None, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_row("persons", str(found.complete))
    table.add_row("persons withheld, for the builder to reject", str(found.withheld))
    table.add_row("rejected lines", str(len(found.rejected_lines)))
    for fault, count in Counter(line.fault.value for line in found.rejected_lines).most_common():
        table.add_row(f"  {fault}", str(count))
    console.print(table)
    if found.previous_date:
        click.echo(
            f"The first extract follows one of {found.previous_date}: where it holds changes alone, the table "
            "lacks everyone who didn't change."
        )


def _table_of_files(found: Extract) -> Table:
    table = Table(box=None, title=f"CPR register of {found.register_date}", title_justify="left")
    table.add_column("extract", overflow="fold")
    for heading in ("produced", "new persons", "replaced", "rejected lines"):
        table.add_column(heading, justify="right", no_wrap=True)
    for file in found.files:
        counts = (file.new, file.replaced, file.rejected_lines)
        table.add_row(file.source, file.register_date, *map(str, counts))
    return table


if __name__ == "__main__":
    main()
