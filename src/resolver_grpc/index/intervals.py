"""Facts with a time: during which intervals something holds of which owners.

What belongs here: intervals as the builder states them, the timeline that they come to, its codec, and the
set of owners in force at an instant. A timeline keeps the owners of whom the fact holds at the first
instant (``ALWAYS``) and, in the order of time, each later instant at which it begins or ceases to hold of an
owner. The set in force is then the first set with every owner flipped as often as its changes went by: an
owner of whom the fact holds always costs next to nothing, and the next instant costs only what changed
since the last one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from pyroaring import FrozenBitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.postings import decode_bitmap

if TYPE_CHECKING:
    from resolver_grpc.index.pages import Ordinals, Page

_COUNT: Final = struct.Struct("<I")
_WORD_BYTES: Final = 4


@dataclass(frozen=True, eq=False, slots=True)
class Intervals:
    """Intervals [start, end) of UTC seconds, by owner; several of one owner may overlap, empty ones hold never.

    Attributes:
        ordinals: whose interval, any order.
        starts: the first second, ``ALWAYS`` where there is no beginning.
        ends: the first second after, ``FOREVER`` where there is no end.
    """

    ordinals: Ordinals
    starts: Ordinals
    ends: Ordinals


@dataclass(frozen=True, eq=False, slots=True)
class Timeline:
    """What intervals come to: one timeline for one course of sets, however the intervals were stated.

    Attributes:
        first: the owners of whom the fact holds at the instant ``ALWAYS``.
        instants: when it changes, ascending, between ``ALWAYS`` and ``FOREVER``.
        changed: the owner of each change, ascending within an instant.
    """

    first: FrozenBitMap
    instants: Ordinals
    changed: Ordinals

    def changes_by(self, instant: int) -> int:
        """Counts the changes that have taken place at an instant."""
        return int(np.searchsorted(self.instants, np.uint32(instant), side="right"))

    def window(self, changes: int) -> tuple[int, int]:
        """Tells from when until before when exactly so many changes have taken place."""
        start = int(self.instants[changes - 1]) if changes else ALWAYS
        until = int(self.instants[changes]) if changes < len(self.instants) else FOREVER
        return start, until

    def flipped(self, owners: FrozenBitMap, before: int, after: int) -> FrozenBitMap:
        """Carries the set in force after some changes over to the one after fewer or more of them."""
        return owners ^ _odd(self.changed[min(before, after) : max(before, after)])

    def at(self, instant: int) -> FrozenBitMap:
        """Tells of whom the fact holds at an instant."""
        return self.flipped(self.first, 0, self.changes_by(instant))


def timeline_of(intervals: Intervals) -> Timeline:
    """Makes the timeline of intervals: overlapping and touching ones of one owner are one."""
    owners, starts, ends = _merged(intervals)
    first = FrozenBitMap(owners[starts == ALWAYS])
    begins, ceases = starts > ALWAYS, ends < FOREVER
    instants = np.concatenate([starts[begins], ends[ceases]])
    changed = np.concatenate([owners[begins], owners[ceases]])
    order = np.argsort((instants.astype(np.uint64) << np.uint64(32)) | changed)
    return Timeline(first, instants[order], changed[order])


def encode_timeline(timeline: Timeline) -> bytes:
    """Encodes a timeline: the number of changes, their instants, their owners, then the first set as roaring."""
    return b"".join(
        (
            _COUNT.pack(len(timeline.instants)),
            timeline.instants.astype("<u4").tobytes(),
            timeline.changed.astype("<u4").tobytes(),
            timeline.first.serialize(),
        )
    )


def decode_timeline(value: Page, owners: int) -> Timeline:
    """Decodes a timeline of an index with so many owners.

    Raises:
        SnapshotError: a broken length, changes out of order or range, or ordinals that are no owner's.
    """
    count = _COUNT.unpack(bytes(value[: _COUNT.size]))[0] if len(value) >= _COUNT.size else 0
    split = _COUNT.size + 2 * count * _WORD_BYTES
    if len(value) <= split:
        raise SnapshotError("A fact of the index has a broken length; publish the snapshot again.")
    # Copies, so that nothing points into the file once it is closed.
    instants = np.frombuffer(value, "<u4", count, _COUNT.size).astype(np.uint32)
    changed = np.frombuffer(value, "<u4", count, _COUNT.size + count * _WORD_BYTES).astype(np.uint32)
    first = decode_bitmap(bytes(value[split:]))
    if np.any(changed >= owners) or (first and first.max() >= owners):
        raise SnapshotError("A fact of the index holds of no owner; build the snapshot again.")
    places = (instants.astype(np.uint64) << np.uint64(32)) | changed
    if np.any(places[1:] <= places[:-1]) or np.any((instants == ALWAYS) | (instants == FOREVER)):
        raise SnapshotError("A fact of the index has its changes out of order; build the snapshot again.")
    return Timeline(FrozenBitMap(first), instants, changed)


def _merged(intervals: Intervals) -> tuple[Ordinals, Ordinals, Ordinals]:
    """Sorts intervals by owner and start, drops the empty ones and joins those that overlap or touch."""
    kept = intervals.starts < intervals.ends
    owners = intervals.ordinals[kept].astype(np.uint64) << np.uint64(32)
    begins, ceases = owners | intervals.starts[kept], owners | intervals.ends[kept]
    order = np.argsort(begins)
    begins = begins[order]
    # The owner stands in the upper half, so that the latest end so far never reaches another owner's start.
    latest = np.maximum.accumulate(ceases[order])
    opens = np.ones(len(begins), dtype=bool)
    opens[1:] = begins[1:] > latest[:-1]
    heads = np.flatnonzero(opens)
    tails = np.append(heads[1:], len(begins)) - 1 if len(heads) else heads
    return _upper(begins[heads]), _lower(begins[heads]), _lower(latest[tails])


def _upper(words: npt.NDArray[np.uint64]) -> Ordinals:
    return (words >> np.uint64(32)).astype(np.uint32)


def _lower(words: npt.NDArray[np.uint64]) -> Ordinals:
    return (words & np.uint64(0xFFFF_FFFF)).astype(np.uint32)


def _odd(ordinals: Ordinals) -> FrozenBitMap:
    """Keeps the ordinals that occur an odd number of times."""
    ordered = np.sort(ordinals)
    heads = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    counts = np.diff(np.append(heads, len(ordered)))
    return FrozenBitMap(ordered[heads[counts % 2 == 1]])
