"""Keys in bulk: columns of canonical parts to rows of 16 bytes, the same bytes that ``IndexKeys.key`` gives.

What belongs here: checking the columns, sharing the rows out to the cores, and the plain way for where the
compiled module (``_bulk_keys.pyx``) is missing. What a key is, ``keys`` alone says. The compiled module reads
memory by the columns' numbers: whatever it relies on is checked here, before it is called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resolver_grpc.keys import KEY_BYTES, SEPARATOR, IndexKeys, KeyKind

try:
    from resolver_grpc._bulk_keys import WIDE, fill_keys
except ImportError:  # the package was installed without a C compiler
    KERNEL = False
else:
    KERNEL = True
    """Whether the compiled module is there; without it the same keys are made in Python, and slowly."""

MAX_PARTS = 8
_SLICE_ROWS = 32_768
"""Rows that a thread takes at a time: some milliseconds; fewer rows than these aren't worth a second thread."""


@dataclass(frozen=True, eq=False, slots=True)
class Texts:
    """Distinct texts in UTF-8, laid end to end.

    Attributes:
        data: the bytes of all texts; that they are UTF-8 is the caller's word.
        edges: (n + 1,), text i is ``data[edges[i]:edges[i + 1]]``.

    Raises:
        ValueError: the arrays are of other types or shapes, or an edge is before the one before it or outside
            the data.
    """

    data: NDArray[np.uint8]
    edges: NDArray[np.int64]

    def __post_init__(self) -> None:
        _require_column(self.data, np.uint8)
        _require_column(self.edges, np.int64)
        edges = self.edges
        if not len(edges) or edges[0] < 0 or edges[-1] > len(self.data) or (edges[1:] < edges[:-1]).any():
            raise ValueError("edges of texts must be one more than the texts, rise, and stay within the data")

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Lays texts end to end.

        Raises:
            UnicodeEncodeError: a text that has no UTF-8, as ``IndexKeys.key`` raises it.
        """
        encoded = [text.encode() for text in texts]
        edges = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=edges[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), edges)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def at(self, index: int) -> str:
        """The text of an index from 0 to below the length."""
        return self.data[self.edges[index] : self.edges[index + 1]].tobytes().decode()


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """One part of the keys' canonical form.

    Attributes:
        texts: the texts that this part takes.
        indices: (rows,), row i has text ``texts[indices[i]]``.
    """

    texts: Texts
    indices: NDArray[np.uint32]


def bulk_keys(keys: IndexKeys, kind: KeyKind, parts: Sequence[Part]) -> NDArray[np.uint8]:
    """The keys of one kind for many rows, by the compiled module on all cores where it is there.

    The arrays must not change while this runs.

    Args:
        keys: makes the index's keys.
        kind: the kind of all these keys.
        parts: the canonical parts in their order, 1 to 8, all of the same number of rows.

    Returns:
        (rows, 16); row i is ``keys.key(kind, *(the text of each part in row i))``.

    Raises:
        ValueError: too few or too many parts, of unequal lengths, or indices that aren't a column of uint32.
        IndexError: an index past the end of its texts; no text was read.
    """
    rows = _checked_rows(parts)
    made = np.empty((rows, KEY_BYTES), np.uint8)
    if KERNEL:
        _fill_by_kernel(keys, kind, parts, made)
    else:
        _fill_plainly(keys, kind, parts, made)
    return made


def _checked_rows(parts: Sequence[Part]) -> int:
    """The number of rows, once every part is found sound."""
    if not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(f"keys in bulk are made of 1 to {MAX_PARTS} parts, not of {len(parts)}")
    rows = len(parts[0].indices)
    for number, part in enumerate(parts):
        _require_column(part.indices, np.uint32)
        if len(part.indices) != rows:
            raise ValueError(f"part {number} has {len(part.indices)} rows and part 0 has {rows}; give all the same")
        if rows and part.indices.max() >= len(part.texts):
            raise IndexError(f"part {number} has an index that is not below {len(part.texts)}, its number of texts")
    return rows


def _require_column(array: NDArray[np.generic], dtype: type[np.generic]) -> None:
    if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
        raise ValueError(f"an array must be a contiguous column of {dtype.__name__}, not {array.ndim}-d {array.dtype}")


def _fill_by_kernel(keys: IndexKeys, kind: KeyKind, parts: Sequence[Part], made: NDArray[np.uint8]) -> None:
    columns = [(part.texts.data, part.texts.edges, part.indices) for part in parts]

    def fill(first: int) -> None:
        fill_keys(keys.secret, kind, ord(SEPARATOR), columns, first, made[first : first + _SLICE_ROWS], wide=WIDE)

    slices = range(0, len(made), _SLICE_ROWS)
    if len(slices) == 1:  # a pool costs more than it saves
        fill(0)
        return
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(fill, slices):
            pass  # an error of a thread is raised here


def _fill_plainly(keys: IndexKeys, kind: KeyKind, parts: Sequence[Part], made: NDArray[np.uint8]) -> None:
    for row, key in enumerate(made):
        texts = [part.texts.at(int(part.indices[row])) for part in parts]
        key[:] = np.frombuffer(keys.key(kind, *texts), np.uint8)
