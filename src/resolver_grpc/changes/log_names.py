"""The file that a log's name leads to, and how another takes its place.

What belongs here: files and names. LMDB never shrinks a file, and what was removed from one can be read in its bytes
for long. So what a log is to keep is written into a fresh file, synced, and the log's name, which is then a symbolic
link, is renamed to lead there: data and LMDB's lock file, whose name follows the data's, change at one instant. Whoever
has the former file open finds that the name leads elsewhere, before it reads and once it holds the write lock, and
follows.

============== ===================================================================================
``LOG``        the log: a file, or, once it was trimmed, a symbolic link to ``LOG.NUMBER``
``LOG.NUMBER`` the file since it was trimmed last; numbers grow
``….-lock``    LMDB's lock beside each of them
``LOG.last``   the last sequence; locked (``flock``) while the file is opened or gives way to another
``.LOG.next``  left behind by who was killed; removed by the next trimming, as are other files of the log
============== ===================================================================================
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from resolver_grpc.errors import ChangeLogError

MODE: Final = 0o600

FileId = tuple[int, int]
"""What tells a file from every other: its device and its number there."""


def make_private(path: Path) -> None:
    """Makes an empty file that only its owner may read, where there is none.

    Raises:
        ChangeLogError: it can't be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE))
    except OSError as error:
        raise ChangeLogError(f"{path}: can't be opened: {error.strerror}; set that right") from None


def open_beside(path: Path) -> int:
    """Opens ``LOG.last``, made where there is none; gives its descriptor.

    Raises:
        ChangeLogError: it can't be opened.
    """
    try:
        return os.open(path.with_name(f"{path.name}.last"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    except OSError as error:
        raise ChangeLogError(f"{path}: can't be opened: {error.strerror}; set that right") from None


def file_id(path: Path) -> FileId:
    """Tells which file a log's name leads to now; it costs about a microsecond.

    Raises:
        ChangeLogError: it leads to none.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - asked before every batch
    except OSError as error:
        raise ChangeLogError(f"{path}: can't be read: {error.strerror}; restore the log and start anew") from None
    return found.st_dev, found.st_ino


@contextmanager
def locked(stated: int, operation: int) -> Iterator[None]:
    """Holds the lock on the names of a log, shared to open what they lead to, alone to change that.

    Args:
        stated: the descriptor of ``LOG.last``; the lock ends with its holder.
        operation: ``fcntl.LOCK_SH`` or ``fcntl.LOCK_EX``.
    """
    fcntl.flock(stated, operation)
    try:
        yield
    finally:
        fcntl.flock(stated, fcntl.LOCK_UN)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Lets a log's name lead to a fresh file; the lock on its names and its write lock are held.

    Killed at any instant, the name leads to the former file or to the fresh one, both whole.

    Args:
        path: the log's name.
        write: writes the file, synced.

    Raises:
        OSError: the disk refuses; the name then leads where it led.
    """
    former = path.resolve()
    remove_leftovers(path)
    fresh = path.with_name(f"{path.name}.{_number(path, former) + 1}")
    link = path.with_name(f".{path.name}.next")
    try:
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
        write(fresh)
        _sync(path.parent)
        link.symlink_to(fresh.name)
        link.rename(path)
    except BaseException:
        remove_leftovers(path)
        raise
    _sync(path.parent)
    remove_leftovers(path)
    _sync(path.parent)


def remove_leftovers(path: Path) -> None:
    """Removes all files of a log that its name doesn't lead to; the lock on its names is held."""
    current = path.resolve().name
    ours = re.compile(rf"{re.escape(path.name)}(\.[0-9]+)?(-lock)?|\.{re.escape(path.name)}\.next")
    for found in path.parent.iterdir():
        if ours.fullmatch(found.name) and found.name not in {path.name, current, f"{current}-lock"}:
            found.unlink()


def _number(path: Path, file: Path) -> int:
    """The number of a log's file; 0 of the first, which has the log's own name."""
    number = file.name.removeprefix(f"{path.name}.")
    return int(number) if number != file.name and number.isdecimal() else 0


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
