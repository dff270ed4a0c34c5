"""Pages: the keys of a bucket, sorted, and a slot for each.

What belongs here: the codec of a page, the rule that puts a key in its bucket, and the plain probe of one
page. A page is all its keys of 16 bytes, in ascending order, followed by their slots of four bytes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ENTRY_BYTES, KEY_BYTES, POSTING_BIT, SLOT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Keys: TypeAlias = npt.NDArray[np.uint8]
Ordinals: TypeAlias = npt.NDArray[np.uint32]
Page: TypeAlias = bytes | memoryview

_KEY_WORDS: Final = 4
_WORD_BITS: Final = np.uint64(32)


def halves(keys: Keys) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Reads keys (n, 16) as two big-endian numbers each, whose order is that of the keys."""
    words = np.ascontiguousarray(keys).view(">u8").astype(np.uint64)
    return words[:, 0], words[:, 1]


def buckets_of(keys: Keys, buckets: int) -> npt.NDArray[np.uint64]:
    """Tells the bucket of each key, by the rule of ``layout.bucket_of``."""
    leading = np.ascontiguousarray(keys[:, :4]).view(">u4")[:, 0].astype(np.uint64)
    return (leading * np.uint64(buckets)) >> np.uint64(32)


def encode_pages(entries: Iterable[tuple[Keys, Ordinals]], buckets: int) -> Iterator[bytes]:
    """Makes the page of every bucket in turn, empty ones included.

    Args:
        entries: keys (n, 16), ascending and distinct over all parts, and the slot of each key. A bucket may begin
            in one part and end in another.
        buckets: how many buckets there are.
    """
    done = 0
    keys, slots = np.empty((0, KEY_BYTES), np.uint8), np.empty(0, np.uint32)
    for part_keys, part_slots in entries:
        keys, slots = np.concatenate([keys, part_keys]), np.concatenate([slots, part_slots])
        numbers = buckets_of(keys, buckets)
        # The last bucket that has a key may go on in the next part.
        last = int(numbers[-1]) if len(numbers) else done
        begin = int(np.searchsorted(numbers, np.uint64(last)))
        yield from _pages(keys[:begin], slots[:begin], numbers[:begin], done, last)
        done, keys, slots = last, keys[begin:], slots[begin:]
    yield from _pages(keys, slots, buckets_of(keys, buckets), done, buckets)


def _pages(keys: Keys, slots: Ordinals, numbers: npt.NDArray[np.uint64], first: int, until: int) -> Iterator[bytes]:
    """Makes the pages of the buckets from one until before another, of all keys in them."""
    edges = np.searchsorted(numbers, np.arange(first, until + 1, dtype=np.uint64)).tolist()
    key_bytes = np.ascontiguousarray(keys).reshape(-1).data
    slot_bytes = slots.astype("<u4").view(np.uint8).data
    for begin, end in pairwise(edges):
        yield b"".join(
            (key_bytes[begin * KEY_BYTES : end * KEY_BYTES], slot_bytes[begin * SLOT_BYTES : end * SLOT_BYTES])
        )


def decode_page(page: Page) -> tuple[Keys, Ordinals]:
    """Reads a page's keys (n, 16) and their slots.

    Raises:
        SnapshotError: the page's length fits no number of entries.
    """
    entries, rest = divmod(len(page), ENTRY_BYTES)
    if rest:
        raise SnapshotError("A page of the index has a broken length; publish the snapshot again.")
    split = entries * KEY_BYTES
    keys = np.frombuffer(page, np.uint8, split).reshape(entries, KEY_BYTES)
    return keys, np.frombuffer(page, "<u4", entries, split).astype(np.uint32)


def check_pages(pages: Sequence[Page], first_bucket: int, buckets: int, owners: int, postings: int) -> None:
    """Refuses pages that could give a wrong answer; afterwards a probe needs no checks.

    Args:
        pages: consecutive pages.
        first_bucket: the bucket of the first of them.
        buckets: how many buckets the index has.
        owners: how many owners it has; an ordinal lies below.
        postings: how many posting lists it has; their numbers lie below.

    Raises:
        SnapshotError: a broken length, keys out of order or in another's bucket, a slot that leads nowhere.
    """
    lengths = np.fromiter(map(len, pages), np.int64, len(pages))
    if np.any(lengths % ENTRY_BYTES):
        raise SnapshotError("A page of the index has a broken length; publish the snapshot again.")
    counts = lengths // ENTRY_BYTES
    ends = np.cumsum(counts)
    words = np.frombuffer(b"".join(pages), "<u4")
    entries = np.arange(counts.sum())
    # In words, an entry's key comes after all keys before it and the slots of all pages before its own; its slot
    # after all slots before it and the keys of all pages up to its own.
    key_places = _KEY_WORDS * entries + np.repeat(ends - counts, counts)
    slot_places = entries + np.repeat(_KEY_WORDS * ends, counts)
    high = _big_endian(words[key_places]) << _WORD_BITS | _big_endian(words[key_places + 1])
    # Keys in order have their buckets in order: the first and the last key of a page speak for those between.
    filled = counts > 0
    expected = np.arange(first_bucket, first_bucket + len(pages), dtype=np.uint64)[filled]
    for edge in ((ends - counts)[filled], ends[filled] - 1):
        if np.any(((high[edge] >> _WORD_BITS) * np.uint64(buckets)) >> _WORD_BITS != expected):
            raise SnapshotError("A page of the index holds a key of another bucket; build the snapshot again.")
    if not _ascending(high, words, key_places):
        raise SnapshotError("A page of the index has its keys out of order; build the snapshot again.")
    slots = words[slot_places]
    # An ordinal with its top bit turned over lies above all posting lists.
    if not np.all((slots < owners) | (slots ^ np.uint32(POSTING_BIT) < postings)):
        raise SnapshotError("A page of the index leads to no owner and no posting list; build the snapshot again.")


def _big_endian(words: Ordinals) -> npt.NDArray[np.uint64]:
    """Reads words, four bytes of a key each, as the numbers whose order is that of the keys."""
    return words.byteswap().astype(np.uint64)


def _ascending(high: npt.NDArray[np.uint64], words: Ordinals, places: npt.NDArray[np.int64]) -> bool:
    """Tells whether keys are in ascending order and distinct: by their first half, and where that is no more by all."""
    for place in np.flatnonzero(high[1:] <= high[:-1]).tolist():
        one, other = (words[first : first + _KEY_WORDS].tobytes() for first in places[place : place + 2].tolist())
        if one >= other:
            return False
    return True


def probe_page(page: Page, key: bytes) -> int | None:
    """Finds a key's slot in the page of its bucket; None where the key is not in it."""
    content = bytes(page)
    entries = len(content) // ENTRY_BYTES
    low, high = 0, entries
    while low < high:
        middle = (low + high) // 2
        if content[middle * KEY_BYTES : (middle + 1) * KEY_BYTES] < key:
            low = middle + 1
        else:
            high = middle
    at = entries * KEY_BYTES + low * SLOT_BYTES
    # A miss reads what stands there, too, so that it takes as long.
    slot = int.from_bytes(content[at : at + SLOT_BYTES], "little")
    return slot if low < entries and content[low * KEY_BYTES : (low + 1) * KEY_BYTES] == key else None
