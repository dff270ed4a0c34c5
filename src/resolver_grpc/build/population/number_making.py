"""CPR and CVR numbers for made-up people and organisations: valid, unique, drawn in a fixed order.

What belongs here: giving out numbers. The numbers of people said to be unknown come from birth years and a
range of CVR numbers that nobody here is given.
"""

from __future__ import annotations

from array import array
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING

from resolver_grpc.build.population.number_reading import read_cvr

if TYPE_CHECKING:
    from random import Random

FIRST_BIRTH = date(1927, 1, 1)
LAST_BIRTH = date(2011, 12, 31)
UNKNOWN_YEARS = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10")
UNKNOWN_CVR_START = "9"
WITHOUT_MODULUS = 0.3
_WEIGHTS = (4, 3, 2, 7, 6, 5, 4, 3, 2)
_FIRST_WITHOUT_MODULUS = 2007
_FIRST_CVR = 20_000_000
_FIRST_UNKNOWN_CVR = 90_000_000
_UNKNOWN_CVRS = 1_000
_STRIDE = 37


def _seventh_digits(year: int) -> str:
    if year in range(1900, 1937):
        return "0123"
    return "012349" if year in range(1937, 2000) else "456789"


def _check_digit(digits: str) -> int:
    """Return the digit that satisfies modulus 11; 10 where none does."""
    return -sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11


class NumberMaker:
    """Gives out each number once, in an order that the random numbers alone decide."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._days = (LAST_BIRTH - FIRST_BIRTH).days + 1
        self._given = array("H", bytes(2 * self._days))
        self._dates = [FIRST_BIRTH + timedelta(days=day) for day in range(self._days)]
        self._last_cvr = _FIRST_CVR

    def cpr(self) -> str:
        """Give out a CPR number; since 2007 some don't satisfy modulus 11, as the real ones."""
        day = self._rng.randrange(self._days)
        while True:
            born = self._dates[day]
            sevenths = _seventh_digits(born.year)
            room = 100 * len(sevenths)
            place = self._given[day]
            if place == room:
                day = (day + 1) % self._days
                continue
            self._given[day] = place + 1
            serial = (place + day) * _STRIDE % room
            digits = f"{born:%d%m%y}{sevenths[serial // 100]}{serial % 100:02d}"
            check = _check_digit(digits)
            if born.year >= _FIRST_WITHOUT_MODULUS and self._rng.random() < WITHOUT_MODULUS:
                return digits + str((check + 5) % 10)
            if check in range(10):
                return digits + str(check)

    def cvr(self) -> str:
        """Give out a CVR number."""
        while True:
            self._last_cvr += 1
            number = read_cvr(str(self._last_cvr))
            if number is not None:
                return number


def unknown_cpr(rng: Random) -> str:
    """Return a valid CPR number that nobody was given."""
    year = rng.choice(UNKNOWN_YEARS)
    return f"{rng.randint(1, 28):02d}{rng.randint(1, 12):02d}{year}{rng.randint(0, 3999):04d}"


def unknown_cvr(rng: Random) -> str:
    """Return a valid CVR number that nobody was given."""
    start = _FIRST_UNKNOWN_CVR + rng.randrange(_UNKNOWN_CVRS) * 11
    return next(str(number) for number in count(start) if read_cvr(str(number)))
