"""The list of erased numbers: keyed hashes of those whom the builder leaves out until no table carries them any more.

What belongs here: the list's file, and its rows in the tables. A hash can't be guessed at without the key file, and is
none of an index's keys. A line for each number: the id of the master key, and the hash in hexadecimal::

    # A line that begins so is a comment.
    ID HASH
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.numbers import number_of
from resolver_grpc.build.bulk.owners import number_part
from resolver_grpc.build.edits import Edits
from resolver_grpc.build.report import Progress
from resolver_grpc.build.sampling import find_numbers
from resolver_grpc.build.tables import OpenTable
from resolver_grpc.bulk_keys import bulk_keys
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.keys import KEY_BYTES, KeyKind, KeyRing
from resolver_grpc.snapshot.publish import sync

_MODE: Final = 0o600
_LINE: Final = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{32})")
_HEADING: Final = "# Keyed hashes of erased numbers, which no snapshot may hold; for build_snapshot.py --erased."

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class ErasedNumbers:
    """A list of erased numbers.

    Attributes:
        path: its file.
        ring: the keys.
        hashes: by the id of the key, the hashes under it.
        met: those that were met in a table.
    """

    path: Path
    ring: KeyRing
    hashes: dict[str, set[bytes]]
    met: set[bytes] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.hashes.values()))

    def flags(self, numbers: Numbers) -> Flags:
        """Tells which of some numbers are on the list."""
        flags = np.zeros(len(numbers), np.bool_)
        for key_id, hashes in self.hashes.items():
            keys = bulk_keys(self.ring.of(key_id).erasure_keys, KeyKind.OWNER, [number_part(numbers)])
            found = np.isin(keys.view(f"S{KEY_BYTES}").reshape(-1), np.array(sorted(hashes), f"S{KEY_BYTES}"))
            self.met.update(keys[place].tobytes() for place in np.flatnonzero(found).tolist())
            flags |= found
        return flags

    def holds(self, numbers: Iterable[str]) -> list[bool]:
        """Tells of each of some numbers whether it is on the list; none of them counts as met."""
        met = set(self.met)
        integers = np.array([number_of(number) for number in numbers], np.int64)
        found: list[bool] = self.flags(integers).tolist()
        self.met = met
        return found

    def add(self, numbers: Iterable[str]) -> int:
        """Adds numbers, and writes the list; tells how many are new on it.

        Raises:
            OSError: the file can't be written; it is then as it was.
        """
        key, before = self.ring.active, self.count
        hashes = {key.erasure_keys.key(KeyKind.OWNER, number) for number in numbers}
        self.hashes.setdefault(key.key_id, set()).update(hashes)
        self._write()
        return self.count - before

    def forget_unmet(self) -> int:
        """Drops those that no table carries any more, and writes the list; tells how many these were.

        Raises:
            OSError: the file can't be written; it is then as it was.
        """
        before = self.count
        self.hashes = {key_id: hashes & self.met for key_id, hashes in self.hashes.items()}
        self._write()
        return before - self.count

    def _write(self) -> None:
        lines = [f"{key_id} {one.hex()}" for key_id, hashes in sorted(self.hashes.items()) for one in sorted(hashes)]
        fresh = self.path.with_name(f".{self.path.name}.unfinished")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "w") as file:
                file.write("\n".join((_HEADING, *lines)) + "\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self.path)
            sync(self.path.absolute().parent)
        finally:
            fresh.unlink(missing_ok=True)


def read_erased(path: Path, ring: KeyRing, *, may_begin: bool = False) -> ErasedNumbers:
    """Reads a list of erased numbers.

    Args:
        path: its file.
        ring: the keys.
        may_begin: whether a file that isn't there is an empty list.

    Raises:
        ConfigurationError: it can't be read, or is no such list.
        KeyFileError: a number is on it under a key that the ring doesn't hold.
    """
    hashes: dict[str, set[bytes]] = {}
    if may_begin and not path.exists():
        return ErasedNumbers(path, ring, hashes)
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: can't be read as a list of erased numbers; name the right file") from None
    for number, line in enumerate(lines, start=1):
        if line.startswith("#") or not line.strip():
            continue
        read = _LINE.fullmatch(line)
        if not read:
            raise ConfigurationError(f"{path}: line {number} is no `KEY-ID HASH`; restore the list from its backup")
        hashes.setdefault(read[1], set()).add(bytes.fromhex(read[2]))
    for key_id in hashes:
        ring.of(key_id)
    return ErasedNumbers(path, ring, hashes)


def without_erased(tables: list[OpenTable], erased: ErasedNumbers, progress: Progress) -> list[OpenTable]:
    """Leaves the rows of erased numbers out of all tables, and those of the numbers that are linked with them.

    Raises:
        TableError: a table can't be read.
    """
    if not erased.count:
        return tables
    rows = find_numbers(tables, erased.flags, progress)
    removed = {name: frozenset((np.flatnonzero(flags) + 1).tolist()) for name, flags in rows.items()}
    return [table.edited(Edits(removed=removed.get(table.table.name, frozenset()))) for table in tables]
