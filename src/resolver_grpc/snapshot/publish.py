"""Publishes a snapshot: either all of it stands under its name, or nothing does.

What belongs here: the one way in which a snapshot's directory comes into being. The files are written in a
temporary directory beside the target, synced, and renamed into place; a published snapshot is never written
again. A builder that is killed leaves at most a temporary directory, which nobody takes for a snapshot.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNPUBLISHED_SUFFIX: Final = ".unpublished"
_FILE_MODE: Final = 0o600
_TAKEN: Final = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


def check_target(target: Path) -> None:
    """Refuses a target that nothing can be published at, before any work is done for it.

    Raises:
        SnapshotError: its folder is missing, or something that is no whole snapshot stands there.
    """
    if not target.absolute().parent.is_dir():
        raise SnapshotError(f"There is no folder {target.parent} to publish a snapshot in; make it first.")
    if os.path.lexists(target):
        _read_standing(target)


def publish(target: Path, write: Callable[[Path], None]) -> bool:
    """Publishes what a function writes as the snapshot ``target``.

    Args:
        target: the snapshot's directory, in a directory that exists.
        write: writes ``index.lmdb`` and ``manifest.json`` into the directory that it is given.

    Returns:
        Whether the snapshot is new; False where the same one stood there already, which stays untouched.

    Raises:
        SnapshotError: what was written is no snapshot, something else stands at the target, or the disk refuses.
    """
    parent = target.absolute().parent
    with _disk_errors_refuse(parent):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_UNPUBLISHED_SUFFIX, dir=parent))
    try:
        with _disk_errors_refuse(parent):
            write(temporary)
            return _put_in_place(temporary, target)
    finally:
        # Once it was renamed there is nothing left to remove.
        shutil.rmtree(temporary, ignore_errors=True)


def is_unpublished(directory: Path) -> bool:
    """Tells whether a directory is a temporary one, such as a killed builder leaves behind."""
    name = directory.resolve().name
    return name.startswith(".") and name.endswith(_UNPUBLISHED_SUFFIX)


@contextmanager
def _disk_errors_refuse(parent: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(
            f"The directory {parent} can't take the snapshot ({error.strerror}); make it writable or choose another."
        ) from error


def _put_in_place(temporary: Path, target: Path) -> bool:
    check_index_file(temporary, read_manifest(temporary))
    for file in temporary.iterdir():
        file.chmod(_FILE_MODE)
        sync(file)
    sync(temporary)
    is_new = _rename(temporary, target)
    if is_new:
        sync(target.absolute().parent)
    return is_new


def _rename(temporary: Path, target: Path) -> bool:
    """Puts the snapshot in place, unless the same one is there; another builder may be doing the same."""
    if not os.path.lexists(target):
        try:
            temporary.rename(target)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return True
    _check_same(temporary, target)
    return False


def _check_same(temporary: Path, target: Path) -> None:
    """Refuses a target that is not this very snapshot, whole and undamaged."""
    if _read_standing(target).snapshot_id != read_manifest(temporary).snapshot_id:
        raise SnapshotError(f"Another snapshot stands at {target}; choose a new directory.")


def _read_standing(target: Path) -> Manifest:
    try:
        standing = read_manifest(target)
        check_index_file(target, standing)
    except SnapshotError as error:
        raise SnapshotError(
            f"Something that is no whole snapshot stands at {target}; choose a new directory. ({error.message})"
        ) from None
    return standing


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
