#!/usr/bin/env python3
"""Makes a new snapshot out of an old one and the log of changes, without the register."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import click

from resolver_grpc.build.compacting import Compacting, compact_snapshot, nobody
from resolver_grpc.build.erased import read_erased
from resolver_grpc.changes.compaction import amendment_of
from resolver_grpc.changes.reading import reading_log
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import snapshot_directory
from resolver_grpc.snapshot.store import key_id_of

_PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("snapshot", type=_PATH)
@click.argument("log_file", metavar="LOG", type=_PATH)
@click.option("--keys", "key_file", required=True, type=_PATH, help="The key file that both were made with.")
@click.option("--out", "target", required=True, type=_PATH, help="The new snapshot's directory, which must not exist.")
@click.option("--erased", "erased_file", type=_PATH, help="The list of erased numbers, who are left out.")
@one_line_errors()
def main(snapshot: Path, log_file: Path, key_file: Path, target: Path, erased_file: Path | None) -> None:
    """Makes a new snapshot of SNAPSHOT (or of the live generation, if it is a store) and the changes of LOG after it.

    The new one is under the same key, of the same register date, and contains all changes that were acknowledged when
    the program began. It answers as the old one does with these changes laid over it, with one exception: the snapshot
    has keys that can't be told apart, so that some who moved or claimed another address aren't found by e-mail, or by
    an old number, until the next build.

    \b
    Example:
      tools/compact_snapshot.py /srv/resolver/store /srv/resolver/changes.log --keys index.key --out compacted
    """
    ring = read_key_ring(key_file)
    directory = snapshot_directory(snapshot)
    key = ring.of(key_id_of(directory))
    is_erased = read_erased(erased_file, ring).flags if erased_file else nobody
    with reading_log(log_file, ring) as log:
        changes = log.changes_after(read_manifest(directory).change_sequence, progress)
        amend = partial(amendment_of, key.index_keys, changes)
        done = compact_snapshot(
            Compacting(directory, amend, log.last, target, is_erased), key, int(time.time()), progress
        )
    manifest = done.manifest
    news = "published at" if done.is_new else "was published already, and is unchanged, at"
    click.echo(
        f"{manifest.owners:,} owners, with all changes up to {manifest.change_sequence:,}; {done.erased:,} erased"
    )
    click.echo(f"Snapshot {manifest.snapshot_id} {news} {target}")


if __name__ == "__main__":
    main()
