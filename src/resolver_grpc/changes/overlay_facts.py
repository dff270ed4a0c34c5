"""Of whom of the overlay's owners each fact holds, carried from instant to instant and from change to change.

What belongs here: sets of ordinals, and when the next of them changes. Whose facts they are ``overlay.py`` says. A
change and an instant cost what they alter: only the owners whose facts begin or end on the way are looked at again, and
only the sets that came out otherwise are laid over the snapshot's anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

from pyroaring import BitMap, FrozenBitMap

from resolver_grpc.changes.state import Spans
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.reader import FactSets

_ORDINAL_BITS: Final = 32
_ORDINAL_MASK: Final = (1 << _ORDINAL_BITS) - 1
_NOBODY: Final = FrozenBitMap()

Known = Mapping[str, Spans]
"""When each fact holds of an owner; spans may overlap, and an inverted one holds never."""


@dataclass(slots=True)
class OverlayFacts:
    """The facts of the overlay's ordinals, as of one instant at a time.

    Attributes:
        known: by ordinal, when each fact holds.
    """

    known: dict[int, Known] = field(default_factory=dict)
    _touched: BitMap = field(default_factory=BitMap)
    _held: dict[str, BitMap] = field(default_factory=dict)
    _laid: dict[str, tuple[FrozenBitMap, FrozenBitMap]] = field(default_factory=dict)
    _coming: list[int] = field(default_factory=list)
    _start: int = ALWAYS
    _instant: int = ALWAYS

    def put(self, ordinal: int, facts: Known, of_snapshot: Known) -> None:
        """Lays an ordinal's facts down, in the place of those it had.

        Args:
            ordinal: whose facts.
            facts: when each holds.
            of_snapshot: what the snapshot says of the ordinal; asked for an ordinal that is new here.
        """
        if ordinal not in self.known:
            # What is laid over the snapshot already says of this ordinal what the snapshot says.
            self._touched.add(ordinal)
            for name in _holding(of_snapshot, self._instant):
                self._held.setdefault(name, BitMap()).add(ordinal)
        before = self.known.get(ordinal, of_snapshot)
        self.known[ordinal] = facts
        self._flip(ordinal, _holding(before, self._instant) ^ _holding(facts, self._instant))
        had = () if before is of_snapshot else set(_edges(before))
        for edge in _edges(facts):
            if edge <= self._instant:
                self._start = max(self._start, edge)
            elif edge not in had:
                heappush(self._coming, edge << _ORDINAL_BITS | ordinal)

    def laid_over(self, snapshot: FactSets, instant: int) -> tuple[int, int, dict[str, FrozenBitMap]]:
        """The sets of the snapshot with the overlay's laid over, and within which window they hold.

        Args:
            snapshot: the snapshot's sets at the instant.
            instant: seconds of UTC.
        """
        self._carry(instant)
        sets = {name: self._set(name, snapshot[name]) for name in snapshot.names | self._held.keys()}
        until = self._coming[0] >> _ORDINAL_BITS if self._coming else FOREVER
        return max(snapshot.start, self._start), min(snapshot.until, until), sets

    def _set(self, name: str, below: FrozenBitMap) -> FrozenBitMap:
        former = self._laid.get(name)
        if former is None or former[0] is not below:
            former = below, FrozenBitMap((below - self._touched) | self._held.get(name, _NOBODY))
            self._laid[name] = former
        return former[1]

    def _carry(self, instant: int) -> None:
        """Goes to an instant: on by what begins or ends on the way, back by looking at everybody."""
        former, self._instant = self._instant, instant
        if instant < former:
            edges = [(edge, ordinal) for ordinal, facts in self.known.items() for edge in _edges(facts)]
            self._coming = [edge << _ORDINAL_BITS | ordinal for edge, ordinal in edges if edge > instant]
            heapify(self._coming)
            self._start = max((edge for edge, _ in edges if edge <= instant), default=ALWAYS)
            self._judge(self.known, former)
            return
        passed = set()
        while self._coming and self._coming[0] >> _ORDINAL_BITS <= instant:
            edge = heappop(self._coming)
            self._start = max(self._start, edge >> _ORDINAL_BITS)
            passed.add(edge & _ORDINAL_MASK)
        self._judge(passed, former)

    def _judge(self, ordinals: Iterable[int], former: int) -> None:
        for ordinal in ordinals:
            facts = self.known[ordinal]
            self._flip(ordinal, _holding(facts, former) ^ _holding(facts, self._instant))

    def _flip(self, ordinal: int, names: Iterable[str]) -> None:
        for name in names:
            held = self._held.setdefault(name, BitMap())
            held ^= BitMap((ordinal,))
            self._held[name] = held
            self._laid.pop(name, None)


def _holding(facts: Known, instant: int) -> set[str]:
    return {str(name) for name, spans in facts.items() if any(start <= instant < end for start, end in spans)}


def _edges(facts: Known) -> Iterator[int]:
    """When something begins or ends, each once."""
    edges = {edge for spans in facts.values() for span in spans if span[0] < span[1] for edge in span}
    return (edge for edge in edges if ALWAYS < edge < FOREVER)
