"""What goes into an index, before any format: pairs of key and owner, facts, columns and roads.

What belongs here: the content as the builder hands it over, the check that it makes sense, the order that
makes equal contents equal, and the digest that names it. Nothing here knows how it will be stored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.intervals import timeline_of
from resolver_grpc.index.layout import (
    FORMAT_VERSION,
    FORWARDING_ADDRESS_BYTES,
    KEY_BYTES,
    MAX_OWNERS,
    NUMBER_BYTES,
    ROAD_TAGS,
    SNAPSHOT_ID_BYTES,
)
from resolver_grpc.index.pages import halves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resolver_grpc.index.intervals import Intervals
    from resolver_grpc.index.pages import Keys, Ordinals

_MAX_FACT_NAME_BYTES = 511  # LMDB's longest key


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Content:
    """Everything that one index holds.

    Attributes:
        owners: how many owners there are; their ordinals are 0 to ``owners - 1``.
        keys: keys (n, 16) of bytes; key i leads to ordinal i of ``ordinals``, in any order, doubles are one.
        ordinals: the owner of each key; several owners of one key make a posting list.
        facts: by a name of ``layout``, the intervals during which it holds of which owner.
        numbers: by ordinal, the CPR or CVR number in ASCII (``S10``).
        address_numbers: by ordinal, the number of the owner's address; equal where they live together, 0 for none.
        forwarding: by ordinal, the e-mail address that an organisation forwards to.
        roads: by key, ``layout.STREET_SHARED`` or ``layout.TOWN_TELLS``.
    """

    owners: int
    keys: Keys
    ordinals: Ordinals
    facts: Mapping[str, Intervals] = field(default_factory=dict)
    numbers: npt.NDArray[np.bytes_]
    address_numbers: Ordinals
    forwarding: Mapping[int, str] = field(default_factory=dict)
    roads: Mapping[bytes, int] = field(default_factory=dict)


def check_content(content: Content) -> None:
    """Refuses a content that no index could hold.

    Raises:
        SnapshotError: a part has the wrong shape, type or length, or names an owner that does not exist.
    """
    for holds, part in _checks(content):
        if not holds:
            raise SnapshotError(f"The index can't take these {part}; this is an error of the builder.", part=part)


def _checks(content: Content) -> Iterator[tuple[bool, str]]:
    """Yields, part by part, whether it makes sense; a later check may rely on those before it."""
    owners, pairs = content.owners, len(content.ordinals)
    yield 0 <= owners <= MAX_OWNERS, "owners"
    yield content.keys.dtype == np.uint8 and content.keys.shape == (pairs, KEY_BYTES), "keys"
    yield _are_ordinals(content.ordinals, owners), "ordinals"
    for name, intervals in content.facts.items():
        yield 0 < len(name.encode()) <= _MAX_FACT_NAME_BYTES, "fact names"
        yield _are_ordinals(intervals.ordinals, owners), "facts"
        for times in (intervals.starts, intervals.ends):
            yield times.dtype == np.uint32 and times.shape == intervals.ordinals.shape, "facts"
    numbers = content.numbers
    yield numbers.dtype == np.dtype(f"S{NUMBER_BYTES}") and numbers.shape == (owners,), "numbers"
    yield bool(np.all(numbers != b"")) and numbers.tobytes().isascii(), "numbers"
    yield content.address_numbers.dtype == np.uint32 and content.address_numbers.shape == (owners,), "address numbers"
    for ordinal, address in content.forwarding.items():
        yield 0 <= ordinal < owners, "forwarding addresses"
        yield 0 < len(address.encode()) <= FORWARDING_ADDRESS_BYTES and "\0" not in address, "forwarding addresses"
    yield all(len(key) == KEY_BYTES and tag in ROAD_TAGS for key, tag in content.roads.items()), "roads"


def _are_ordinals(ordinals: Ordinals, owners: int) -> bool:
    return ordinals.dtype == np.uint32 and ordinals.ndim == 1 and bool(np.all(ordinals < owners))


def sorted_pairs(content: Content) -> tuple[Keys, Ordinals]:
    """Sorts the pairs by key, then by ordinal, and drops the doubles."""
    high, low = halves(content.keys)
    order = np.argsort(high)
    # Keys are hashes, so that few share their first half: only those are sorted by the rest too.
    equal = high[order[1:]] == high[order[:-1]]
    ties = np.flatnonzero(np.append(False, equal) | np.append(equal, False))[: len(order)]
    tied = order[ties]
    order[ties] = tied[np.lexsort((content.ordinals[tied], low[tied], high[tied]))]
    keys, ordinals = content.keys[order], content.ordinals[order]
    kept = np.ones(len(order), dtype=bool)
    kept[1:] = _differs(keys) | (ordinals[1:] != ordinals[:-1])
    return keys[kept], ordinals[kept]


def first_of_each_key(keys: Keys) -> npt.NDArray[np.intp]:
    """Tells at which places of sorted keys a new key begins."""
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = _differs(keys)
    return np.flatnonzero(begins)


def _differs(keys: Keys) -> npt.NDArray[np.bool_]:
    high, low = halves(keys)
    differs: npt.NDArray[np.bool_] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return differs


def content_digest(content: Content, key: bytes, context: bytes) -> bytes:
    """Names a content: a keyed BLAKE2b digest of 16 bytes over the plaintext, in canonical order.

    The same rows in any order give the same digest, and so do intervals that say the same in other words.

    Args:
        content: what is to be named.
        key: the secret of the digest, up to 64 bytes.
        context: what else the name stands for, such as the key id and the version of the canonical forms.

    Raises:
        SnapshotError: no index could hold the content.
    """
    check_content(content)
    digest = blake2b(key=key, digest_size=SNAPSHOT_ID_BYTES)
    for part in (struct.pack("<IQ", FORMAT_VERSION, content.owners), context, *_parts(content)):
        # Each part goes in behind its length, so that no two contents come to the same bytes.
        digest.update(struct.pack("<Q", len(part)))
        digest.update(part)
    return digest.digest()


def _parts(content: Content) -> Iterator[bytes]:
    keys, ordinals = sorted_pairs(content)
    yield keys.tobytes()
    yield ordinals.astype("<u4").tobytes()
    yield struct.pack("<I", len(content.facts))
    for name, intervals in sorted(content.facts.items()):
        timeline = timeline_of(intervals)
        yield name.encode()
        yield timeline.instants.astype("<u4").tobytes()
        yield timeline.changed.astype("<u4").tobytes()
        yield np.array(timeline.first.to_array(), "<u4").tobytes()
    yield content.numbers.tobytes()
    yield content.address_numbers.astype("<u4").tobytes()
    yield struct.pack("<I", len(content.forwarding))
    for ordinal, address in sorted(content.forwarding.items()):
        yield struct.pack("<I", ordinal) + address.encode()
    for road, tag in sorted(content.roads.items()):
        yield road + bytes((tag,))
