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

LEADING_BYTES: Final = 256

_BYTE_BITS: Final = np.uint64(8)
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
    """Does what ``sort_pairs`` does for keys that share their leading byte, several times as fast.

    It gives too, for each distinct key in order, a place where it stood before.

    Plain numbers of 64 bits are what numpy sorts fastest: first the leading bits of the keys with the places of
    the pairs below them, then the ranks of the keys with the ordinals below them.
    """
    order = _order_of_keys(keys)
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


def _order_of_keys(keys: Keys) -> npt.NDArray[np.intp]:
    high, low = halves(keys)
    places = np.uint64((1 << len(keys).bit_length()) - 1)
    # All share the leading byte: shifted out, it makes room for eight bits that tell keys apart.
    packed = (high << _BYTE_BITS) & ~places
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order = (packed & places).astype(np.intp)
    high, low = high.take(order), low.take(order)
    if np.any((high[1:] < high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] < low[:-1]))):
        # Different keys agree in all the bits that found room: hashes next to never do.
        order = order[np.lexsort((low, high))]
    return order


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
