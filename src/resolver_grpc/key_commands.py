"""The command ``resolver-grpc keys``: makes, lists, rotates and drops keys.

What belongs here: what a person is told of a key file. No key is ever shown, only ids, which tell nothing.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.errors import KeyFileError
from resolver_grpc.key_file import create_key_file, drop_kept_key, read_key_ring, rotate_key_file
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import check_store, generation_numbers, generation_path

_FILE = click.Path(path_type=Path)


@click.group()
def keys() -> None:
    """Makes and changes key files: one active key, under which is built, and older ones that open what they built.

    \b
    Examples:
      resolver-grpc keys new index.key
      resolver-grpc keys list index.key
      resolver-grpc keys rotate index.key
      resolver-grpc keys drop index.key 4f1c9d0a7be2a1d3 --store /srv/resolver/store
    """


@keys.command()
@click.argument("file", type=_FILE)
@one_line_errors()
def new(file: Path) -> None:
    """Writes a new random key to FILE, which only its owner may read.

    Keep it as safe as the register: with it, and a snapshot, numbers can be read. Without it a snapshot is of
    no use; builder and server need the same one.

    \b
    Example:
      resolver-grpc keys new index.key
    """
    key = create_key_file(file)
    click.echo(f"{file}: new key {key.key_id}")


@keys.command("list")
@click.argument("file", type=_FILE)
@one_line_errors()
def list_(file: Path) -> None:
    """Lists the ids of the keys in FILE, the active one first, then the kept ones, the newest first.

    \b
    Example:
      resolver-grpc keys list index.key
    """
    ring = read_key_ring(file)
    table = Table("key id", "is")
    for key in ring:
        table.add_row(key.key_id, "active" if key == ring.active else "kept")
    Console().print(table)


@keys.command()
@click.argument("file", type=_FILE)
@one_line_errors()
def rotate(file: Path) -> None:
    """Makes a new random key the active one of FILE, and keeps the former ones, which still open their snapshots.

    The next snapshot is built under the new key. A running server goes on with the one it has, and reads FILE again
    when the new snapshot becomes the live one. Whenever this is killed, FILE is the old one or the new one.

    \b
    Example:
      resolver-grpc keys rotate index.key
    """
    ring = rotate_key_file(file)
    click.echo(f"{file}: new active key {ring.active.key_id}, {ring.kept[0].key_id} is kept")


@keys.command()
@click.argument("file", type=_FILE)
@click.argument("key_id", metavar="KEYID")
@click.option("--store", type=_FILE, help="A store: nothing is dropped that one of its generations needs.")
@one_line_errors()
def drop(file: Path, key_id: str, store: Path | None) -> None:
    """Removes the kept key KEYID from FILE for good.

    What was made under it can't be read any more: its snapshots in whatever store or backup. The active key is not
    dropped.

    \b
    Example:
      resolver-grpc keys drop index.key 4f1c9d0a7be2a1d3 --store /srv/resolver/store
    """
    if store:
        _check_unneeded(key_id, store)
    ring = drop_kept_key(file, key_id)
    click.echo(f"{file}: key {key_id} is dropped, {len(ring.kept)} kept")


def _check_unneeded(key_id: str, store: Path) -> None:
    check_store(store)
    used = {number: read_manifest(generation_path(store, number)).key_id for number in generation_numbers(store)}
    needing = [str(number) for number, its_key in used.items() if its_key == key_id]
    if needing:
        raise KeyFileError(f"The store {store} needs that key for generation {', '.join(needing)}; prune it first.")
