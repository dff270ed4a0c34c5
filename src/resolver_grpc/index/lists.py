"""Posting lists by the million: which are equal, and their records, without work for each.

What belongs here: what ``postings.py`` does for one list, for all of an index at once. Equal lists share a
record: a household stands under its address in both spellings and under its KVHX.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import MAX_RAW_ORDINALS, RAW_POSTING, SLOT_BYTES
from resolver_grpc.index.postings import decode_posting, encode_posting
from resolver_grpc.index.sorting import order_of_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver_grpc.index.pages import Ordinals, Page

Places = npt.NDArray[np.int64]

_TAG_BYTES: Final = 1

# The multipliers of splitmix64, whose sums tell sets of numbers apart.
_MIXERS: Final = (np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB))
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))
_SALT: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


class Lists(NamedTuple):
    """Lists one after the other; list i is ``ordinals[edges[i]:edges[i + 1]]``, never empty."""

    ordinals: Ordinals
    edges: Places


def stretches(starts: Places, lengths: Places) -> Places:
    """Gives the places of several stretches, one stretch after the other."""
    before = np.cumsum(lengths) - lengths
    places: Places = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return places


def share_equal(lists: Lists) -> tuple[Lists, Ordinals]:
    """Keeps the first of equal lists.

    Returns:
        The lists that were kept, in their order, and for each list that was given the number of its equal there.
    """
    first = _first_equals(lists)
    kept = first == np.arange(len(first))
    numbers = np.cumsum(kept) - 1
    lengths = np.diff(lists.edges)[kept]
    ordinals = lists.ordinals[stretches(lists.edges[:-1][kept], lengths)]
    return Lists(ordinals, np.append(0, np.cumsum(lengths))), numbers[first].astype(np.uint32)


def _first_equals(lists: Lists) -> Places:
    """Tells for each list which is the first that equals it: those of equal sums are compared."""
    count = len(lists.edges) - 1
    if not count:
        return np.empty(0, np.int64)
    sums = np.add.reduceat(_mixed(lists.ordinals), lists.edges[:-1])
    order = order_of_hashes(sums)
    begins = np.append(True, sums[order[1:]] != sums[order[:-1]])
    first = np.empty(count, np.int64)
    first[order] = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    alike = np.flatnonzero(first != np.arange(count))
    lengths = np.diff(lists.edges)
    # Lists whose sums agree by chance alone stay apart.
    same = lengths[alike] == lengths[first[alike]]
    unequal, alike = alike[~same], alike[same]
    one, other = (lists.ordinals[stretches(lists.edges[which], lengths[alike])] for which in (alike, first[alike]))
    owner = np.repeat(np.arange(len(alike)), lengths[alike])
    unequal = np.append(unequal, alike[np.unique(owner[one != other])])
    first[unequal] = unequal
    return first


def _mixed(ordinals: Ordinals) -> npt.NDArray[np.uint64]:
    words = ordinals.astype(np.uint64) + _SALT
    for shift, mixer in zip(_SHIFTS[:2], _MIXERS, strict=True):
        words ^= words >> shift
        words *= mixer
    words ^= words >> _SHIFTS[2]
    return words


def encode_lists(lists: Lists) -> Iterator[bytes]:
    """Encodes each list as ``encode_posting`` does."""
    lengths = np.diff(lists.edges)
    long = {
        place: encode_posting(lists.ordinals[lists.edges[place] : lists.edges[place + 1]])
        for place in np.flatnonzero(lengths > MAX_RAW_ORDINALS).tolist()
    }
    is_short = lengths <= MAX_RAW_ORDINALS
    sizes = np.where(is_short, _TAG_BYTES + SLOT_BYTES * lengths, 0)
    ends = np.append(0, np.cumsum(sizes))
    records = np.full(ends[-1], RAW_POSTING, np.uint8)
    ordinals = lists.ordinals[np.repeat(is_short, lengths)].astype("<u4").view(np.uint8)
    records[stretches(ends[:-1][is_short] + _TAG_BYTES, SLOT_BYTES * lengths[is_short])] = ordinals
    whole = records.tobytes()
    for place, (start, end) in enumerate(pairwise(ends.tolist())):
        yield whole[start:end] if start < end else long[place]


def lists_bytes(lists: Lists) -> int:
    """Tells how long all records are together, at most."""
    return len(lists.edges) * _TAG_BYTES + SLOT_BYTES * len(lists.ordinals)


def decode_lists(values: Sequence[Page], owners: int) -> Lists:
    """Decodes each list as ``decode_posting`` does: those of the usual shape at once, the others one by one.

    Raises:
        SnapshotError: see ``decode_posting``.
    """
    lengths, rest = np.divmod(np.fromiter(map(len, values), np.int64, len(values)) - _TAG_BYTES, SLOT_BYTES)
    usual = (rest == 0) & (lengths > 0) & (lengths <= MAX_RAW_ORDINALS)
    for place in np.flatnonzero(usual).tolist():
        usual[place] = values[place][0] == RAW_POSTING
    others = {place: decode_posting(values[place], owners) for place in np.flatnonzero(~usual).tolist()}
    for place, ordinals in others.items():
        lengths[place] = len(ordinals)
    parts = (
        np.array(others[place], "<u4").data.cast("B") if place in others else memoryview(value)[_TAG_BYTES:]
        for place, value in enumerate(values)
    )
    lists = Lists(np.frombuffer(b"".join(parts), "<u4").astype(np.uint32), np.append(0, np.cumsum(lengths)))
    if np.any(lists.ordinals >= owners):
        raise SnapshotError("A posting list of the index leads to no owner; build the snapshot again.")
    descends = lists.ordinals[1:] <= lists.ordinals[:-1]
    # From the last ordinal of a list to the first of the next it may go either way.
    descends[lists.edges[1:-1] - 1] = False
    if np.any(descends):
        raise SnapshotError("A posting list of the index is out of order; build the snapshot again.")
    return lists
