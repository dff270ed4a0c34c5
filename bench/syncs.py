"""How often the disk syncs a page: what a log that is synced before it acknowledges is held against.

What belongs here: the two ways of writing a page and waiting until it is on the disk.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PAGE, _PAGES = 4_096, 64


def overwrite_pages(path: Path, count: int) -> float:
    """Overwrites pages of a file that has them all, one by one, each synced with its data alone.

    Args:
        path: the file; it is made first, which is not counted.
        count: how many.

    Returns:
        Pages a second.
    """
    page = os.urandom(_PAGE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.pwrite(descriptor, page * _PAGES, 0)
        os.fsync(descriptor)
        started = time.perf_counter()
        for number in range(count):
            os.pwrite(descriptor, page, number % _PAGES * _PAGE)
            os.fdatasync(descriptor)
        return count / (time.perf_counter() - started)
    finally:
        os.close(descriptor)


def append_pages(path: Path, count: int) -> float:
    """Appends pages to a file that grows, one by one, each synced with the file's length; see ``overwrite_pages``."""
    page = os.urandom(_PAGE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        started = time.perf_counter()
        for _ in range(count):
            os.write(descriptor, page)
            os.fsync(descriptor)
        return count / (time.perf_counter() - started)
    finally:
        os.close(descriptor)
