"""A table's files on disk: what tells one from another, and how one comes into its place.

What belongs here: digests, and publishing by temporary file, fsync and rename; nothing of what they hold.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from resolver_grpc.errors import TableError

Stamp = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp:
    """What tells a file from one that took its place or was written to.

    Raises:
        TableError: when there is no such file.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise TableError(f"{path} does not exist: check the path") from None
    except OSError:
        raise TableError(f"{path} can't be opened: check the path and its permissions") from None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        TableError: when it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise TableError(f"{path} can't be read: check that it is a file and its permissions") from None


def temporary_beside(path: Path) -> Path:
    """Makes an empty file in the folder of another, for its owner alone."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    return Path(name)


def publish(temporary: Path, path: Path, beside: tuple[Path, bytes] | None) -> None:
    """Puts a finished file in its place, and what belongs beside it.

    The neighbour goes first and comes last, so that a crash between the two leaves a table without metadata,
    which is refused, and never one with another's.

    Args:
        temporary: the finished file, in the same folder.
        path: its place.
        beside: the neighbour's place and content, None where there is none.
    """
    _sync(temporary)
    if beside is not None:
        beside[0].unlink(missing_ok=True)
    temporary.replace(path)
    if beside is not None:
        _place(*beside)
    _sync(path.parent)


def _place(path: Path, content: bytes) -> None:
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(content + b"\n")
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
