"""A store of snapshots: its layout, and what can be read of it.

What belongs here: where a store keeps what, which generation is live, and what stands in it. Nothing here
writes, and reading waits for nobody; ``placing.py`` makes the changes.

======================== =======================================================================
in the store's folder    what it is
======================== =======================================================================
``generations/NUMBER/``  a published snapshot; never written again; numbers only grow
``CURRENT``              the number of the live generation and a line feed; replaced by renaming
``pins/NUMBER``          an empty file: this generation is kept
``lock``                 locked (``flock``) by whoever changes the store; never removed
``.*.unpublished``       here or in ``generations``: left behind by a killed publisher
======================== =======================================================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.files import check_index_file, read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from resolver_grpc.snapshot.manifest import Manifest

GENERATIONS_FOLDER: Final = "generations"
PINS_FOLDER: Final = "pins"
CURRENT_FILE: Final = "CURRENT"
LOCK_FILE: Final = "lock"

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")


class Generation(NamedTuple):
    """A generation as it stands in its store.

    Attributes:
        number: its place in order, from 1.
        manifest: what it says of itself; None where that can't be read.
        fault: why it is not whole; empty where it is.
        is_current: whether it is the live one.
        is_pinned: whether it is kept, however old.
    """

    number: int
    manifest: Manifest | None
    fault: str
    is_current: bool
    is_pinned: bool


def generation_path(store: Path, number: int) -> Path:
    """Tells where a generation stands, or would."""
    return store / GENERATIONS_FOLDER / str(number)


def current_generation(store: Path) -> Path:
    """Tells the directory of the live generation; which of its bytes are right is for the opening to check.

    A publisher may move on meanwhile, and later remove what was live: whoever then finds the directory gone
    asks again.

    Raises:
        SnapshotError: there is no store, nothing was placed in it yet, or what is named is not there.
    """
    number = current_number(store)
    if not number:
        raise SnapshotError(f"The store {store} has no generation yet; place a snapshot in it first.")
    path = generation_path(store, number)
    if not path.is_dir():
        raise SnapshotError(
            f"The store {store} names generation {number} as the live one, but it is missing; "
            "roll back to one that is there."
        )
    return path


def snapshot_directory(path: Path) -> Path:
    """Tells where the snapshot stands that a path means: there, or, in a store, as the live generation.

    Raises:
        SnapshotError: the path is a store without a live generation.
    """
    return current_generation(path) if (path / GENERATIONS_FOLDER).is_dir() else path


def current_number(store: Path) -> int:
    """Tells the number of the live generation; 0 where nothing was placed yet.

    Raises:
        SnapshotError: there is no store, or the file that names the generation can't be read.
    """
    check_store(store)
    path = store / CURRENT_FILE
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text.endswith("\n") or not _NUMBER.fullmatch(text[:-1]):
        raise SnapshotError(f"The file {path} names no generation; roll back to one by its number.")
    return int(text)


def check_store(store: Path) -> None:
    """Refuses a folder that is no store.

    Raises:
        SnapshotError: it is missing or something else.
    """
    if not (store / GENERATIONS_FOLDER).is_dir():
        raise SnapshotError(
            f"There is no store of snapshots at {store}; name the folder that snapshots were placed in."
        )


def generation_numbers(store: Path) -> list[int]:
    """Lists the numbers of the generations of a store, ascending; anything else in its folder is passed over."""
    return _numbers_in(store / GENERATIONS_FOLDER)


def pinned_numbers(store: Path) -> frozenset[int]:
    """Tells which numbers are pinned."""
    return frozenset(_numbers_in(store / PINS_FOLDER))


def list_generations(store: Path) -> list[Generation]:
    """Tells of every generation of a store, the oldest first; reads every byte of them to tell which are whole.

    Raises:
        SnapshotError: there is no store, or the file that names the live generation can't be read.
    """
    current, pinned = current_number(store), pinned_numbers(store)
    found = []
    for number in generation_numbers(store):
        manifest, fault = _look_at(generation_path(store, number))
        # A generation that is gone by now was removed while it was looked at.
        if not fault or generation_path(store, number).is_dir():
            found.append(Generation(number, manifest, fault, number == current, number in pinned))
    return found


def contained_sequence(store: Path) -> int:
    """Tells up to which change every generation of a store contains the log of changes, pinned ones too.

    Raises:
        SnapshotError: there is no store or nothing in it, or what a generation contains can't be read.
    """
    check_store(store)
    manifests = {number: _look_at_manifest(store, number) for number in generation_numbers(store)}
    if not manifests:
        raise SnapshotError(f"The store {store} has no generation yet; place a snapshot in it first.")
    for number, manifest in manifests.items():
        if manifest is None:
            raise SnapshotError(
                f"Generation {number} of the store {store} is damaged, and what it contains isn't known; "
                "unpin and prune it first."
            )
    return min(manifest.change_sequence for manifest in manifests.values() if manifest)


def _look_at_manifest(store: Path, number: int) -> Manifest | None:
    try:
        return read_manifest(generation_path(store, number))
    except SnapshotError:
        return None


def _look_at(directory: Path) -> tuple[Manifest | None, str]:
    try:
        manifest = read_manifest(directory)
    except SnapshotError as error:
        return None, error.message
    try:
        check_index_file(directory, manifest)
    except SnapshotError as error:
        return manifest, error.message
    return manifest, ""


def _numbers_in(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))
