"""The facts of one owner, out of the timelines of all.

What belongs here: finding an owner's own changes among those of everybody. The order of all facts' changes by owner is
made when an owner is first asked about, and takes four bytes a change and four an owner: only who lays changes over a
snapshot asks.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np

from resolver_grpc.index.layout import ALWAYS, FOREVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver_grpc.index.intervals import Timeline
    from resolver_grpc.index.pages import Ordinals

_PLACE_BITS: Final = np.uint64(32)
_PLACE_MASK: Final = np.uint64(0xFFFF_FFFF)


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
        self._ordered: tuple[Ordinals, Ordinals] | None = None

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

    def _changes_of(self, ordinal: int) -> list[int]:
        """Where an owner's changes lie among those of all facts; those of one fact in the order of time."""
        if self._ordered is None:
            self._ordered = self._order()
        order, offsets = self._ordered
        found: list[int] = order[offsets[ordinal] : offsets[ordinal + 1]].tolist()
        return found

    def _order(self) -> tuple[Ordinals, Ordinals]:
        """The changes by owner, and where those of each owner begin (owners + 1,)."""
        changed = [np.zeros(0, np.uint32), *(timeline.changed for timeline in self._timelines.values())]
        of_all = np.concatenate(changed)
        offsets = np.zeros(self._owners + 1, np.uint32)
        np.cumsum(np.bincount(of_all, minlength=self._owners), out=offsets[1:])
        packed = of_all.astype(np.uint64)
        packed <<= _PLACE_BITS
        packed |= np.arange(len(packed), dtype=np.uint64)
        packed.sort()
        packed &= _PLACE_MASK
        return packed.astype(np.uint32), offsets
