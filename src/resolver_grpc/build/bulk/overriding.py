"""Facts that stand beside the rows: of those whom changes touched, instead of what their rows say.

What belongs here: whose ordinals they are, and the intervals with theirs in the place of the rows'.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resolver_grpc.build.bulk.following import NOWHERE, as_numbers, find
from resolver_grpc.build.bulk.numbers import Numbers
from resolver_grpc.build.fold.later import Overrides
from resolver_grpc.build.owners import Facts
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span

Exact = Mapping[int, Facts]
"""By ordinal, all facts of an owner."""


def by_ordinal(numbers: Numbers, told: Overrides) -> dict[int, Facts]:
    """The facts that stand beside the rows, by their owners' ordinals; of who is no owner they are left out.

    Args:
        numbers: the owners' numbers.
        told: by number, when each fact holds.
    """
    places = find(numbers, as_numbers(told)).tolist()
    return {
        place: {fact: list(spans) for fact, spans in facts.items()}
        for place, facts in zip(places, told.values(), strict=True)
        if place != NOWHERE
    }


def overridden(facts: Mapping[str, Intervals], told: Exact) -> dict[str, Intervals]:
    """All intervals, with those of some owners in the place of what their rows say.

    Whether others contest a claim the rows say alone.
    """
    if not told:
        return dict(facts)
    touched = np.array(sorted(told), np.uint32)
    names = facts.keys() | {name for of_one in told.values() for name in of_one}
    mixed = {str(name): _mixed(facts.get(name), name, told, touched) for name in names}
    return {name: intervals for name, intervals in mixed.items() if len(intervals.ordinals)}


def _mixed(rows: Intervals | None, name: str, told: Exact, touched: np.typing.NDArray[np.uint32]) -> Intervals:
    if rows is not None and name == Fact.CONTESTED:
        return rows
    held = [(ordinal, *span) for ordinal, of_one in told.items() for span in _spans(of_one, name)]
    columns = np.array(held, np.uint32).reshape(-1, 3)
    if rows is None:
        return Intervals(columns[:, 0], columns[:, 1], columns[:, 2])
    kept = ~np.isin(rows.ordinals, touched)
    said = (rows.ordinals[kept], rows.starts[kept], rows.ends[kept])
    return Intervals(*(np.append(one, columns[:, place]) for place, one in enumerate(said)))


def _spans(facts: Facts, name: str) -> list[Span]:
    return facts.get(name, [])
