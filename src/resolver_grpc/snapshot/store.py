"""Opens a snapshot, or says in one sentence why not.

What belongs here: the checks between a directory and an open index, in their order. Everything is checked
before LMDB touches the index file, because LMDB is not safe on damaged files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.publish import is_unpublished

if TYPE_CHECKING:
    from pathlib import Path

    from resolver_grpc.snapshot.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot: what it says of itself, and its index, which whoever opened it closes."""

    manifest: Manifest
    index: LmdbIndex


def key_id_of(directory: Path) -> str:
    """Tells which key a published snapshot was built under, before anything large of it is read.

    Raises:
        SnapshotError: it is missing, unpublished or of another format.
    """
    _check_published(directory)
    return read_manifest(directory).key_id


def open_snapshot(directory: Path, columns_key: bytes, key_id: str, canonical_version: int) -> Snapshot:
    """Opens a published snapshot.

    Args:
        directory: where it was published.
        columns_key: the secret of the columns, 32 bytes.
        key_id: names the key that the columns key is derived from.
        canonical_version: the version of the canonical forms that this program makes keys from.

    Raises:
        SnapshotError: it is missing, unpublished, of another format, canonical version or key, truncated or
            damaged; checked in this order.
    """
    _check_published(directory)
    manifest = read_manifest(directory)
    _check_builder(directory, manifest, key_id, canonical_version)
    check_index_file(directory, manifest)
    try:
        index = LmdbIndex(directory / INDEX_FILE, columns_key, bytes.fromhex(manifest.snapshot_id))
    except SnapshotError as error:
        raise SnapshotError(f"{directory / INDEX_FILE}: {error.message}", **error.metadata) from error
    if index.owners != manifest.owners:
        index.close()
        _refuse(directory, "its index holds another number of owners than it states", "publish the snapshot again")
    return Snapshot(manifest, index)


def _check_published(directory: Path) -> None:
    if is_unpublished(directory):
        raise SnapshotError(
            f"The directory {directory} was left behind by a builder that did not finish; remove it and build again."
        )


def _check_builder(directory: Path, manifest: Manifest, key_id: str, canonical_version: int) -> None:
    """Refuses a snapshot whose keys were made otherwise than this program makes them."""
    if manifest.canonical_version != canonical_version:
        _refuse(
            directory,
            f"its canonical forms have version {manifest.canonical_version}, this program's {canonical_version}",
            "build the snapshot again with this version",
        )
    if manifest.key_id != key_id:
        _refuse(directory, "the snapshot was built under another key", "pass the key file that the builder used")


def _refuse(directory: Path, fault: str, fix: str) -> NoReturn:
    raise SnapshotError(f"{directory / MANIFEST_FILE}: {fault}; {fix}.")
