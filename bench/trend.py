"""What a long run's samples come to: how they stood at its beginning and at its end, and how fast they grow.

What belongs here: pure functions on numbers; no clock, no process.
"""

from __future__ import annotations

from statistics import linear_regression, median
from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WARM_UP = 0.1
_FIFTH = 5


class Trend(NamedTuple):
    """How a figure went.

    Attributes:
        first: its median in the first fifth after the warm-up.
        last: its median in the last fifth.
        slope: what a straight line through all of it (least squares) gains in a unit of time.
    """

    first: float
    last: float
    slope: float


def after_warm_up(instants: Sequence[float], seconds: float) -> int:
    """The place of the first sample that counts: those of a run's first tenth don't.

    Args:
        instants: when each sample was taken, seconds since the run began, ascending.
        seconds: how long the run took.

    Raises:
        ConfigurationError: fewer than two are left.
    """
    place = sum(1 for instant in instants if instant < _WARM_UP * seconds)
    if len(instants) - place <= 1:
        raise ConfigurationError("the run was too short for its samples; take longer, or look more often")
    return place


def find_trend(instants: Sequence[float], figures: Sequence[float]) -> Trend:
    """Tells how a figure went over time.

    Args:
        instants: when each was taken, at two different instants at least.
        figures: as many.
    """
    fifth = max(len(figures) // _FIFTH, 1)
    slope = linear_regression(instants, figures).slope
    return Trend(median(figures[:fifth]), median(figures[-fifth:]), slope)
