"""Pages: the keys of a bucket, sorted, and a slot for each.

What belongs here: the codec of a page, the rule that puts a key in its bucket, and the plain probe of one
page. A page is all its keys of 16 bytes, in ascending order, followed by their slots of four bytes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ENTRY_BYTES, KEY_BYTES, POSTING_BIT, SLOT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Keys: TypeAlias = npt.NDArray[np.uint8]
Ordinals: TypeAlias = npt.NDArray[np.uint32]
Page: TypeAlias = bytes | memoryview


def halves(keys: Keys) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Reads keys (n, 16) as two big-endian numbers each, whose order is that of the keys."""
    words = np.ascontiguousarray(keys).view(">u8").astype(np.uint64)
    return words[:, 0], words[:, 1]


def buckets_of(keys: Keys, buckets: int) -> npt.NDArray[np.uint64]:
    """Tells the bucket of each key, by the rule of ``layout.bucket_of``."""
    leading = np.ascontiguousarray(keys[:, :4]).view(">u4")[:, 0].astype(np.uint64)
    return (leading * np.uint64(buckets)) >> np.uint64(32)


def encode_pages(keys: Keys, slots: Ordinals, buckets: int) -> Iterator[bytes]:
    """Makes the page of every bucket in turn, empty ones included.

    Args:
        keys: the keys (n, 16), ascending and distinct.
        slots: the slot of each key.
        buckets: how many buckets there are.
    """
    edges = np.searchsorted(buckets_of(keys, buckets), np.arange(buckets + 1, dtype=np.uint64)).tolist()
    key_bytes = np.ascontiguousarray(keys).tobytes()
    slot_bytes = slots.astype("<u4").tobytes()
    for first, last in pairwise(edges):
        yield key_bytes[first * KEY_BYTES : last * KEY_BYTES] + slot_bytes[first * SLOT_BYTES : last * SLOT_BYTES]


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
    decoded = [decode_page(page) for page in pages]
    keys = np.concatenate([page_keys for page_keys, _ in decoded])
    slots = np.concatenate([page_slots for _, page_slots in decoded])
    counts = [len(page_slots) for _, page_slots in decoded]
    expected = np.repeat(np.arange(first_bucket, first_bucket + len(pages), dtype=np.uint64), counts)
    if not np.array_equal(buckets_of(keys, buckets), expected):
        raise SnapshotError("A page of the index holds a key of another bucket; build the snapshot again.")
    if not ascending(keys):
        raise SnapshotError("A page of the index has its keys out of order; build the snapshot again.")
    in_list = slots >= POSTING_BIT
    if np.any(slots[~in_list] >= owners) or np.any(slots[in_list] - np.uint32(POSTING_BIT) >= postings):
        raise SnapshotError("A page of the index leads to no owner and no posting list; build the snapshot again.")


def ascending(keys: Keys) -> bool:
    """Tells whether keys (n, 16) are in ascending order and distinct."""
    high, low = halves(keys)
    return bool(np.all((high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))))


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
    if low == entries or content[low * KEY_BYTES : (low + 1) * KEY_BYTES] != key:
        return None
    slot = entries * KEY_BYTES + low * SLOT_BYTES
    return int.from_bytes(content[slot : slot + SLOT_BYTES], "little")
