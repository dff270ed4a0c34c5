"""Changes a store of snapshots: places a generation, makes another one live, pins, removes.

What belongs here: what can be done to a store, each under its lock (``changing.py``). A change becomes visible
by one renaming, after everything it needs is on the disk: whenever a publisher is killed, ``CURRENT`` names the
old generation or the new one, and both are whole.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.snapshot.changing import PATIENCE_SECONDS, changing, moving_current
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.generations import (
    GENERATIONS_FOLDER,
    PINS_FOLDER,
    current_number,
    generation_numbers,
    generation_path,
    pinned_numbers,
)
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.publish import publish, sync
from resolver_grpc.snapshot.verify import verify_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from resolver_grpc.keys import MasterKey
    from resolver_grpc.snapshot.manifest import Manifest

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class Placed(NamedTuple):
    """What came of placing: the live generation's number, and whether it is new."""

    number: int
    is_new: bool


def place(store: Path, snapshot: Path, key: MasterKey, patience: float = PATIENCE_SECONDS) -> Placed:
    """Verifies a snapshot, copies it into a store as its next generation and makes that the live one.

    The generation is a copy: nothing done to the snapshot afterwards changes it. The snapshot that is live
    already is not placed again, unless its generation is damaged.

    Args:
        store: the store's folder; it is made where it is missing, in a folder that exists.
        snapshot: the directory of a published snapshot.
        key: the secret that it was built with.
        patience: for how many seconds to wait for another publisher to end.

    Raises:
        SnapshotError: the snapshot is not whole, the folder is something else, another publisher stays longer,
            or the disk refuses; the store is then as it was.
    """
    verify_snapshot(snapshot, key)
    manifest = read_manifest(snapshot)
    _make_store(store)
    with changing(store, patience):
        current = _current_or_none(store)
        if _is_whole(store, current, manifest.snapshot_id):
            return Placed(current, is_new=False)
        number = max([0, current, *generation_numbers(store)]) + 1
        with moving_current(store, number):
            publish(generation_path(store, number), lambda target: _copy(snapshot, target, manifest))
        return Placed(number, is_new=True)


def roll_back(store: Path, number: int | None = None, patience: float = PATIENCE_SECONDS) -> int:
    """Makes another generation the live one: the one before the live one, or a named one, older or newer.

    Generations of the live snapshot itself, which a killed publisher may have left, don't count as before it.

    Returns:
        Its number.

    Raises:
        SnapshotError: there is no such generation, or it is damaged; the store is then as it was.
    """
    with changing(store, patience):
        number = _before_current(store) if number is None else number
        path = _existing(store, number)
        with moving_current(store, number):
            check_index_file(path, read_manifest(path))
        return number


def pin(store: Path, number: int, patience: float = PATIENCE_SECONDS) -> None:
    """Keeps a generation, however old it gets; one that is pinned already stays so.

    Raises:
        SnapshotError: there is no such generation.
    """
    with changing(store, patience):
        _existing(store, number)
        pins = store / PINS_FOLDER
        pins.mkdir(_FOLDER_MODE, exist_ok=True)
        (pins / str(number)).touch(_FILE_MODE)
        sync(pins)
        sync(store)


def unpin(store: Path, number: int, patience: float = PATIENCE_SECONDS) -> None:
    """Lets go of a pinned generation, which stays until it is pruned.

    Raises:
        SnapshotError: it is not pinned.
    """
    with changing(store, patience):
        if number not in pinned_numbers(store):
            raise SnapshotError(
                f"Generation {number} of the store {store} is not pinned; list the store to see which are."
            )
        (store / PINS_FOLDER / str(number)).unlink()
        sync(store / PINS_FOLDER)


def prune(store: Path, keep: int, patience: float = PATIENCE_SECONDS) -> list[int]:
    """Removes all generations but the newest ones, the live one and those that are pinned.

    Args:
        store: the store's folder.
        keep: how many of the newest to keep, at least one: numbers are given from the newest on.
        patience: for how many seconds to wait for another publisher to end.

    Returns:
        The numbers that were removed.

    Raises:
        SnapshotError: there is no store, or ``keep`` is none.
    """
    if keep < 1:
        raise SnapshotError("At least one generation is kept; give a number from 1 on.")
    with changing(store, patience):
        spared = {current_number(store), *pinned_numbers(store)}
        removed = [number for number in generation_numbers(store)[:-keep] if number not in spared]
        _remove(store, removed)
        return removed


def keep_only(store: Path, number: int, patience: float = PATIENCE_SECONDS) -> list[int]:
    """Removes all generations but the live one, pinned ones too: an erasure leaves nothing to roll back to.

    Args:
        store: the store's folder.
        number: the generation that must be the live one.
        patience: for how many seconds to wait for another publisher to end.

    Returns:
        The numbers that were removed.

    Raises:
        SnapshotError: there is no store, or another generation is the live one by now.
    """
    with changing(store, patience):
        if current_number(store) != number:
            raise SnapshotError(f"Another generation than {number} of the store {store} is live by now; start again.")
        removed = [other for other in generation_numbers(store) if other != number]
        for pinned in pinned_numbers(store) - {number}:
            (store / PINS_FOLDER / str(pinned)).unlink()
        _remove(store, removed)
        return removed


def _remove(store: Path, numbers: Iterable[int]) -> None:
    for number in numbers:
        # Renamed first, so that nobody ever takes a half-removed one for a generation.
        path = generation_path(store, number)
        path = path.rename(path.with_name(f".{number}.unpublished"))
        sync(path.parent)
        shutil.rmtree(path)


def _make_store(store: Path) -> None:
    """Makes the folders of a store, unless they are there; a folder with something else in it is none."""
    try:
        if not (store / GENERATIONS_FOLDER).is_dir():
            store.mkdir(_FOLDER_MODE, exist_ok=True)
            if any(path.name != GENERATIONS_FOLDER for path in store.iterdir()):
                raise SnapshotError(
                    f"The folder {store} holds something else than snapshots; choose an empty or new one."
                )
            (store / GENERATIONS_FOLDER).mkdir(_FOLDER_MODE, exist_ok=True)
            sync(store)
            sync(store.absolute().parent)
    except OSError as error:
        raise SnapshotError(
            f"The folder {store} can't be made a store ({error.strerror}); choose another or set that right."
        ) from error


def _current_or_none(store: Path) -> int:
    """The live generation's number; 0 also where the file that names it is damaged, for placing mends that."""
    try:
        return current_number(store)
    except SnapshotError:
        return 0


def _is_whole(store: Path, number: int, snapshot_id: str) -> bool:
    try:
        manifest = read_manifest(generation_path(store, number))
        check_index_file(generation_path(store, number), manifest)
    except SnapshotError:
        return False
    return manifest.snapshot_id == snapshot_id


def _copy(snapshot: Path, target: Path, verified: Manifest) -> None:
    """Copies the files; publishing holds the copy of the index to the copy of the manifest."""
    for name in (INDEX_FILE, MANIFEST_FILE):
        shutil.copyfile(snapshot / name, target / name)
    if read_manifest(target) != verified:
        raise SnapshotError(f"The snapshot {snapshot} changed while it was copied; place it again.")


def _before_current(store: Path) -> int:
    current = current_number(store)
    try:
        snapshot_id = read_manifest(generation_path(store, current)).snapshot_id
    except SnapshotError:
        snapshot_id = ""
    for number in reversed([one for one in generation_numbers(store) if one < current]):
        if read_manifest(generation_path(store, number)).snapshot_id != snapshot_id:
            return number
    raise SnapshotError(f"The store {store} has no generation before the live one; place a snapshot.")


def _existing(store: Path, number: int) -> Path:
    if number not in generation_numbers(store):
        raise SnapshotError(f"The store {store} has no generation {number}; list the store to see which it has.")
    return generation_path(store, number)
