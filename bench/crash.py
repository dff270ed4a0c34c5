#!/usr/bin/env python3
"""What a crash, a full disk and a flipped bit do to a country's snapshot: nothing that anybody would take for one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from random import Random
from typing import NamedTuple

import click

from country import write_country
from crash_site import Site, builder_of, die, must, run
from machine import describe_machine
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.key_file import create_key_file
from resolver_grpc.keys import MasterKey
from resolver_grpc.program import one_line_errors, progress
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.snapshot.verify import verify_snapshot

_TOOLS = Path(__file__).resolve().parents[1] / "tools"
_SHARES_OF_DISK = (0.02, 0.3, 0.6, 0.72, 0.75, 0.78, 0.85)
_OTHER_MAILBOXES = 1_000
_PAIR_ON_DISK = 40
_MIB = 2**20
_REFUSED = 2


class Row(NamedTuple):
    """A line of the result: what was done, how often, and what was found."""

    done: str
    times: int
    found: str
    seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mailboxes", type=click.IntRange(min=100, max=20_000_000), default=5_000_000, show_default=True)
@click.option("--tables", type=click.Path(path_type=Path, exists=True), help="A country's Parquet tables, made before.")
@click.option(
    "--kills", default=12, show_default=True, type=click.IntRange(2), help="How often each program is killed."
)
@click.option("--flips", default=50, show_default=True, type=click.IntRange(1), help="How many bits of each file flip.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the table, as Markdown.")
@one_line_errors()
def main(*, mailboxes: int, tables: Path | None, kills: int, flips: int, out: Path | None) -> None:
    """Kills builder and publisher at random instants, fills disks under the builder, flips bits of a snapshot.

    Ends with one line and exit code 2 where something is found that must not be. Small disks need the right to
    mount, and memory for the snapshot and what is spilled. The working folder stands where temporary files go
    (TMPDIR) and takes up to five times the snapshot. Without --tables, a country of --mailboxes is made.

    \b
    Example:
      bench/crash.py --tables country --kills 12 --flips 50 --out bench/results/crash.md
    """
    with tempfile.TemporaryDirectory(prefix="bench-crash-") as name:
        site = _prepare(Path(name), tables, mailboxes)
        rows = list(_try_all(site, kills, flips))
        text = "\n".join(_report(site, rows)) + "\n"
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")


def _prepare(work: Path, tables: Path | None, mailboxes: int) -> Site:
    """Makes the tables where need be, the key, and another snapshot for the store's first generation."""
    if tables is None:
        write_country(mailboxes, 1, work / "tables", "parquet")
    write_country(_OTHER_MAILBOXES, 2, work / "other-tables", "parquet")
    key = create_key_file(work / "index.key")
    run(builder_of(work / "other-tables", work / "index.key", work / "other"))
    (work / "site").mkdir()
    return Site(work / "site", tables or work / "tables", work / "index.key", key, work / "other")


def _try_all(site: Site, kills: int, flips: int) -> Iterator[Row]:
    site.renew_store()
    builder_life = run(site.builder())
    site.snapshot_id = read_manifest(site.target).snapshot_id
    yield Row("built and left alone", 1, site.check(), builder_life)
    publisher_life = run(site.publisher())
    yield Row("published and left alone", 1, site.check(), publisher_life)
    site.renew_store()
    site.clear()
    yield _kill_builder(site, builder_life, kills)
    seconds = run(site.builder())
    yield Row("built once more, beside all that was left", 1, f"{site.check()}; the same snapshot id", seconds)
    site.clear()
    run(site.builder())
    yield _kill_publisher(site, publisher_life, kills)
    yield from _fill_disks(site)
    for name in (INDEX_FILE, MANIFEST_FILE):
        yield _flip(site, name, flips)


def _kill_builder(site: Site, life: float, kills: int) -> Row:
    """Kills it at one instant of each part of its life, and leaves what it left to the next."""
    found: Counter[str] = Counter()
    begun = time.perf_counter()
    with progress(kills, "killing the builder") as advance:
        for instant in _instants(site.random, life, kills):
            shutil.rmtree(site.target, ignore_errors=True)
            die(site.builder(), instant)
            found[site.check()] += 1
            advance(1)
    left = len(list(site.folder.glob(".*")))
    told = f"{_told(found)}; {left} unpublished directories and nothing else left"
    shutil.rmtree(site.target, ignore_errors=True)
    return Row("builder killed", kills, told, time.perf_counter() - begun)


def _kill_publisher(site: Site, life: float, kills: int) -> Row:
    found: Counter[str] = Counter()
    begun = time.perf_counter()
    with progress(kills, "killing the publisher") as advance:
        for instant in _instants(site.random, life, kills):
            site.renew_store()
            die(site.publisher(), instant)
            found[site.check()] += 1
            advance(1)
    run(site.publisher())
    told = f"{_told(found)}; run again: {site.check()}"
    return Row("publisher killed", kills, told, time.perf_counter() - begun)


def _fill_disks(site: Site) -> Iterator[Row]:
    """Builds on disks with too little room, which fill while keys are spilled, sorted or written."""
    manifest = read_manifest(site.target)
    needed = manifest.file_size + manifest.counts["keys"] * _PAIR_ON_DISK
    disk = site.folder.parent / "disk"
    disk.mkdir()
    for share in _SHARES_OF_DISK:
        size = int(needed * share)
        mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            yield Row("disk filled", 0, "not tried: no file system can be mounted here", 0.0)
            return
        begun = time.perf_counter()
        try:
            found = _build_on(disk, site)
        finally:
            subprocess.run(["umount", disk], check=True)
        yield Row(f"built on a disk of {size / _MIB:,.1f} MiB", 1, found, time.perf_counter() - begun)


def _build_on(disk: Path, site: Site) -> str:
    done = subprocess.run(
        builder_of(site.tables, site.key_file, disk / "snapshot"), capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        verify_snapshot(disk / "snapshot", site.key)
        return "a whole snapshot: there was room enough"
    *_, said = done.stderr.splitlines()
    must(done.returncode == _REFUSED and said.startswith("error: "), "A full disk was not told in one line.")
    must(not list(disk.iterdir()), "A full disk was left with something half-written on it.")
    return f"exit code 2, nothing left, “{re.sub(r'/[^ ]*/', '…/', said)}”"


def _flip(site: Site, name: str, flips: int) -> Row:
    """Flips single bits in place, one at a time, and flips each back."""
    begun = time.perf_counter()
    path = site.target / name
    key = site.key
    with path.open("r+b", buffering=0) as file, progress(flips, f"flipping bits of {name}") as advance:
        for _ in range(flips):
            bit = site.random.randrange(path.stat().st_size * 8)
            _flip_bit(file, bit)
            refused = [_refuses(lambda: verify_snapshot(site.target, key)), _refuses(lambda: _open(site.target, key))]
            _flip_bit(file, bit)
            must(all(refused), f"A flipped bit of {name} was not found.")
            advance(1)
    verify_snapshot(site.target, key)
    told = "refused by opening for serving and by verifying; flipped back, whole again"
    return Row(f"one bit of {name} flipped", flips, told, time.perf_counter() - begun)


def _flip_bit(file: FileIO, bit: int) -> None:
    file.seek(bit // 8)
    (byte,) = file.read(1)
    file.seek(bit // 8)
    file.write(bytes((byte ^ 1 << bit % 8,)))


def _open(directory: Path, key: MasterKey) -> None:
    open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION).index.close()


def _refuses(look: Callable[[], object]) -> bool:
    try:
        look()
    except SnapshotError:
        return True
    return False


def _instants(random: Random, life: float, kills: int) -> list[float]:
    return [life * (part + random.random()) / kills for part in range(kills)]


def _told(found: Counter[str]) -> str:
    return "; ".join(f"{count} times {state}" for state, count in found.most_common())


def _report(site: Site, rows: list[Row]) -> Iterator[str]:
    manifest = read_manifest(site.target)
    mailboxes = next(source.rows for source in manifest.sources if source.table == "mailboxes")
    yield "# Crashes, full disks, flipped bits\n"
    yield (
        f"{mailboxes:,} mailboxes, {manifest.counts['keys']:,} keys, index of {manifest.file_size:,} bytes; "
        f"{describe_machine()}. Killed by SIGKILL, at one random instant of each part of a program's life.\n"
    )
    yield "| what was done | times | found each time | seconds |"
    yield "| --- | ---: | --- | ---: |"
    for row in rows:
        yield f"| {row.done} | {row.times} | {row.found} | {row.seconds:.1f} |"


if __name__ == "__main__":
    main()
