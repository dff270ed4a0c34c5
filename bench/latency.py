"""The arithmetic of load: when messages are due, and what the answers' times come to.

What belongs here: pure functions on seconds; no clock, no network.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEDIAN, P99, P999 = 500, 990, 999
"""Percentiles, in thousandths."""


class Answer(NamedTuple):
    """One message that was answered: when it was due, when it was sent, when its response was there; seconds."""

    due: float
    sent: float
    answered: float


class Window(NamedTuple):
    """The time that is measured, from its begin up to and without its end; seconds."""

    begin: float
    end: float

    def holds(self, instant: float) -> bool:
        """Whether an instant lies within."""
        return self.begin <= instant < self.end


class Times(NamedTuple):
    """What was measured in a window.

    Attributes:
        answered_per_second: messages whose response came within the window.
        latencies: of the messages that were due within the window, from when they were due; seconds, ascending.
        late: how much later than due these were sent; seconds, ascending.
    """

    answered_per_second: float
    latencies: list[float]
    late: list[float]


def due_times(begin: float, seconds: float, gap: float) -> Iterator[float]:
    """Tells when messages of an open loop are due: every ``gap`` seconds, whatever became of those before."""
    return (begin + after for after in itertools.takewhile(lambda after: after < seconds, _multiples(gap)))


def measure(answers: Sequence[Answer], window: Window) -> Times:
    """Sorts out what belongs to a window.

    A message that was due in the window counts with its whole latency, also where the answer came long after:
    a server that stalls is not excused by the messages that could not be sent meanwhile.
    """
    within = [answer for answer in answers if window.holds(answer.due)]
    answered = sum(window.holds(answer.answered) for answer in answers)
    return Times(
        answered / (window.end - window.begin),
        sorted(answer.answered - answer.due for answer in within),
        sorted(answer.sent - answer.due for answer in within),
    )


def percentile(ascending: Sequence[float], thousandths: int) -> float:
    """The smallest of the values that so many thousandths of them don't exceed (nearest rank).

    Args:
        ascending: the values, one at least.
        thousandths: 1 to 1000.
    """
    return ascending[-(-len(ascending) * thousandths // 1000) - 1]


def _multiples(gap: float) -> Iterator[float]:
    return (place * gap for place in itertools.count())
