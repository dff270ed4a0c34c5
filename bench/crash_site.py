"""Where programs are killed: a folder with a snapshot and a store, and what a crash may leave there."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from resolver_grpc.build.schema import TABLES
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import SnapshotError
from resolver_grpc.keys import MasterKey
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import current_generation, list_generations
from resolver_grpc.snapshot.placing import place
from resolver_grpc.snapshot.publish import is_unpublished
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.snapshot.verify import verify_snapshot

_TOOLS = Path(__file__).resolve().parents[1] / "tools"


@dataclass(slots=True)
class Site:
    """A folder in which a snapshot is built, beside a store whose live generation is another one.

    Attributes:
        folder: the folder.
        tables: the country's tables.
        key_file: the key, and what it holds:
        key: the secrets.
        other: the snapshot of the store's first generation.
        random: picks instants and bits.
        snapshot_id: what every build must come to; empty before the first.
    """

    folder: Path
    tables: Path
    key_file: Path
    key: MasterKey
    other: Path
    random: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - no secret, but the same each time
    snapshot_id: str = ""

    @property
    def target(self) -> Path:
        """The snapshot's directory."""
        return self.folder / "snapshot"

    @property
    def store(self) -> Path:
        """The store of generations."""
        return self.folder / "store"

    def builder(self) -> list[str | Path]:
        """The words that build the snapshot."""
        return builder_of(self.tables, self.key_file, self.target)

    def publisher(self) -> list[str | Path]:
        """The words that place it in the store."""
        tool = _TOOLS / "publish_snapshot.py"
        return [sys.executable, tool, "place", self.store, self.target, "--keys", self.key_file]

    def renew_store(self) -> None:
        """Gives the store its first generation and no other."""
        shutil.rmtree(self.store, ignore_errors=True)
        place(self.store, self.other, self.key)

    def clear(self) -> None:
        """Removes the snapshot and what killed builders left."""
        for left in (self.target, *self.folder.glob(".*")):
            shutil.rmtree(left, ignore_errors=True)

    def check(self) -> str:
        """Holds the folder to what a crash may leave, and tells what stands.

        Raises:
            SnapshotError: something half-written is there, or a snapshot is not whole.
        """
        left = [path for path in self.folder.iterdir() if path not in {self.target, self.store}]
        must(all(is_unpublished(path) for path in left), "Something else than an unpublished directory was left.")
        stands = self.target.exists()
        if stands:
            verify_snapshot(self.target, self.key)
            must(read_manifest(self.target).snapshot_id == self.snapshot_id, "Another snapshot id came of a build.")
        key = self.key
        opened = open_snapshot(current_generation(self.store), key.columns_secret, key.key_id, CANONICAL_VERSION)
        opened.index.close()
        whole = {self.snapshot_id, read_manifest(self.other).snapshot_id}
        must(opened.manifest.snapshot_id in whole, "The store opens on a generation that nobody placed.")
        must(not any(one.fault for one in list_generations(self.store)), "A generation of the store is not whole.")
        live = "new" if opened.manifest.snapshot_id == self.snapshot_id else "old"
        return f"{'a whole' if stands else 'no'} snapshot, {live} generation live"


def builder_of(tables: Path, key_file: Path, target: Path) -> list[str | Path]:
    """The words that build a snapshot."""
    words = [word for table in TABLES for word in (f"--{table.name}", tables / f"{table.name}.parquet")]
    return [sys.executable, _TOOLS / "build_snapshot.py", *words, "--keys", key_file, "--out", target]


def run(words: list[str | Path]) -> float:
    """Runs a program that nobody kills, and gives its seconds.

    Raises:
        SnapshotError: it failed.
    """
    begun = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    must(done.returncode == 0, f"A program that was left alone failed: {done.stderr.strip()}")
    return time.perf_counter() - begun


def die(words: list[str | Path], instant: float) -> None:
    """Starts a program and kills it after so many seconds, unless it has ended well by then."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            program.wait(instant)
        except subprocess.TimeoutExpired:
            program.kill()
    must(program.returncode in {0, -signal.SIGKILL}, "A program that was to be killed failed before.")


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raises a SnapshotError unless something holds."""
    if not holds:
        raise SnapshotError(otherwise)
