"""One change of a store at a time: the lock, what a killed publisher left, the file that names the live one.

What belongs here: what every change of a store has around it. The lock is the kernel's (``flock``), which
unlocks for the dead; the lock file itself is never removed, for two publishers could then hold one each.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.generations import CURRENT_FILE, GENERATIONS_FOLDER, LOCK_FILE, check_store
from resolver_grpc.snapshot.publish import is_unpublished, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS: Final = 60.0
"""For how long a change waits for another one to end, unless it is told otherwise."""

_SECONDS_BETWEEN_TRIES: Final = 0.05
_FILE_MODE: Final = 0o600
_LEFTOVERS: Final = ".*.unpublished"
_NEXT_CURRENT: Final = ".CURRENT.unpublished"


@contextmanager
def changing(store: Path, patience: float) -> Iterator[None]:
    """Holds the store's lock, having cleared away what a killed publisher left.

    Raises:
        SnapshotError: there is no store, another publisher stays longer than ``patience`` seconds, or the disk
            refuses, here or in the change.
    """
    check_store(store)
    try:
        descriptor = os.open(store / LOCK_FILE, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        try:
            _lock(descriptor, store, patience)
            _clear(store)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SnapshotError(
            f"The store {store} can't be changed ({error.strerror}); make room, or make it writable, and try again."
        ) from error


@contextmanager
def moving_current(store: Path, number: int) -> Iterator[None]:
    """Makes a generation the live one, if what is done inside succeeds; asks for the lock to be held.

    The file that will name it is written before, so that a full disk is found before anything has changed.
    """
    following = store / _NEXT_CURRENT
    try:
        following.touch(_FILE_MODE)
        following.write_text(f"{number}\n", encoding="ascii")
        sync(following)
        yield
        following.rename(store / CURRENT_FILE)
        sync(store)
    finally:
        # Once it was renamed there is nothing left to remove.
        following.unlink(missing_ok=True)


def _lock(descriptor: int, store: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise SnapshotError(
                    f"Another publisher has been changing the store {store} for {patience:g} seconds; "
                    "try again when it has ended."
                ) from None
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return


def _clear(store: Path) -> None:
    for folder in (store, store / GENERATIONS_FOLDER):
        for left in folder.glob(_LEFTOVERS):
            if left.is_dir() and is_unpublished(left):
                shutil.rmtree(left)
            else:
                left.unlink()
