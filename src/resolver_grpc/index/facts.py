"""The facts of an open index, carried from instant to instant.

What belongs here: the sets in force now, kept until the first of them changes, and how they are carried
over. Only the facts whose own window has ended are worked on, and of those only what changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.reader import FactSets, check_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyroaring import FrozenBitMap

    from resolver_grpc.index.intervals import Timeline


@dataclass(frozen=True, eq=False, slots=True)
class Fact:
    """One fact as it stands: its timeline, how many changes have taken place, and the set that they came to."""

    timeline: Timeline
    changes: int
    owners: FrozenBitMap

    def at(self, instant: int) -> Fact:
        """Carries the fact over to an instant, later or earlier."""
        start, until = self.window
        if start <= instant < until:
            return self
        timeline = self.timeline
        changes = timeline.changes_by(instant)
        if abs(changes - self.changes) <= min(changes, len(timeline.instants) - changes):
            return Fact(timeline, changes, timeline.flipped(self.owners, self.changes, changes))
        return Fact(timeline, changes, timeline.after(changes))

    @property
    def window(self) -> tuple[int, int]:
        """From when until before when the fact stands so."""
        return self.timeline.window(self.changes)


class Facts:
    """All facts of an index. Threads may share it: what it remembers is replaced as one, never changed."""

    def __init__(self, timelines: Mapping[str, Timeline]) -> None:
        facts = {name: Fact(timeline, 0, timeline.first) for name, timeline in timelines.items()}
        self._latest = facts, _sets(facts)

    def at(self, instant: int) -> FactSets:
        """Tells of whom each fact holds at an instant.

        Raises:
            SnapshotError: the instant is before 1970 or after 2106.
        """
        facts, sets = self._latest
        if not sets.hold_at(instant):
            check_instant(instant)
            facts = {name: fact.at(instant) for name, fact in facts.items()}
            sets = _sets(facts)
            self._latest = facts, sets
        return sets


def _sets(facts: Mapping[str, Fact]) -> FactSets:
    windows = [fact.window for fact in facts.values()]
    start = max((start for start, _ in windows), default=ALWAYS)
    until = min((until for _, until in windows), default=FOREVER)
    return FactSets(start, until, {name: fact.owners for name, fact in facts.items()})
