"""Posting lists: the ordinals that one key leads to, where they are several.

What belongs here: the codec of one list. A tag byte says how the rest is to be read: raw ordinals of four
bytes for short lists, a portable roaring bitmap for long ones.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

from pyroaring import BitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import MAX_RAW_ORDINALS, RAW_POSTING, ROARING_POSTING, SLOT_BYTES

if TYPE_CHECKING:
    from resolver_grpc.index.pages import Ordinals, Page


def encode_posting(ordinals: Ordinals) -> bytes:
    """Encodes ordinals, ascending and distinct."""
    if len(ordinals) <= MAX_RAW_ORDINALS:
        return bytes((RAW_POSTING,)) + ordinals.astype("<u4").tobytes()
    return bytes((ROARING_POSTING,)) + BitMap(ordinals).serialize()


def decode_posting(value: Page, owners: int) -> tuple[int, ...]:
    """Decodes a posting list of an index with so many owners.

    Raises:
        SnapshotError: an unknown tag, a broken length, or ordinals out of order or range.
    """
    readers = {RAW_POSTING: _read_raw, ROARING_POSTING: _read_roaring}
    read = readers.get(value[0]) if len(value) else None
    if read is None:
        raise SnapshotError("A posting list of the index has an unknown tag; build the snapshot again.")
    ordinals = read(bytes(value[1:]))
    if not ordinals or ordinals[-1] >= owners:
        raise SnapshotError("A posting list of the index leads to no owner; build the snapshot again.")
    return ordinals


def _read_raw(raw: bytes) -> tuple[int, ...]:
    if len(raw) % SLOT_BYTES or len(raw) > MAX_RAW_ORDINALS * SLOT_BYTES:
        raise SnapshotError("A posting list of the index has a broken length; publish the snapshot again.")
    ordinals = struct.unpack(f"<{len(raw) // SLOT_BYTES}I", raw)
    if any(left >= right for left, right in pairwise(ordinals)):
        raise SnapshotError("A posting list of the index is out of order; build the snapshot again.")
    return ordinals


def _read_roaring(raw: bytes) -> tuple[int, ...]:
    return tuple(decode_bitmap(raw))


def decode_bitmap(raw: bytes) -> BitMap:
    """Decodes a portable roaring bitmap that fills its bytes exactly.

    Raises:
        SnapshotError: the bytes are no such bitmap.
    """
    try:
        bitmap = BitMap.deserialize(raw)
    except (ValueError, IndexError):
        raise SnapshotError("A roaring bitmap of the index can't be read; publish the snapshot again.") from None
    if bitmap.serialize() != raw:
        raise SnapshotError("A roaring bitmap of the index has a broken length; publish the snapshot again.")
    return bitmap
