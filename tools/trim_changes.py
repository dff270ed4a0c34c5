#!/usr/bin/env python3
"""Trims the log of changes: what every kept generation of a store contains is removed from it for good."""

from __future__ import annotations

from pathlib import Path

import click

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.reading import existing_log
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors
from resolver_grpc.snapshot.changing import PATIENCE_SECONDS, changing
from resolver_grpc.snapshot.generations import contained_sequence

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("store", type=_PATH)
@click.argument("log_file", metavar="LOG", type=_PATH)
@click.option("--keys", "key_file", required=True, type=_PATH, help="The key file, with all keys that it is under.")
@click.option(
    "--wait",
    "patience",
    default=PATIENCE_SECONDS,
    show_default=True,
    type=click.FloatRange(0),
    help="For how many seconds to wait for a publisher to end.",
)
@one_line_errors()
def main(store: Path, log_file: Path, key_file: Path, patience: float) -> None:
    """Removes from LOG all changes that every generation of STORE contains, the pinned ones too.

    What is left is written into another file, to which the name LOG leads from then on; the former file is removed, so
    that nothing of what was trimmed can be read any more. The server may be running: it follows by itself. Whenever the
    program is killed the log is whole; run it again. The ids of trimmed changes are forgotten: a source that sends one
    of them again has it taken again.

    A generation that is older than the oldest change of the log can't be served, so prune what isn't needed first.
    Tables that were exported before it can't be built with the log any more.

    \b
    Example:
      tools/trim_changes.py /srv/resolver/store /srv/resolver/changes.log --keys index.key
    """
    with changing(store, patience), existing_log(log_file, read_key_ring(key_file)) as log:
        up_to, first = contained_sequence(store), log.first_sequence()
        _check(log, up_to, store)
        log.trim(up_to)
        removed = max(0, up_to + 1 - first)
        left = log.last_sequence() - max(up_to, first - 1)
    click.echo(f"{log_file}: removed {removed:,} changes, {left:,} are left, from {max(up_to + 1, first):,} on")


def _check(log: ChangeLog, up_to: int, store: Path) -> None:
    last = log.last_sequence()
    if up_to > last:
        raise ChangeLogError(
            f"Every generation of {store} contains changes up to {up_to:,}, and the log ends at {last:,}: it is "
            "another log; name the one that they were built with."
        )


if __name__ == "__main__":
    main()
