"""Who can be reached within a snapshot's horizon, for all owners at once; the rule is that of ``build/entries.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from resolver_grpc.build.bulk.overriding import Exact
from resolver_grpc.build.bulk.texts import Flags
from resolver_grpc.build.entries import reachable_within
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.pages import Ordinals
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span

Facts: TypeAlias = Mapping[str, Intervals]
NOBODYS: Final[Exact] = MappingProxyType({})


class Reach:
    """Tells which owners can be reached at some instant of a window, as ``build/entries.py`` says of one.

    Of each fact but protection an owner has one interval at most, but for those whose facts stand beside their rows.

    Args:
        facts: when what holds of which owner.
        owners: how many owners there are.
        window: the snapshot's horizon.
        exact: the facts that stand beside the rows.
    """

    def __init__(self, facts: Facts, owners: int, window: Span, exact: Exact = NOBODYS) -> None:
        self._facts = facts
        self._window = window
        self._exact = exact
        self._starts, self._ends = np.full(owners, window.start, np.uint32), np.full(owners, window.end, np.uint32)
        self._narrow(self._starts, self._ends, (Fact.MAILBOX, Fact.LOGIN))
        self._protections = _by_ordinal(facts.get(Fact.PROTECTION))

    def within(self, needed: Sequence[Fact]) -> Flags:
        """Which owners' mailboxes are open while all needed facts hold and no protection does."""
        starts, ends = self._starts.copy(), self._ends.copy()
        self._narrow(starts, ends, needed)
        reachable: Flags = starts < ends
        for ordinal, spans in self._protections.items():
            if reachable[ordinal]:
                reachable[ordinal] = _is_left_open(Span(int(starts[ordinal]), int(ends[ordinal])), spans)
        for ordinal, told in self._exact.items():
            reachable[ordinal] = reachable_within(told, tuple(needed), self._window)
        return reachable

    def _narrow(self, starts: Ordinals, ends: Ordinals, needed: Sequence[Fact]) -> None:
        """Leaves of each owner's span what lies within the intervals of all needed facts."""
        for fact in needed:
            begins, ceases = np.zeros(len(starts), np.uint32), np.zeros(len(starts), np.uint32)
            if (held := self._facts.get(fact)) is not None:
                begins[held.ordinals], ceases[held.ordinals] = held.starts, held.ends
            np.maximum(starts, begins, out=starts)
            np.minimum(ends, ceases, out=ends)


def _by_ordinal(intervals: Intervals | None) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = {}
    if intervals is None:
        return found
    columns = (intervals.ordinals.tolist(), intervals.starts.tolist(), intervals.ends.tolist())
    for ordinal, start, end in zip(*columns, strict=True):
        found.setdefault(ordinal, []).append(Span(start, end))
    return found


def _is_left_open(free: Span, protections: list[Span]) -> bool:
    """Whether some instant of a span lies in none of the protections."""
    edges = [free.start, *(end for _, end in protections if free.start < end < free.end)]
    return any(not any(start <= edge < end for start, end in protections) for edge in edges)
