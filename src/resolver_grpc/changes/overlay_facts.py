"""Of whom of the overlay's owners each fact holds, carried from instant to instant and from change to change.

What belongs here: sets of ordinals, and when the next of them changes. Whose facts they are ``overlay.py`` says. A
change and an instant cost what they alter: only the owners whose facts begin or end on the way are looked at again.
Whom changes touched is in ``touched``, and of all of these ``held`` says what holds of them; what the snapshot says
counts for the others.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from resolver_grpc.index.layout import ALWAYS, FOREVER

_ORDINAL_BITS: Final = 32
_ORDINAL_MASK: Final = (1 << _ORDINAL_BITS) - 1
_AHEAD: Final = 40 * 86_400
"""Of what begins or ends later than so many seconds ahead it is not kept when: all is looked at again by then."""

NumberedSpan = tuple[int, int, int]
"""The number of a fact, start and end; spans of one fact may overlap, and an inverted one holds never."""


class Rows(NamedTuple):
    """Spans of many owners, a column for each of their values."""

    ordinals: npt.NDArray[np.uint32]
    facts: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.uint32]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """The rows that are chosen."""
        return Rows(self.ordinals[chosen], self.facts[chosen], self.starts[chosen], self.ends[chosen])

    def and_rows(self, others: Rows) -> Rows:
        """These rows, and others after them."""
        return Rows(
            np.concatenate([self.ordinals, others.ordinals]),
            np.concatenate([self.facts, others.facts]),
            np.concatenate([self.starts, others.starts]),
            np.concatenate([self.ends, others.ends]),
        )


class OverlayFacts:
    """The facts of the overlay's ordinals, as of one instant at a time.

    Args:
        spans_of: tells an ordinal's spans.
        all_spans: tells those of all ordinals that were put.

    Attributes:
        touched: the ordinals that were put.
        held: by the number of a fact, of whom it holds.
        altered: the ordinals of which something was put or went by, in this order; one may stand there often.
    """

    def __init__(self, spans_of: Callable[[int], Iterable[NumberedSpan]], all_spans: Callable[[], Rows]) -> None:
        self.touched = BitMap()
        self.held: list[BitMap] = []
        self.altered = array("I")
        self._spans_of = spans_of
        self._all_spans = all_spans
        self._coming: list[int] = []
        self._start, self._instant, self._known_until = ALWAYS, ALWAYS, ALWAYS

    @property
    def window(self) -> tuple[int, int]:
        """From when until before when all this holds, unless something is put."""
        until = self._coming[0] >> _ORDINAL_BITS if self._coming else FOREVER
        return self._start, min(until, self._known_until)

    def put(self, ordinal: int, spans: Iterable[NumberedSpan], former: Iterable[NumberedSpan] = ()) -> None:
        """Lays an ordinal's spans down, in the place of those it had."""
        self.touched.add(ordinal)
        if self._known_until == ALWAYS:
            # Nobody asked yet, as while a server starts: all will be looked at at once.
            return
        for fact in {fact for fact, _, _ in former}:
            self._holding(fact).discard(ordinal)
        for fact, start, end in spans:
            if start >= end:
                continue
            if start <= self._instant < end:
                self._holding(fact).add(ordinal)
            for edge in (start, end):
                if self._instant < edge < self._known_until:
                    heappush(self._coming, edge << _ORDINAL_BITS | ordinal)
                elif self._start < edge <= self._instant:
                    self._start = edge
        self.altered.append(ordinal)

    def carry(self, instant: int) -> None:
        """Goes to an instant: on by what begins or ends on the way, back or far by looking at everybody."""
        if instant < self._instant or instant >= self._known_until:
            self._look_at_all(instant)
            return
        self._instant = instant
        passed = set()
        while self._coming and self._coming[0] >> _ORDINAL_BITS <= instant:
            edge = heappop(self._coming)
            self._start = max(self._start, edge >> _ORDINAL_BITS)
            passed.add(edge & _ORDINAL_MASK)
        for ordinal in passed:
            self._judge(ordinal)

    def _judge(self, ordinal: int) -> None:
        spans = list(self._spans_of(ordinal))
        for fact in {fact for fact, _, _ in spans}:
            self._holding(fact).discard(ordinal)
        for fact, start, end in spans:
            if start <= self._instant < end:
                self.held[fact].add(ordinal)
        self.altered.append(ordinal)

    def _look_at_all(self, instant: int) -> None:
        self._instant, self._known_until = instant, min(instant + _AHEAD, FOREVER)
        rows = self._all_spans()
        rows = rows.where(rows.starts < rows.ends)
        edges = np.concatenate([rows.starts, rows.ends])
        ordinals = np.concatenate([rows.ordinals, rows.ordinals])
        self._start = int(edges[edges <= instant].max(initial=ALWAYS))
        near = (edges > instant) & (edges < self._known_until)
        coming = edges[near].astype(np.uint64) << np.uint64(_ORDINAL_BITS) | ordinals[near]
        self._coming = np.unique(coming).tolist()
        heapify(self._coming)
        rows = rows.where((rows.starts <= instant) & (instant < rows.ends))
        most = max(len(self.held), int(rows.facts.max(initial=0)) + 1)
        self.held = [_set_of(rows.ordinals[rows.facts == fact]) for fact in range(most)]
        self.altered.extend(self.touched)

    def _holding(self, fact: int) -> BitMap:
        while len(self.held) <= fact:
            self.held.append(BitMap())
        return self.held[fact]


def _set_of(ordinals: npt.NDArray[np.uint32]) -> BitMap:
    # An array of the standard library is read as one stretch, one of numpy's number by number.
    return BitMap(array("I", ordinals.tobytes()))
