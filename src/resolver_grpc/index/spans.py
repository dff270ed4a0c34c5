"""The facts of one owner, out of the timelines of all.

What belongs here: finding an owner's own changes among those of everybody. The order of the changes by owner is made
when a fact is first asked about, and takes four bytes a change: only who lays changes over a snapshot asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.sorting import order_of_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolver_grpc.index.intervals import Timeline
    from resolver_grpc.index.pages import Ordinals


class OwnerSpans:
    """Tells when each fact holds of an owner.

    Args:
        timelines: of each fact, by its name.
    """

    def __init__(self, timelines: Mapping[str, Timeline]) -> None:
        self._timelines = timelines
        self._orders: dict[str, Ordinals] = {}

    def of(self, ordinal: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """The spans [start, end) of an owner's facts in UTC seconds, ascending and apart; only of those it has."""
        held = ((name, self._of(name, timeline, ordinal)) for name, timeline in self._timelines.items())
        return {name: spans for name, spans in held if spans}

    def _of(self, name: str, timeline: Timeline, ordinal: int) -> tuple[tuple[int, int], ...]:
        edges = self._changes_of(name, timeline, ordinal)
        if ordinal in timeline.first:
            edges.insert(0, ALWAYS)
        if ordinal in timeline.last:
            edges.append(FOREVER)
        return tuple(zip(edges[0::2], edges[1::2], strict=True))

    def _changes_of(self, name: str, timeline: Timeline, ordinal: int) -> list[int]:
        if not len(timeline.changed):
            return []
        if name not in self._orders:
            self._orders[name] = order_of_numbers(timeline.changed).astype(np.uint32)
        order = self._orders[name]
        sought = np.array((ordinal, ordinal + 1), np.uint32)
        first, after = np.searchsorted(timeline.changed, sought, sorter=order).tolist()
        return sorted(timeline.instants[order[first:after]].tolist()) if first < after else []
