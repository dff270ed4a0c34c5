#!/usr/bin/env python3
"""Tells what a snapshot holds: its manifest, and with its key what is in its index."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.snapshot.store import key_id_of, open_snapshot
from resolver_grpc.times import format_instant, parse_time, register_window

_FILE = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("directory", type=_FILE)
@click.option("--keys", "key_file", type=_FILE, help="The key file: also opens the index and counts its facts.")
@click.option("--as-of", "as_of", help="For which instant to count facts; without it, the register date.")
@one_line_errors()
def main(directory: Path, key_file: Path | None, as_of: str | None) -> None:
    """Shows the manifest of the snapshot in DIRECTORY, and checks the index file's size and digest.

    With --keys it opens the index too, and tells of how many owners each fact holds; never who they are.

    \b
    Examples:
      tools/inspect_snapshot.py snapshot
      tools/inspect_snapshot.py snapshot --keys index.key --as-of 2026-11-05T12:00:00Z
    """
    if as_of and not key_file:
        raise ConfigurationError("--as-of tells when to count facts; give --keys too")
    console = Console()
    manifest = read_manifest(directory)
    check_index_file(directory, manifest)
    _print_manifest(manifest, console)
    if key_file:
        _print_facts(directory, key_file, _instant(as_of, manifest), console)


def _instant(as_of: str | None, manifest: Manifest) -> int:
    if as_of is None:
        return register_window(date.fromisoformat(manifest.register_date))[0]
    try:
        return parse_time(as_of)
    except ValueError as error:
        raise ConfigurationError(f"--as-of is {error}") from None


def _print_manifest(manifest: Manifest, console: Console) -> None:
    valid_from, horizon = register_window(date.fromisoformat(manifest.register_date))
    table = Table("", "", show_header=False)
    table.add_row("snapshot id", manifest.snapshot_id)
    table.add_row("built", manifest.build_time)
    table.add_row("register date", manifest.register_date)
    table.add_row("answers from", format_instant(valid_from))
    table.add_row("stale from", format_instant(horizon))
    table.add_row("key id", manifest.key_id)
    table.add_row("format version", str(manifest.format_version))
    table.add_row("canonical version", str(manifest.canonical_version))
    table.add_row("change sequence", str(manifest.change_sequence))
    table.add_row("index file", f"{manifest.file_size:,} bytes, digest as stated")
    table.add_row("owners", f"{manifest.owners:,}")
    for name, count in manifest.counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    for source in manifest.sources:
        table.add_row(
            f"from {source.table}",
            f"{source.rows:,} rows, {source.rejected:,} rejected, change sequence {source.change_sequence}",
        )
    console.print(table)


def _print_facts(directory: Path, key_file: Path, instant: int, console: Console) -> None:
    key = read_key_ring(key_file).of(key_id_of(directory))
    index = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION).index
    facts = index.facts_at(instant)
    table = Table("fact", "owners", title=f"Facts at {format_instant(instant)}", title_justify="left")
    for name in sorted(facts.names):
        table.add_row(name, f"{len(facts[name]):,}")
    console.print(table)
    index.close()


if __name__ == "__main__":
    main()
