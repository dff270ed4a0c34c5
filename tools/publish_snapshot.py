#!/usr/bin/env python3
"""Publishes snapshots into a store of generations: place, list, rollback, pin, unpin, prune."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot import placing
from resolver_grpc.snapshot.changing import PATIENCE_SECONDS
from resolver_grpc.snapshot.generations import Generation, list_generations
from resolver_grpc.snapshot.store import key_id_of

_FOLDER = click.Path(path_type=Path)
_NUMBER = click.IntRange(1)

_store = click.argument("store", type=_FOLDER)
_number = click.argument("number", type=_NUMBER)
_wait = click.option(
    "--wait",
    "patience",
    default=PATIENCE_SECONDS,
    show_default=True,
    type=click.FloatRange(0),
    help="For how many seconds to wait for another publisher to end.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Keeps the generations of a STORE, a folder in which one snapshot is the live one.

    Each change holds the store's lock; whenever it is killed, the store stays on a whole generation. Errors are
    one line, with exit code 2.

    \b
    Examples:
      tools/publish_snapshot.py place store snapshot --keys index.key
      tools/publish_snapshot.py list store
      tools/publish_snapshot.py rollback store
      tools/publish_snapshot.py prune store --keep 7
    """


@main.command()
@_store
@click.argument("snapshot", type=_FOLDER)
@click.option("--keys", "key_file", required=True, type=_FOLDER, help="The key file that it was built with.")
@_wait
@one_line_errors()
def place(store: Path, snapshot: Path, key_file: Path, patience: float) -> None:
    """Verifies SNAPSHOT, copies it into STORE as the next generation and makes it the live one.

    STORE is made where it is missing. The snapshot that is live already is not placed again.

    \b
    Example:
      tools/publish_snapshot.py place store snapshot-2026-11-22 --keys index.key
    """
    key = read_key_ring(key_file).of(key_id_of(snapshot))
    placed = placing.place(store, snapshot, key, patience)
    news = "is placed and live" if placed.is_new else "is live already and holds this snapshot; nothing was placed"
    click.echo(f"{store}: generation {placed.number} {news}")


@main.command("list")
@_store
@one_line_errors()
def list_(store: Path) -> None:
    """Lists the generations of STORE, the oldest first; reads all their bytes to tell which are whole.

    \b
    Example:
      tools/publish_snapshot.py list store
    """
    table = Table("generation", "snapshot id", "register date", "built", "bytes", "is")
    for generation in list_generations(store):
        table.add_row(*_row(generation))
    Console().print(table)


def _row(generation: Generation) -> tuple[str, ...]:
    words = {
        "current": generation.is_current,
        "pinned": generation.is_pinned,
        "whole": not generation.fault,
        "DAMAGED": bool(generation.fault),
    }
    state = ", ".join(word for word, holds in words.items() if holds)
    manifest = generation.manifest
    if manifest is None:
        return str(generation.number), "", "", "", "", state
    size = f"{manifest.file_size:,}"
    return str(generation.number), manifest.snapshot_id, manifest.register_date, manifest.build_time, size, state


@main.command()
@_store
@click.argument("number", type=_NUMBER, required=False)
@_wait
@one_line_errors()
def rollback(store: Path, number: int | None, patience: float) -> None:
    """Makes the generation before the live one the live one, or the one named by NUMBER.

    \b
    Examples:
      tools/publish_snapshot.py rollback store
      tools/publish_snapshot.py rollback store 41
    """
    click.echo(f"{store}: generation {placing.roll_back(store, number, patience)} is live")


@main.command()
@_store
@_number
@_wait
@one_line_errors()
def pin(store: Path, number: int, patience: float) -> None:
    """Keeps generation NUMBER, however old it gets.

    \b
    Example:
      tools/publish_snapshot.py pin store 41
    """
    placing.pin(store, number, patience)
    click.echo(f"{store}: generation {number} is pinned")


@main.command()
@_store
@_number
@_wait
@one_line_errors()
def unpin(store: Path, number: int, patience: float) -> None:
    """Lets go of generation NUMBER, which stays until it is pruned.

    \b
    Example:
      tools/publish_snapshot.py unpin store 41
    """
    placing.unpin(store, number, patience)
    click.echo(f"{store}: generation {number} is not pinned any more")


@main.command()
@_store
@click.option("--keep", required=True, type=_NUMBER, help="How many of the newest to keep.")
@_wait
@one_line_errors()
def prune(store: Path, keep: int, patience: float) -> None:
    """Removes generations, but the newest ones, the live one and pinned ones.

    \b
    Example:
      tools/publish_snapshot.py prune store --keep 7
    """
    removed = placing.prune(store, keep, patience)
    click.echo(f"{store}: removed {', '.join(map(str, removed)) or 'none'}")


if __name__ == "__main__":
    main()
