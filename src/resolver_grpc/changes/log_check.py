"""Whether a log's file can be opened at all: LMDB trusts its file, and one that is damaged may end the process.

What belongs here: what is looked at before LMDB is let near the file in this process. The two pages at its beginning
and its length are read as bytes; then another process, which may die of it, opens the file and walks through all of
it. This module needs no key. Run as a program it is that other process.
"""

from __future__ import annotations

import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import lmdb

from resolver_grpc.errors import ChangeLogError

DATABASES: Final = (b"head", b"entries", b"ids")
MOST_BYTES: Final = 1 << 36
"""Of address space; the file is as long as what it holds."""

_PAGE: Final = 4096
_MAGIC: Final = 0xBEEF_C0DE
_VERSION: Final = 1
# Within a page: magic and version; the last page's number and the transaction's.
_MARKS: Final = struct.Struct("<II")
_ENDS: Final = struct.Struct("<QQ")
_MARKS_AT: Final = 16
_ENDS_AT: Final = 16 + 8 + 16 + 2 * 48
_PATIENCE: Final = 600
_RESTORE: Final = "restore it from its backup, or begin a new one and build a snapshot from tables exported after it"


def check_file(path: Path) -> None:
    """Refuses a file that is no log, or one that is damaged, before LMDB opens it in this process.

    Raises:
        ChangeLogError: it is not to be opened.
    """
    if not check_beginning(path):
        return
    done = subprocess.run(  # noqa: S603 - this very module
        [sys.executable, "-m", __name__, str(path)], stderr=subprocess.DEVNULL, check=False, timeout=_PATIENCE
    )
    if done.returncode:
        raise ChangeLogError(f"{path}: is damaged; {_RESTORE}")


def check_beginning(path: Path) -> bool:
    """Refuses a file by its mode, its length and the two pages at its beginning.

    Returns:
        Whether anything stands in it; nothing does where who made it was killed before LMDB wrote anything.

    Raises:
        ChangeLogError: it is not to be opened.
    """
    try:
        with path.open("rb") as file:
            pages, found = file.read(2 * _PAGE), path.stat()
    except OSError as error:
        raise ChangeLogError(f"{path}: can't be read: {error.strerror}; set that right") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ChangeLogError(f"{path}: others may read it; run `chmod 600` on it")
    if pages:
        _check_pages(path, pages, found.st_size)
    return bool(pages)


def _check_pages(path: Path, pages: bytes, size: int) -> None:
    if len(pages) < 2 * _PAGE or any(
        _MARKS.unpack_from(pages, at + _MARKS_AT) != (_MAGIC, _VERSION) for at in (0, _PAGE)
    ):
        raise ChangeLogError(f"{path}: is no log of changes, or cut off; {_RESTORE}")
    ends = [_ENDS.unpack_from(pages, at + _ENDS_AT) for at in (0, _PAGE)]
    if max(last for last, _ in ends) >= size // _PAGE:
        raise ChangeLogError(f"{path}: is cut off; {_RESTORE}")
    # The two pages take turns: each transaction writes the one that its number's parity names.
    first, second = (transaction for _, transaction in ends)
    if (first, second) != (0, 0) and (first % 2, second % 2, abs(first - second)) != (0, 1, 1):
        raise ChangeLogError(f"{path}: is damaged; {_RESTORE}")


def walk(path: str) -> bool:
    """Reads all of a log, and begins a write that is never made; tells whether it hangs together."""
    with lmdb.open(path, subdir=False, create=False, max_dbs=len(DATABASES), map_size=MOST_BYTES) as environment:
        with environment.begin() as transaction:
            counts = {}
            for name in (None, *DATABASES):
                try:
                    database = environment.open_db(name, transaction, create=False)
                except lmdb.NotFoundError:
                    # Killed before it had any.
                    return transaction.stat()["entries"] == 0
                cursor = transaction.cursor(database)
                counts[name] = sum(len(key) + len(value) > 0 for key, value in cursor)
                if counts[name] != transaction.stat(database)["entries"]:
                    return False
            entries = environment.open_db(b"entries", transaction, create=False)
            cursor = transaction.cursor(entries)
            ends = [int.from_bytes(cursor.key(), "big") for found in (cursor.first, cursor.last) if found()]
            if ends and ends[1] - ends[0] + 1 != counts[b"entries"]:
                return False
        with environment.begin(write=True) as transaction:
            transaction.put(b"room", bytes(1 << 16), db=environment.open_db(b"head", transaction, create=False))
            transaction.abort()
    return True


if __name__ == "__main__":
    try:
        sys.exit(0 if walk(sys.argv[1]) else 1)
    except lmdb.Error:
        sys.exit(1)
