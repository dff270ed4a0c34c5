#!/usr/bin/env python3
"""Builds a snapshot from tables: persons, mailboxes, relations and, if there is one, roads."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.build.erased import ErasedNumbers, read_erased
from resolver_grpc.build.snapshot import Built, Inputs, build_snapshot
from resolver_grpc.changes.reading import reading_log
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors, progress

_FILE = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persons", required=True, type=_FILE, help="Persons, .csv or .parquet.")
@click.option("--mailboxes", required=True, type=_FILE, help="Mailboxes, .csv or .parquet.")
@click.option("--relations", required=True, type=_FILE, help="Relations to senders, .csv or .parquet.")
@click.option("--roads", type=_FILE, help="Roads with their names, .csv or .parquet.")
@click.option(
    "--keys", "key_file", required=True, type=_FILE, help="The key file, for its active key; see `resolver-grpc keys`."
)
@click.option("--out", "target", required=True, type=_FILE, help="The snapshot's directory, which must not exist yet.")
@click.option("--rejects", "rejects_file", type=_FILE, help="Where to list rejected rows: table, row, problem.")
@click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    default=10_000,
    show_default=True,
    help="With more rejected rows than these the build fails and publishes nothing.",
)
@click.option("--changes", "log_file", type=_FILE, help="The log of changes: those later than a table are folded in.")
@click.option("--erased", "erased_file", type=_FILE, help="The list of erased numbers, who are left out.")
@click.option(
    "--forget-erased", is_flag=True, help="Drop from that list, once published, whom no table carries any more."
)
@one_line_errors()
def main(
    persons: Path,
    mailboxes: Path,
    relations: Path,
    roads: Path | None,
    key_file: Path,
    target: Path,
    rejects_file: Path | None,
    max_rejects: int,
    log_file: Path | None,
    erased_file: Path | None,
    *,
    forget_erased: bool,
) -> None:
    """Builds a snapshot: the index that the server answers from, and its manifest.

    Rows that can't be read are rejected with their owner, counted and listed by their number; docs/inputs.md
    has the tables' columns. On any error nothing half-written is left behind. Beside the snapshot there must be room
    for it and for what is being sorted: for each mailbox some 500 bytes.

    With --changes the snapshot holds all changes that were acknowledged when the build began. Each table states the
    sequence of the last change that it holds; of the log only later ones are laid over it. The server may go on.

    With --erased whoever is on the list is left out, with all numbers that the tables link with theirs; changes about
    them are passed over. The list is erase_owners.py's.

    \b
    Examples:
      tools/build_snapshot.py --persons persons.parquet --mailboxes mailboxes.csv --relations relations.csv \\
          --keys index.key --out snapshot --rejects rejects.csv
      tools/build_snapshot.py --persons persons.parquet --mailboxes mailboxes.csv --relations relations.csv \\
          --keys index.key --out snapshot --changes /srv/resolver/changes.log
    """
    others = {
        path.resolve()
        for path in (persons, mailboxes, relations, roads, key_file, target, log_file, erased_file)
        if path
    }
    if rejects_file and rejects_file.resolve() in others:
        raise ConfigurationError("--rejects must be a file of its own; name another")
    if rejects_file and not rejects_file.absolute().parent.is_dir():
        raise ConfigurationError(f"--rejects: there is no folder {rejects_file.parent}; make it first")
    ring = read_key_ring(key_file)
    erased = read_erased(erased_file, ring) if erased_file else None
    with reading_log(log_file, ring) if log_file else nullcontext() as changes:
        inputs = Inputs(persons, mailboxes, relations, roads, max_rejects, rejects_file, changes, erased)
        built = build_snapshot(inputs, target, ring.active, int(time.time()), progress)
    _print_report(built, target, Console(), is_listed=rejects_file is not None)
    if erased:
        _tell_erased(erased, is_dropped=forget_erased)


def _tell_erased(erased: ErasedNumbers, *, is_dropped: bool) -> None:
    carried = len(erased.met)
    click.echo(f"Of {erased.count:,} erased numbers the tables carry {carried:,}, who were left out")
    if is_dropped:
        click.echo(f"{erased.path}: dropped {erased.forget_unmet():,}, whom no table carries any more")
    elif erased.count > carried:
        click.echo(f"{erased.count - carried:,} can be dropped from {erased.path}: give --forget-erased")


def _print_report(built: Built, target: Path, console: Console, *, is_listed: bool) -> None:
    manifest, report = built.manifest, built.manifest.report
    rows = [(source.table, f"{source.rows:,}", f"{source.rejected:,}") for source in manifest.sources]
    _print_table(console, "Rows", ("table", "rows", "rejected"), rows)
    if problems := built.rejects.by_problem():
        rejected = [(name, problem, f"{count:,}") for (name, problem), count in sorted(problems.items())]
        _print_table(console, "Rejected", ("table", "problem", "rows"), rejected)
        if not is_listed:
            console.print("Give --rejects FILE to have the rejected rows listed.")
    if changes := report.get("changes"):
        _print_table(
            console, "Changes", ("what", "how many"), [(what, f"{count:,}") for what, count in changes.items()]
        )
    lists = report["posting lists"]
    keys = [(kind, f"{count:,}", f"{lists[kind]:,}") for kind, count in report["keys"].items()]
    _print_table(console, "Keys", ("kind", "keys", "posting lists"), keys)
    _print_table(console, "Index", ("part", "bytes"), [(name, f"{size:,}") for name, size in report["bytes"].items()])
    seconds = [(stage, f"{taken:,.2f}") for stage, taken in report["seconds"].items()]
    _print_table(console, "Time", ("stage", "seconds"), seconds)
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in manifest.counts.items())
    console.print(f"{manifest.owners:,} owners: {counts}", highlight=False)
    console.print(
        f"{manifest.file_size:,} bytes, register date {manifest.register_date}, with all changes up to "
        f"{manifest.change_sequence:,}",
        highlight=False,
    )
    news = "published at" if built.is_new else "was published already, and is unchanged, at"
    console.print(f"Snapshot {manifest.snapshot_id} {news} {target}", highlight=False, soft_wrap=True)


def _print_table(console: Console, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
