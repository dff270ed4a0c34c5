"""Of whom of the overlay's owners each fact holds, carried from instant to instant and from change to change.

What belongs here: sets of ordinals, and when the next of them changes. Whose facts they are ``overlay.py`` says. A
change and an instant cost what they alter: only the owners whose facts begin or end on the way are looked at again.
Whom changes touched is in ``touched``, and of all of these ``held`` says what holds of them; what the snapshot says
counts for the others.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final

import numpy as np
from pyroaring import BitMap

from resolver_grpc.changes.holding import Holding, NumberedSpan
from resolver_grpc.index.layout import ALWAYS, FOREVER

_ORDINAL_BITS: Final = 32
_ORDINAL_MASK: Final = (1 << _ORDINAL_BITS) - 1
_AHEAD: Final = 40 * 86_400
"""Of what begins or ends later than so many seconds ahead it is not kept when: all is looked at again by then."""


class OverlayFacts:
    """The facts of the overlay's ordinals, as of one instant at a time.

    Args:
        spans_of: tells an ordinal's spans.
        holding_at: tells what holds at an instant of all ordinals that were put, and what comes until another one.

    Attributes:
        touched: the ordinals that were put.
        held: by the number of a fact, of whom it holds.
        altered: the ordinals of which something was put or went by, in this order; one may stand there often.
        coming: a heap of what begins or ends after the instant of the sets, each above the ordinal of whom.
        instant: the instant of the sets.
        start: when the last of them changed.
        known_until: what comes from then on is not known.
    """

    def __init__(
        self, spans_of: Callable[[int], Iterable[NumberedSpan]], holding_at: Callable[[int, int], Holding]
    ) -> None:
        self.touched = BitMap()
        self.held: list[BitMap] = []
        self.altered = array("I")
        self.coming: list[int] = []
        self.start = self.instant = self.known_until = ALWAYS
        self._spans_of = spans_of
        self._holding_at = holding_at

    @property
    def is_asked(self) -> bool:
        """Whether anybody asked yet; else, as while a server starts, all will be looked at at once."""
        return self.known_until != ALWAYS

    @property
    def window(self) -> tuple[int, int]:
        """From when until before when all this holds, unless something is put."""
        until = self.coming[0] >> _ORDINAL_BITS if self.coming else FOREVER
        return self.start, min(until, self.known_until)

    def put(self, ordinal: int, spans: Iterable[NumberedSpan], former: Iterable[NumberedSpan] = ()) -> None:
        """Lays an ordinal's spans down, in the place of those it had."""
        self.touched.add(ordinal)
        if not self.is_asked:
            return
        for fact in {fact for fact, _, _ in former}:
            self._holding(fact).discard(ordinal)
        for fact, start, end in spans:
            if start >= end:
                continue
            if start <= self.instant < end:
                self._holding(fact).add(ordinal)
            for edge in (start, end):
                if self.instant < edge < self.known_until:
                    heappush(self.coming, edge << _ORDINAL_BITS | ordinal)
                elif self.start < edge <= self.instant:
                    self.start = edge
        self.altered.append(ordinal)

    def carry(self, instant: int) -> None:
        """Goes to an instant: on by what begins or ends on the way, back or far by looking at everybody."""
        if instant < self.instant or instant >= self.known_until:
            self._look_at_all(instant)
            return
        self.instant = instant
        passed = set()
        while self.coming and self.coming[0] >> _ORDINAL_BITS <= instant:
            edge = heappop(self.coming)
            self.start = max(self.start, edge >> _ORDINAL_BITS)
            passed.add(edge & _ORDINAL_MASK)
        for ordinal in passed:
            self._judge(ordinal)

    def _judge(self, ordinal: int) -> None:
        spans = list(self._spans_of(ordinal))
        for fact in {fact for fact, _, _ in spans}:
            self._holding(fact).discard(ordinal)
        for fact, start, end in spans:
            if start <= self.instant < end:
                self.held[fact].add(ordinal)
        self.altered.append(ordinal)

    def _look_at_all(self, instant: int) -> None:
        self.instant, self.known_until = instant, min(instant + _AHEAD, FOREVER)
        self.start, held, coming = self._holding_at(instant, self.known_until)
        # Ascending, which a heap is.
        self.coming = np.unique(np.frombuffer(coming, np.uint64)).tolist()
        fewer = [BitMap() for _ in self.held[len(held) :]]
        self.held = [*held, *fewer]
        self.altered.extend(self.touched.to_array())

    def _holding(self, fact: int) -> BitMap:
        while len(self.held) <= fact:
            self.held.append(BitMap())
        return self.held[fact]
