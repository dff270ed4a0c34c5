"""The facts of one owner, out of the timelines of all.

What belongs here: finding an owner's own changes among those of everybody. The order of all facts' changes by owner is
made when an owner is first asked about, and takes four bytes a change and a quarter of one an owner: only who judges
changes over a snapshot asks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.index.layout import ALWAYS, FOREVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyroaring import FrozenBitMap

    from resolver_grpc.index.intervals import Timeline

_WORD_BITS: Final = 32
_MOST_OWNER_BITS: Final = 4


class RawSpans(NamedTuple):
    """Where the facts of owners lie in memory, for a machine that reads bytes.

    Attributes:
        order: the changes of all facts, by owner; of one owner ascending. The lower bits of each are its place, those
            above what tells its owner from the others of the group.
        offsets: where the changes of each group of owners begin, and where the last ends.
        owner_bits: how many of an ordinal's lower bits tell one of a group from the others; the upper ones name it.
        place_bits: how many a place has.
        begins: where the changes of each fact begin among those of all.
        instants: when, of each fact's changes.
        names: of the facts.
        firsts: the numbers of the facts that hold of some from the first instant on, and of whom.
    """

    order: memoryview
    offsets: memoryview
    owner_bits: int
    place_bits: int
    begins: list[int]
    instants: list[npt.NDArray[np.uint32]]
    names: list[str]
    firsts: Sequence[tuple[int, FrozenBitMap]]


class OwnerSpans:
    """Tells when each fact holds of an owner.

    Args:
        timelines: of each fact, by its name.
        owners: how many owners there are; ordinals lie below.
    """

    def __init__(self, timelines: Mapping[str, Timeline], owners: int) -> None:
        self._timelines = timelines
        self._owners = owners
        self._names = list(timelines)
        counts = [len(timeline.changed) for timeline in timelines.values()]
        self._begins = np.cumsum([0, *counts])[:-1].tolist()
        """Where each fact's changes begin among those of all facts."""
        self._first = {name: timeline.first for name, timeline in timelines.items() if timeline.first}
        # Owners lie in groups; a change is the number of its owner in the group, above its place among all changes.
        self._place_bits = max(_WORD_BITS - _MOST_OWNER_BITS, sum(counts).bit_length())
        self._owner_bits = _WORD_BITS - self._place_bits
        self._ordered: tuple[memoryview, memoryview] | None = None

    def of(self, ordinal: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """The spans [start, end) of an owner's facts in UTC seconds, ascending and apart; only of those it has."""
        edges: dict[str, list[int]] = {name: [ALWAYS] for name, first in self._first.items() if ordinal in first}
        for place in self._changes_of(ordinal):
            at = bisect_right(self._begins, place) - 1
            name = self._names[at]
            edges.setdefault(name, []).append(int(self._timelines[name].instants[place - self._begins[at]]))
        # A fact that has begun as often as it has ceased to hold is over; one more, and it goes on.
        return {
            name: tuple(zip(times[0::2], [*times[1::2], *[FOREVER] * (len(times) % 2)], strict=True))
            for name, times in edges.items()
        }

    @property
    def raw(self) -> RawSpans:
        """Where all this lies in memory."""
        order, offsets = self._ordered = self._ordered or self._order()
        firsts = [(self._names.index(name), first) for name, first in self._first.items()]
        instants = [np.ascontiguousarray(timeline.instants, np.uint32) for timeline in self._timelines.values()]
        bits = self._owner_bits, self._place_bits
        return RawSpans(order, offsets, *bits, self._begins, instants, self._names, firsts)

    def _changes_of(self, ordinal: int) -> list[int]:
        """Where an owner's changes lie among those of all facts; those of one fact in the order of time."""
        order, offsets = self._ordered = self._ordered or self._order()
        group, owner = ordinal >> self._owner_bits, ordinal & (1 << self._owner_bits) - 1
        edges = (one << self._place_bits for one in (owner, owner + 1))
        begin, end = (bisect_left(order, edge, offsets[group], offsets[group + 1]) for edge in edges)
        mask = (1 << self._place_bits) - 1
        return [change & mask for change in order[begin:end]]

    def _order(self) -> tuple[memoryview, memoryview]:
        """The changes by owner, and where those of each group of owners begin (groups + 1,)."""
        changed = [np.zeros(0, np.uint32), *(timeline.changed for timeline in self._timelines.values())]
        of_all = np.concatenate(changed)
        groups = (self._owners >> self._owner_bits) + 1
        offsets = np.zeros(groups + 1, np.uint32)
        np.cumsum(np.bincount(of_all >> self._owner_bits, minlength=groups), out=offsets[1:])
        packed = of_all.astype(np.uint64)
        packed <<= np.uint64(self._place_bits)
        packed |= np.arange(len(packed), dtype=np.uint64)
        packed.sort()
        # Of the owner's number what tells it from the others of its group is left.
        return packed.astype(np.uint32).data, offsets.data
