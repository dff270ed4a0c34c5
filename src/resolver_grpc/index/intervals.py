"""Facts with a time: during which intervals something holds of which owners.

What belongs here: intervals as the builder states them, the timeline that they come to, its codec, and the
set of owners in force at an instant. A timeline keeps the owners of whom the fact holds at the first
instant (``ALWAYS``) and, in the order of time, each later instant at which it begins or ceases to hold of an
owner. The set in force is then the first set with every owner flipped as often as its changes went by: an
owner of whom the fact holds always costs next to nothing, and the next instant costs only what changed
since the last one. The last set stands there too, so that an instant after most changes is as near as one before.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from pyroaring import FrozenBitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.postings import decode_bitmap
from resolver_grpc.index.sorting import order_of_numbers

if TYPE_CHECKING:
    from resolver_grpc.index.pages import Ordinals, Page

# How many changes there are, and how long the bitmap of the first owners is.
_COUNTS: Final = struct.Struct("<II")
_WORD_BYTES: Final = 4
_CHANGES_AT_ONCE: Final = 1 << 15


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
        last: the owners of whom it holds after all changes.
    """

    first: FrozenBitMap
    instants: Ordinals
    changed: Ordinals
    last: FrozenBitMap

    def copy(self) -> Timeline:
        """The same in memory of its own."""
        return Timeline(self.first, self.instants.copy(), self.changed.copy(), self.last)

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

    def after(self, changes: int) -> FrozenBitMap:
        """Tells of whom the fact holds once so many changes have taken place, from the nearer end."""
        total = len(self.instants)
        if changes <= total // 2:
            return self.flipped(self.first, 0, changes)
        return self.flipped(self.last, total, changes)

    def at(self, instant: int) -> FrozenBitMap:
        """Tells of whom the fact holds at an instant."""
        return self.after(self.changes_by(instant))


def timeline_of(intervals: Intervals) -> Timeline:
    """Makes the timeline of intervals: overlapping and touching ones of one owner are one."""
    owners, starts, ends = _merged(intervals)
    first = _set_of(owners[starts == ALWAYS])
    begins, ceases = starts > ALWAYS, ends < FOREVER
    instants = np.concatenate([starts[begins], ends[ceases]])
    changed = np.concatenate([owners[begins], owners[ceases]])
    changes = (instants.astype(np.uint64) << np.uint64(32)) | changed
    changes.sort()
    return Timeline(first, _upper(changes), _lower(changes), _set_of(owners[~ceases]))


def intervals_of(timeline: Timeline) -> Intervals:
    """Gives the intervals that a timeline came from, overlapping ones joined; the inverse of ``timeline_of``."""
    first, open_ended = (np.array(some.to_array(), np.uint32) for some in (timeline.first, timeline.last))
    owners = np.concatenate([first, timeline.changed, open_ended])
    times = np.concatenate(
        [np.full(len(first), ALWAYS, np.uint32), timeline.instants, np.full(len(open_ended), FOREVER, np.uint32)]
    )
    order = np.lexsort((times, owners))
    owners, times = owners[order], times[order]
    return Intervals(owners[0::2], times[0::2], times[1::2])


def encode_timeline(timeline: Timeline) -> bytes:
    """Encodes a timeline: two counts, the instants of the changes, their owners, then both sets as roaring."""
    first = timeline.first.serialize()
    return b"".join(
        (
            _COUNTS.pack(len(timeline.instants), len(first)),
            timeline.instants.astype("<u4").tobytes(),
            timeline.changed.astype("<u4").tobytes(),
            first,
            timeline.last.serialize(),
        )
    )


def encoded_bytes(timeline: Timeline) -> int:
    """Tells how long a timeline is once it is encoded."""
    sets = len(timeline.first.serialize()) + len(timeline.last.serialize())
    return _COUNTS.size + 2 * len(timeline.instants) * _WORD_BYTES + sets


def decode_timeline(value: Page, owners: int) -> Timeline:
    """Decodes a timeline of an index with so many owners.

    Its changes are not copied, a country's would take 150 MB in each process: they are void once the value's bytes are.
    Whether they lead from the first set to the last is for ``check_timeline``, which takes longer.

    Raises:
        SnapshotError: a broken length, changes out of order or range, or ordinals that are no owner's.
    """
    count, first_bytes = _COUNTS.unpack(bytes(value[: _COUNTS.size])) if len(value) >= _COUNTS.size else (0, 0)
    split = _COUNTS.size + 2 * count * _WORD_BYTES
    if len(value) <= split + first_bytes:
        raise SnapshotError("A fact of the index has a broken length; publish the snapshot again.")
    instants = np.frombuffer(value, "<u4", count, _COUNTS.size).astype(np.uint32, copy=False)
    changed = np.frombuffer(value, "<u4", count, _COUNTS.size + count * _WORD_BYTES).astype(np.uint32, copy=False)
    sets = [decode_bitmap(bytes(part)) for part in (value[split : split + first_bytes], value[split + first_bytes :])]
    if np.any(changed >= owners) or any(one and one.max() >= owners for one in sets):
        raise SnapshotError("A fact of the index holds of no owner; build the snapshot again.")
    if not _in_order(instants, changed):
        raise SnapshotError("A fact of the index has its changes out of order; build the snapshot again.")
    first, last = map(FrozenBitMap, sets)
    return Timeline(first, instants, changed, last)


def _in_order(instants: Ordinals, changed: Ordinals) -> bool:
    """Tells whether changes are in order and within time, some at once: numbers that stay in the cache."""
    if len(instants) and (instants[0] == ALWAYS or instants[-1] == FOREVER):
        return False
    for first in range(0, len(instants), _CHANGES_AT_ONCE):
        some = slice(first, first + _CHANGES_AT_ONCE + 1)
        places = (instants[some].astype(np.uint64) << np.uint64(32)) | changed[some]
        if np.any(places[1:] <= places[:-1]):
            return False
    return True


def check_timeline(timeline: Timeline) -> None:
    """Refuses a timeline whose changes don't lead from its first set to its last.

    Raises:
        SnapshotError: they don't.
    """
    if timeline.flipped(timeline.first, 0, len(timeline.instants)) != timeline.last:
        raise SnapshotError("A fact of the index ends in another set than it comes to; build the snapshot again.")


def _merged(intervals: Intervals) -> tuple[Ordinals, Ordinals, Ordinals]:
    """Sorts intervals by owner and start, drops the empty ones and joins those that overlap or touch."""
    kept = np.flatnonzero(intervals.starts < intervals.ends)
    owners = intervals.ordinals[kept]
    if np.any(owners[1:] <= owners[:-1]):
        order = order_of_numbers(owners)
        owners, kept = owners[order], kept[order]
    starts, ends = intervals.starts[kept], intervals.ends[kept]
    if np.all(owners[1:] > owners[:-1]):
        # Each owner stands there once: nothing to join.
        return owners, starts, ends
    begins, ceases = (owners.astype(np.uint64) << np.uint64(32) | times for times in (starts, ends))
    order = np.argsort(begins)
    begins, ceases = begins[order], ceases[order]
    # The owner stands in the upper half, so that the latest end so far never reaches another owner's start.
    latest = np.maximum.accumulate(ceases)
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
    return _set_of(ordered[heads[counts % 2 == 1]])


def _set_of(ordinals: Ordinals) -> FrozenBitMap:
    # An array of the standard library is read as one stretch, one of numpy's number by number.
    return FrozenBitMap(array("I", ordinals.tobytes()))
