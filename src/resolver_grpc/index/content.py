"""What goes into an index, before any format: pairs of key and owner, facts, columns and roads.

What belongs here: the content as the builder hands it over, the check that it makes sense, and the digest that
names it. Nothing here knows how it will be stored.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.intervals import Timeline, timeline_of
from resolver_grpc.index.layout import (
    FORMAT_VERSION,
    FORWARDING_ADDRESS_BYTES,
    KEY_BYTES,
    MAX_OWNERS,
    NUMBER_BYTES,
    ROAD_TAGS,
    SNAPSHOT_ID_BYTES,
)
from resolver_grpc.index.sorting import LEADING_BYTES, edges_of_leading_bytes
from resolver_grpc.index.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resolver_grpc.index.intervals import Intervals
    from resolver_grpc.index.pages import Keys, Ordinals
    from resolver_grpc.index.pairs import Pairs

_MAX_FACT_NAME_BYTES = 511  # LMDB's longest key
_PAIRS_PURPOSE = b"pairs"


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Content:
    """Everything that one index holds.

    Attributes:
        owners: how many owners there are; their ordinals are 0 to ``owners - 1``.
        pairs: which key leads to which owner; several owners of one key make a posting list. Whoever made them
            keeps them until the content is needed no more, and closes them where they lie on the disk.
        facts: by a name of ``layout``, the intervals during which it holds of which owner, or the timeline that
            they came to.
        numbers: by ordinal, the CPR or CVR number in ASCII (``S10``).
        address_numbers: by ordinal, the number of the owner's address; equal where they live together, 0 for none.
        forwarding: by ordinal, the e-mail address that an organisation forwards to.
        roads: by key, ``layout.STREET_SHARED`` or ``layout.TOWN_TELLS``.
    """

    owners: int
    pairs: Pairs
    facts: Mapping[str, Intervals | Timeline] = field(default_factory=dict)
    numbers: npt.NDArray[np.bytes_]
    address_numbers: Ordinals
    forwarding: Mapping[int, str] = field(default_factory=dict)
    roads: Mapping[bytes, int] = field(default_factory=dict)
    _timelines: dict[str, Timeline] = field(default_factory=dict, init=False, repr=False)

    def timelines(self) -> dict[str, Timeline]:
        """Gives the timeline of each fact, in the order of their names' bytes; made once, in threads."""
        if not self._timelines:
            names = sorted(self.facts, key=str.encode)
            made = in_threads(_timeline, (self.facts[name] for name in names))
            self._timelines.update(zip(names, made, strict=True))
        return self._timelines


def _timeline(fact: Intervals | Timeline) -> Timeline:
    return fact if isinstance(fact, Timeline) else timeline_of(fact)


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
    owners = content.owners
    yield 0 <= owners <= MAX_OWNERS, "owners"
    yield content.pairs.highest < owners, "ordinals"
    for name, fact in content.facts.items():
        yield 0 < len(name.encode()) <= _MAX_FACT_NAME_BYTES, "fact names"
        yield _is_fact(fact, owners), "facts"
    numbers = content.numbers
    yield numbers.dtype == np.dtype(f"S{NUMBER_BYTES}") and numbers.shape == (owners,), "numbers"
    yield bool(np.all(numbers != b"")) and numbers.tobytes().isascii(), "numbers"
    yield content.address_numbers.dtype == np.uint32 and content.address_numbers.shape == (owners,), "address numbers"
    for ordinal, address in content.forwarding.items():
        yield 0 <= ordinal < owners, "forwarding addresses"
        yield 0 < len(address.encode()) <= FORWARDING_ADDRESS_BYTES and "\0" not in address, "forwarding addresses"
    yield all(len(key) == KEY_BYTES and tag in ROAD_TAGS for key, tag in content.roads.items()), "roads"


def _is_fact(fact: Intervals | Timeline, owners: int) -> bool:
    if isinstance(fact, Timeline):
        # It was read from an index, or made of intervals: its changes are in order.
        return _are_ordinals(fact.changed, owners) and (not fact.first or fact.first.max() < owners)
    times = (fact.starts, fact.ends)
    return _are_ordinals(fact.ordinals, owners) and all(
        one.dtype == np.uint32 and one.shape == fact.ordinals.shape for one in times
    )


def _are_ordinals(ordinals: Ordinals, owners: int) -> bool:
    return ordinals.dtype == np.uint32 and ordinals.ndim == 1 and bool(np.all(ordinals < owners))


def content_digest(content: Content, key: bytes, context: bytes) -> bytes:
    """Names a content: a keyed BLAKE2b digest of 16 bytes over the plaintext, in canonical order.

    The same rows in any order give the same digest, and so do intervals that say the same in other words. Each
    part goes in behind its length, so that no two contents come to the same bytes. The parts are, in order:
    format version and number of owners; the context; 256 digests of pairs; the number of facts and, by their
    names' bytes, each one's name, instants, owners that change and first owners; the numbers; the address
    numbers; the number of forwardings and each one's ordinal and address; each road's key and tag.

    A digest of pairs is keyed BLAKE2b of 64 bytes over the distinct keys-with-owners of one leading byte, sorted:
    first all keys, a key of several owners as often, then all ordinals. Threads work them out side by side, and
    how the pairs are parted doesn't show.

    Args:
        content: what is to be named.
        key: the secret of the digest, up to 64 bytes.
        context: what else the name stands for, such as the key id and the version of the canonical forms.

    Raises:
        SnapshotError: no index could hold the content.
    """
    check_content(content)
    digest = blake2b(key=key, digest_size=SNAPSHOT_ID_BYTES)
    for part in (struct.pack("<IQ", FORMAT_VERSION, content.owners), context, *_pair_digests(content.pairs, key)):
        _put(digest, part)
    for values in _parts(content):
        _put(digest, values)
    return digest.digest()


def _put(digest: blake2b, part: bytes | memoryview) -> None:
    digest.update(struct.pack("<Q", len(part)))
    digest.update(part)


def _pair_digests(pairs: Pairs, key: bytes) -> list[bytes]:
    """Gives a digest of the pairs of each leading byte, of those without pairs too."""

    def digested(part: tuple[int, Keys, Ordinals]) -> tuple[int, bytes]:
        byte, keys, ordinals = part
        digest = blake2b(key=key, person=_PAIRS_PURPOSE)
        _put(digest, _bytes_of(keys))
        _put(digest, _bytes_of(ordinals))
        return byte, digest.digest()

    digests = [blake2b(key=key, person=_PAIRS_PURPOSE).digest()] * LEADING_BYTES
    for byte, digest in in_threads(digested, _by_leading_byte(pairs)):
        digests[byte] = digest
    return digests


def _by_leading_byte(pairs: Pairs) -> Iterator[tuple[int, Keys, Ordinals]]:
    """Yields the pairs of each leading byte that has any."""
    for keys, ordinals in pairs.partitions():
        for byte, (first, last) in enumerate(pairwise(edges_of_leading_bytes(keys))):
            if first < last:
                yield byte, keys[first:last], ordinals[first:last]


def _parts(content: Content) -> Iterator[bytes | memoryview]:
    yield struct.pack("<I", len(content.facts))
    for name, timeline in content.timelines().items():
        yield name.encode()
        yield _bytes_of(timeline.instants)
        yield _bytes_of(timeline.changed)
        yield _bytes_of(np.array(timeline.first.to_array(), np.uint32))
    yield content.numbers.tobytes()
    yield _bytes_of(content.address_numbers)
    yield struct.pack("<I", len(content.forwarding))
    for ordinal, address in sorted(content.forwarding.items()):
        yield struct.pack("<I", ordinal) + address.encode()
    for road, tag in sorted(content.roads.items()):
        yield road + bytes((tag,))


def _bytes_of(values: Keys | Ordinals) -> memoryview:
    """Shows the bytes of keys or little-endian ordinals without copying them, where they lie so already."""
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8).data
