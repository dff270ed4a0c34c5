"""The two files of a snapshot's directory, read and measured.

What belongs here: finding the files, reading the manifest and holding the index file to what the manifest
says of its bytes. Nothing here opens the index.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.threads import in_threads
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, Manifest, decode_manifest

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_BYTES: Final = 32
_PIECE_BYTES: Final = 1 << 24
_READ_BYTES: Final = 1 << 20


def measure_file(path: Path) -> tuple[int, str]:
    """Gives a file's size in bytes and its digest, as a manifest states them.

    The digest is the BLAKE2b of the size and the BLAKE2b digests of the file's pieces, which threads work out at once:
    every worker of a server waits for it.

    Raises:
        OSError: the file can't be read.
    """
    size = path.stat().st_size
    digest = blake2b(size.to_bytes(8, "little"), digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        for piece in in_threads(lambda start: _digest_piece(file.fileno(), start), range(0, size, _PIECE_BYTES)):
            digest.update(piece)
    return size, digest.hexdigest()


def _digest_piece(descriptor: int, start: int) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for place in range(start, start + _PIECE_BYTES, _READ_BYTES):
        digest.update(os.pread(descriptor, _READ_BYTES, place))
    return digest.digest()


def read_manifest(directory: Path) -> Manifest:
    """Finds both files of a snapshot and reads its manifest.

    Raises:
        SnapshotError: the directory or a file is missing or can't be read, or the manifest is none.
    """
    if not directory.is_dir():
        raise SnapshotError(f"There is no snapshot at {directory}; name the directory that was published.")
    for name in (MANIFEST_FILE, INDEX_FILE):
        if not (directory / name).is_file():
            raise SnapshotError(f"The snapshot {directory} has no {name}; publish the snapshot again.")
    try:
        text = (directory / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise SnapshotError(
            f"The file {directory / MANIFEST_FILE} can't be read ({error.strerror}); give this program the right to."
        ) from error
    try:
        return decode_manifest(text)
    except SnapshotError as error:
        raise SnapshotError(f"{directory / MANIFEST_FILE}: {error.message}", **error.metadata) from None


def check_index_file(directory: Path, manifest: Manifest) -> None:
    """Holds the index file to the manifest: its size, then its digest.

    Raises:
        SnapshotError: the file can't be read, is truncated or damaged.
    """
    path = directory / INDEX_FILE
    try:
        size = path.stat().st_size
        if size != manifest.file_size:
            raise SnapshotError(
                f"The index {path} has {size} bytes instead of {manifest.file_size}, it is truncated or foreign; "
                "publish the snapshot again."
            )
        _, digest = measure_file(path)
    except OSError as error:
        raise SnapshotError(
            f"The index {path} can't be read ({error.strerror}); give this program the right to."
        ) from error
    if digest != manifest.file_digest:
        raise SnapshotError(f"The index {path} is damaged, its digest is another; publish the snapshot again.")
