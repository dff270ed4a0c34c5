"""Sorting keys and ordinals by numpy.

What belongs here: orders, and what follows from them; nothing here knows where pairs lie. Beside the fast way
to sort a partition stands the obvious one for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from resolver_grpc.index.pages import halves

if TYPE_CHECKING:
    from resolver_grpc.index.pages import Keys, Ordinals

    Words = npt.NDArray[np.uint64]

LEADING_BYTES: Final = 256

_WORD_BITS: Final = 64
_ORDINAL_BITS: Final = np.uint64(32)
_ORDINAL_MASK: Final = np.uint64(0xFFFF_FFFF)


def sort_pairs(keys: Keys, ordinals: Ordinals) -> tuple[Keys, Ordinals]:
    """Sorts pairs by key, then by ordinal, and drops the doubles: the obvious way, and the other's oracle."""
    high, low = halves(keys)
    order = np.lexsort((ordinals, low, high))
    keys, ordinals = keys[order], ordinals[order]
    kept = begins_of_keys(keys)
    kept[1:] |= ordinals[1:] != ordinals[:-1]
    return keys[kept], ordinals[kept]


def sort_partition(keys: Keys, ordinals: Ordinals) -> tuple[Keys, Ordinals, npt.NDArray[np.intp]]:
    """Does what ``sort_pairs`` does, several times as fast: it sorts the keys, then their ranks with the ordinals.

    It gives too, for each distinct key in order, a place where it stood before.
    """
    order = order_of_keys(keys)
    keys = keys.take(order, axis=0)
    begins = begins_of_keys(keys)
    pairs = np.cumsum(begins, dtype=np.uint64)
    pairs -= np.uint64(1)
    pairs <<= _ORDINAL_BITS
    pairs |= ordinals.take(order)
    pairs.sort()
    kept = np.ones(len(pairs), dtype=bool)
    kept[1:] = pairs[1:] != pairs[:-1]
    pairs = pairs[kept]
    ranks = (pairs >> _ORDINAL_BITS).astype(np.intp)
    return keys[begins].take(ranks, axis=0), (pairs & _ORDINAL_MASK).astype(np.uint32), order[begins]


def order_of_keys(keys: Keys) -> npt.NDArray[np.intp]:
    """Gives the order of keys; equal ones keep theirs."""
    return order_of_hashes(*halves(keys))


def order_of_hashes(high: Words, low: Words | None = None) -> npt.NDArray[np.intp]:
    """Gives the order of evenly spread numbers of 64 bits, or of 128 in two halves; equal ones keep theirs.

    Plain numbers of 64 bits are what numpy sorts fastest, several times as fast as it finds an order: so the leading
    bits are sorted with the places below them. Numbers that agree in these bits, yet are in the wrong order, are
    next to none, and are sorted again.
    """
    places = np.uint64((1 << len(high).bit_length()) - 1)
    packed = high & ~places
    packed |= np.arange(len(high), dtype=np.uint64)
    packed.sort()
    order = (packed & places).astype(np.intp)
    high = high.take(order)
    wrong = high[1:] < high[:-1]
    if low is not None:
        low = low.take(order)
        wrong |= (high[1:] == high[:-1]) & (low[1:] < low[:-1])
    if not wrong.any():
        return order
    packed &= ~places
    runs = np.cumsum(np.append(False, packed[1:] != packed[:-1]))
    again = np.flatnonzero(np.isin(runs, runs[:-1][wrong]))
    columns = (high[again],) if low is None else (low[again], high[again])
    order[again] = order[again][np.lexsort(columns)]
    return order


def order_of_numbers(*columns: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    """Gives the order of rows of numbers by their first column, then by the next; equal ones keep theirs.

    Where the numbers, none below 0, and the places of the rows have room in 64 bits together, they are sorted as one.
    """
    rows = len(columns[0])
    place_bits = rows.bit_length()
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
    if sum(bits) + place_bits > _WORD_BITS or any(column.min(initial=0) < 0 for column in columns):
        return np.lexsort(columns[::-1])
    packed = columns[0].astype(np.uint64)
    for column, width in zip(columns[1:], bits[1:], strict=True):
        packed <<= np.uint64(width)
        packed |= column.astype(np.uint64)
    packed <<= np.uint64(place_bits)
    packed |= np.arange(rows, dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << place_bits) - 1)
    return packed.astype(np.intp)


def order_by_leading_byte(keys: Keys) -> npt.NDArray[np.intp]:
    """Gives the order of up to 2^24 keys by their leading byte."""
    packed = keys[:, 0].astype(np.uint32) << np.uint32(24)
    packed |= np.arange(len(keys), dtype=np.uint32)
    packed.sort()
    return (packed & np.uint32(0xFF_FFFF)).astype(np.intp)


def edges_of_leading_bytes(keys: Keys) -> list[int]:
    """Tells where the keys of each leading byte begin, were the keys in order, and where the last ones end."""
    counts = np.bincount(keys[:, 0], minlength=LEADING_BYTES)
    return [0, *np.cumsum(counts).tolist()]


def begins_of_keys(keys: Keys) -> npt.NDArray[np.bool_]:
    """Tells of each of the sorted keys whether it is the first of its like."""
    high, low = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2).T
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return begins
