#!/usr/bin/env python3
"""Removes erased owners from everything that is kept: the store's snapshots and the log of changes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from resolver_grpc.build.compacting import Compacting, compact_snapshot
from resolver_grpc.build.erased import ErasedNumbers, read_erased
from resolver_grpc.changes.compaction import amendment_of, erased_numbers
from resolver_grpc.changes.reading import LoggedChanges, existing_log
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.keys import KeyRing
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.snapshot import placing
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import current_generation
from resolver_grpc.snapshot.store import key_id_of

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("store", type=_PATH)
@click.argument("log_file", metavar="LOG", type=_PATH)
@click.option("--keys", "key_file", required=True, type=_PATH, help="The key file that both were made with.")
@click.option(
    "--erased", "erased_file", required=True, type=_PATH, help="The list of erased numbers; made where there is none."
)
@one_line_errors()
def main(store: Path, log_file: Path, key_file: Path, erased_file: Path) -> None:
    """Removes from STORE and LOG whom EraseOwner erased, and puts their numbers on the list of erased numbers.

    The live generation is compacted with the log, without them; the new generation is placed, and every other one is
    removed, the pinned ones too: there is nothing left to roll back to. Then the log is trimmed: no entry that the new
    generation contains is left in it. Whenever it is killed, run it again.

    The list holds keyed hashes. Give it to each build by --erased, for the tables may carry these persons for a while;
    they must be exported anew before the next build, since the log has no change before this any more. Snapshots that
    lie elsewhere, backups and tables are yours to remove.

    \b
    Example:
      tools/erase_owners.py /srv/resolver/store /srv/resolver/changes.log --keys index.key --erased erased.list
    """
    ring = read_key_ring(key_file)
    with existing_log(log_file, ring) as log:
        changes = LoggedChanges(log)
        erased = read_erased(erased_file, ring, may_begin=True)
        listed = erased.add(erased_numbers(change for _, change in changes.since(changes.first - 1)))
        number = _place_without(store, changes, ring, erased)
        removed = placing.keep_only(store, number)
        log.trim(changes.last)
    click.echo(f"{erased_file}: {listed:,} numbers are new on it, {erased.count:,} in all")
    click.echo(f"{store}: generation {number} is live; removed {', '.join(map(str, removed)) or 'none'}")
    click.echo(f"{log_file}: all changes up to {changes.last:,} are removed")


def _place_without(store: Path, changes: LoggedChanges, ring: KeyRing, erased: ErasedNumbers) -> int:
    """Makes the live generation anew without the erased, and places it; tells its number."""
    live = current_generation(store)
    key = ring.of(key_id_of(live))
    after = changes.changes_after(read_manifest(live).change_sequence, progress)
    amend = partial(amendment_of, key.index_keys, after)
    with _workplace(store) as folder:
        target = folder / "snapshot"
        work = Compacting(live, amend, changes.last, target, erased.flags)
        compact_snapshot(work, key, int(time.time()), progress)
        return placing.place(store, target, key).number


@contextmanager
def _workplace(store: Path) -> Iterator[Path]:
    """A folder beside a store, which is gone afterwards; what a killed run left there goes first."""
    folder = store.absolute().with_name(f".{store.name}.erasing")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
