"""Drawing by columns: uneven lists, days, distinct CPR and CVR numbers.

What belongs here: arrays of integers out of a random generator; no text. Days count from 1970-01-01,
seconds are UTC.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
Random = np.random.Generator

NONE = -1
"""Stands in a column of places in a list, days or seconds where a row has nothing."""

SECONDS_OF_A_DAY = 86_400
CVR_WEIGHTS = np.array([2, 7, 6, 5, 4, 3, 2], np.int64)
_CVR_MODULUS = 11
_SPARE = 1.3
_FIRST_YEAR, _OLD, _OLDEST = 1920, 60, 105
_RARE = 0.02


def day_number(day: str) -> int:
    """The number of a day ``YYYY-MM-DD``."""
    return date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()


def pick(rng: Random, weights: Sequence[float] | npt.NDArray[np.floating[Any]], count: int) -> Integers:
    """Draws places of a list by the weights of its entries."""
    edges = np.cumsum(weights, dtype=np.float64)
    found = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    places: Integers = np.minimum(found, len(edges) - 1).astype(np.int32)
    return places


def pick_zipf(rng: Random, length: int, count: int, flat: float = 8.0, steep: float = 1.0) -> Integers:
    """Draws places of a list whose entries grow rarer: the weight of place r is ``(r + flat) ** -steep``."""
    return pick(rng, (np.arange(length) + flat) ** -steep, count)


def only(rng: Random, share: float, values: Integers) -> Integers:
    """Keeps a share of the values; the others become NONE."""
    return np.where(rng.random(len(values)) < share, values, np.int32(NONE)).astype(np.int32)


def draw_between(rng: Random, low: Integers | int, high: Integers | int, count: int) -> Integers:
    """Draws whole numbers from low up to and without high, or low where high is no greater."""
    span = np.maximum(np.subtract(high, low, dtype=np.int64), 1)
    return (low + (rng.random(count) * span).astype(np.int64)).astype(np.int32)


def draw_cpr_numbers(rng: Random, count: int, last_day: str) -> Integers:
    """Draws distinct CPR numbers of people born up to a day, ascending.

    Source of the century rule: the CPR office, as python-stdnum has it. The seventh digit is 0-3 for those
    born up to 1936, 0-4 or 9 up to 1999 and 4-9 from 2000 on.
    """
    first = day_number(f"{_FIRST_YEAR}-01-01")
    days = np.arange(first, day_number(last_day) + 1)
    age = (days[-1] - days) / 365.25
    born = days[pick(rng, np.clip((_OLDEST - age) / (_OLDEST - _OLD), _RARE, 1), int(count * _SPARE) + 100)]
    month = born.astype("datetime64[D]").astype("datetime64[M]")
    year = month.astype("datetime64[Y]").astype(np.int64) + 1970
    month_number = month.astype(np.int64) % 12 + 1
    day = born - month.astype("datetime64[D]").astype(np.int64) + 1
    serial = (rng.random(len(born)) * np.where(year < 1937, 4_000, 6_000)).astype(np.int64)  # noqa: PLR2004 - the rule
    serial += np.select([year >= 2000, (year >= 1937) & (serial >= 5_000)], [4_000, 4_000], 0)  # noqa: PLR2004
    numbers = distinct(((day * 100 + month_number) * 100 + year % 100) * 10_000 + serial)
    return _some_of(rng, numbers, count)


def draw_cvr_numbers(rng: Random, count: int) -> Integers:
    """Draws distinct CVR numbers, ascending: eight digits, the last of them by modulus 11."""
    stems = distinct(rng.integers(1_000_000, 10_000_000, int(count * _SPARE) + 100))
    digits = stems[:, None] // 10 ** np.arange(6, -1, -1) % 10
    check = -(digits @ CVR_WEIGHTS) % _CVR_MODULUS
    return _some_of(rng, (stems * 10 + check)[check < 10], count)  # noqa: PLR2004 - one digit


def distinct(values: Integers) -> Integers:
    """The values, ascending, each once: by sorting, which is several times faster here than ``np.unique``'s hashing."""
    ascending = np.sort(values)
    kept = np.ones(len(ascending), np.bool_)
    kept[1:] = ascending[1:] != ascending[:-1]
    return ascending[kept]


def _some_of(rng: Random, numbers: Integers, count: int) -> Integers:
    if len(numbers) < count:
        raise ValueError("there are not so many numbers")
    return np.sort(rng.permutation(numbers)[:count])
