"""The file of budgets: an account and two sketches for each sender, shared by all processes of a server.

What belongs here: where things lie, and who may touch them when. A file is a head (magic, version, size and number of
slots) and slots, one for each sender that ever asked; new ones are added behind. Whoever reads or writes a slot has
locked its bytes (``fcntl``), so that no two processes change it at once; a process that dies lets go. Nothing is
written that a kill could tear to harm: the head counts a slot once it is there, and every byte of a sketch stands for
itself.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

import numpy as np

from resolver_grpc.budgets.account import ACCOUNT_BYTES, SLOT_BYTES, Account, decode_account, encode_account, padded
from resolver_grpc.budgets.sketch import REGISTERS, Registers
from resolver_grpc.errors import BudgetFileError

MOST_SENDERS: Final = 1 << 16

_MAGIC: Final = b"resolver-budgets"
_VERSION: Final = 1
_LAST_VERSION: Final = 999
"""What states a later one is damaged, and is not quoted: it could be anybody's number."""
_HEAD: Final = struct.Struct("<16sIIQ")
_HEAD_BYTES: Final = 128
_MODE: Final = 0o600
_BEGIN_ANEW: Final = "stop the servers and move it away: the next start begins a new one, with nothing used up today"


class Sketch(IntEnum):
    """The sketches of a slot, in their order."""

    MISSES = 0
    ADDRESSES = 1


class Page:
    """A sender's slot, which is locked while a block lasts (``with``).

    Args:
        descriptor: the file's.
        offset: where the slot begins.
        padded: the sender's id, as it stands there.
        path: where the file lies.

    Raises:
        BudgetFileError: the file is damaged or cut off, or can't be read or written, by the block, too.
    """

    __slots__ = ("_descriptor", "_offset", "_padded", "_path")

    def __init__(self, descriptor: int, offset: int, padded: bytes, path: Path) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._padded = padded
        self._path = path

    @property
    def place(self) -> tuple[int, int, bytes]:
        """The file's descriptor, where the slot begins in it, and the sender's id as it stands there."""
        return self._descriptor, self._offset, self._padded

    def __enter__(self) -> Self:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, SLOT_BYTES, self._offset)
        except OSError as error:
            raise _named(self._path, error) from None
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, SLOT_BYTES, self._offset)
        if isinstance(error, OSError | ValueError):
            raise _named(self._path, error) from None

    def read(self) -> Account:
        """Reads the account."""
        data = os.pread(self._descriptor, ACCOUNT_BYTES, self._offset)
        if not data.startswith(self._padded):
            raise ValueError("another sender's account")
        return decode_account(data)

    def write(self, account: Account) -> None:
        """Writes the account."""
        _write_all(self._descriptor, encode_account(account), self._offset)

    def read_sketch(self, sketch: Sketch) -> Registers:
        """Reads a sketch (``REGISTERS``,), which may be written to."""
        data = bytearray(os.pread(self._descriptor, REGISTERS, self._place(sketch)))
        if len(data) != REGISTERS:
            raise ValueError("no sketch")
        return np.frombuffer(data, np.uint8)

    def write_sketch(self, sketch: Sketch, registers: Registers) -> None:
        """Writes a sketch."""
        _write_all(self._descriptor, registers.tobytes(), self._place(sketch))

    def _place(self, sketch: Sketch) -> int:
        return self._offset + ACCOUNT_BYTES + sketch * REGISTERS


class BudgetFile:
    """An open file of budgets; made where there is none, for its owner alone. Used by one thread.

    Args:
        path: where it lies.

    Raises:
        BudgetFileError: it can't be opened, others may read it, or it is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages: dict[str, Page] = {}
        try:
            self._descriptor = _open(path)
            try:
                self._mark = _mark_of_own(self._descriptor, path)
                with self._head_locked():
                    self._learn_slots()
            except BaseException:
                os.close(self._descriptor)
                raise
        except (OSError, ValueError) as error:
            raise _named(path, error) from None

    def check_place(self) -> None:
        """Holds the file to its place.

        Raises:
            BudgetFileError: it was moved or replaced: what is counted in it is not what others count.
        """
        try:
            found = self._path.stat()
        except OSError as error:
            raise _named(self._path, error) from None
        if (found.st_dev, found.st_ino) != self._mark:
            raise BudgetFileError(f"{self._path}: was replaced while it was in use; start the servers anew")

    def page_of(self, sender_id: str) -> Page:
        """A sender's slot; adds one for a sender that is new.

        Args:
            sender_id: an onboarded sender's, at most 64 characters of ASCII.

        Raises:
            BudgetFileError: the file was damaged or cut off, or can't be read or written.
        """
        page = self._pages.get(sender_id)
        if page is None:
            try:
                page = self._add(sender_id)
            except (OSError, ValueError) as error:
                raise _named(self._path, error) from None
        return page

    def close(self) -> None:
        """Syncs and closes it.

        Raises:
            BudgetFileError: it can't be synced.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _named(self._path, error) from None
        finally:
            os.close(self._descriptor)

    def _add(self, sender_id: str) -> Page:
        """The slot of a sender that this process doesn't know: another one may have added it."""
        with self._head_locked():
            self._learn_slots()
            page = self._pages.get(sender_id)
            if page is None:
                slots = len(self._pages)
                if slots >= MOST_SENDERS:
                    raise BudgetFileError(f"{self._path}: has room for {MOST_SENDERS:,} senders; {_BEGIN_ANEW}")
                place = _HEAD_BYTES + slots * SLOT_BYTES
                blank = encode_account(Account(sender_id)).ljust(SLOT_BYTES, b"\0")
                _write_all(self._descriptor, blank, place)
                _write_all(self._descriptor, _head(slots + 1), 0)
                page = self._pages[sender_id] = Page(self._descriptor, place, padded(sender_id), self._path)
        return page

    def _learn_slots(self) -> None:
        """Reads the head, and whose the slots are that are not known yet."""
        slots = _read_head(os.pread(self._descriptor, _HEAD.size, 0), self._path)
        if os.fstat(self._descriptor).st_size < _HEAD_BYTES + slots * SLOT_BYTES:
            raise BudgetFileError(f"{self._path}: is cut off; {_BEGIN_ANEW}")
        for slot in range(len(self._pages), slots):
            place = _HEAD_BYTES + slot * SLOT_BYTES
            sender_id = decode_account(os.pread(self._descriptor, ACCOUNT_BYTES, place)).sender_id
            if sender_id in self._pages:
                raise ValueError("a sender has two slots")
            self._pages[sender_id] = Page(self._descriptor, place, padded(sender_id), self._path)

    @contextmanager
    def _head_locked(self) -> Iterator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, _HEAD_BYTES)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _HEAD_BYTES)


def _named(path: Path, error: OSError | ValueError) -> BudgetFileError:
    """What went wrong: the operating system's fault, or bytes that mean nothing."""
    if isinstance(error, ValueError):
        return BudgetFileError(f"{path}: is damaged; {_BEGIN_ANEW}")
    reason = error.strerror or type(error).__name__
    return BudgetFileError(f"{path}: budgets can't be kept there: {reason}; set that right")


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Writes all of it: where the disk is full a write begins short, and the next one says why."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _mark_of_own(descriptor: int, path: Path) -> tuple[int, int]:
    """What tells the file from any other; nobody but its owner may read it."""
    found = os.fstat(descriptor)
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BudgetFileError(f"{path}: others may read it; run `chmod 600` on it")
    return found.st_dev, found.st_ino


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        _make(path)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _make(path: Path) -> None:
    """Makes a file without slots, whole or not at all; of several who do so at once one wins."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return
        fresh = path.with_name(f".{path.name}.unfinished")
        # A killed one's leftover.
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
            file.write(_head(0).ljust(_HEAD_BYTES, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        os.fsync(folder)
    finally:
        os.close(folder)


def _head(slots: int) -> bytes:
    return _HEAD.pack(_MAGIC, _VERSION, SLOT_BYTES, slots)


def _read_head(data: bytes, path: Path) -> int:
    """Reads a head; tells how many slots there are."""
    if len(data) != _HEAD.size or not data.startswith(_MAGIC):
        raise BudgetFileError(f"{path}: is no file of budgets; name another file, or one that is not there yet")
    _, version, slot_bytes, slots = _HEAD.unpack(data)
    if version > _LAST_VERSION:
        raise ValueError("no head")
    if version != _VERSION:
        raise BudgetFileError(f"{path}: is of version {version}, and this program reads {_VERSION}; {_BEGIN_ANEW}")
    if slot_bytes != SLOT_BYTES or slots > MOST_SENDERS:
        raise ValueError("no head")
    return int(slots)
