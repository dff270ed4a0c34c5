"""Columns of CPR and CVR numbers to integers.

A CPR number is its ten digits as an integer, a CVR number its eight digits past all CPR numbers. Which years have a
29 February is asked of ``canonical.numbers``, and a table made of the answers tells which dates are real; modulus
11 of CVR numbers is worked out on arrays, and anything but bare digits goes through the plain parser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.texts import Column, Utf8, concatenated, encode, read_chunks, some_of, utf8
from resolver_grpc.canonical.numbers import CPR_DIGITS, parse_cpr
from resolver_grpc.rows.cells import parse_owner_number

Numbers: TypeAlias = npt.NDArray[np.int64]

CVR_BASE = 10**CPR_DIGITS
UNREADABLE = -1
"""Stands for a number that can't be read, an empty cell included."""

_CVR_DIGITS = 8
_CVR_WEIGHTS = np.array([2, 7, 6, 5, 4, 3, 2, 1], np.uint8)
_CVR_MODULUS = 11
_ZERO = ord("0")
_HALF = 10**5
_AFTER_DATE = 1000
_COMMON_YEAR = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def number_of(text: str) -> int:
    """The integer of a number that was read."""
    return int(text) if len(text) == CPR_DIGITS else CVR_BASE + int(text)


def text_of(number: int) -> str:
    """The digits of an integer, the inverse of ``number_of``."""
    return f"{number:0{CPR_DIGITS}d}" if number < CVR_BASE else f"{number - CVR_BASE:0{_CVR_DIGITS}d}"


def is_person(numbers: Numbers) -> npt.NDArray[np.bool_]:
    """Which numbers are CPR numbers."""
    person: npt.NDArray[np.bool_] = numbers < CVR_BASE
    return person


def read_cpr_numbers(column: Column) -> Numbers:
    """Reads a column as ``canonical.numbers.parse_cpr`` does; what can't be read is ``UNREADABLE``."""
    return _read(column, parse_cpr, takes_cvr=False)


def read_owner_numbers(column: Column) -> Numbers:
    """Reads a column as ``cells.parse_owner_number`` does; what can't be read is ``UNREADABLE``."""
    return _read(column, parse_owner_number, takes_cvr=True)


def digits_of(numbers: Numbers) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Writes numbers as digits.

    Returns:
        All digits in one array, and the edges between the numbers.
    """
    person = is_person(numbers)
    edges = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum(np.where(person, CPR_DIGITS, _CVR_DIGITS), out=edges[1:])
    # Of a CVR number, less its base, the first two of ten digits are zeros and left out.
    upper, lower = np.divmod(np.where(person, numbers, numbers - CVR_BASE), _HALF)
    pairs = np.empty((len(numbers), 2), _halves().dtype)
    pairs[:, 0], pairs[:, 1] = _halves()[upper], _halves()[lower]
    written = pairs.view(np.uint8).reshape(-1, CPR_DIGITS)
    if person.all():
        return written.reshape(-1), edges
    kept = np.ones(written.shape, np.bool_)
    kept[~person, : CPR_DIGITS - _CVR_DIGITS] = False
    return written[kept], edges


@lru_cache(1)
def _halves() -> npt.NDArray[np.bytes_]:
    """The five digits of every half of a number (100,000)."""
    return np.array([f"{half:05d}".encode() for half in range(_HALF)])


def _read(column: Column, parse: Callable[[str], str], *, takes_cvr: bool) -> Numbers:
    return concatenated(read_chunks(column, lambda chunk: _read_chunk(chunk, parse, takes_cvr=takes_cvr)), np.int64)


def _read_chunk(chunk: Column, parse: Callable[[str], str], *, takes_cvr: bool) -> Numbers:
    text = utf8(chunk)
    numbers = np.full(len(chunk), UNREADABLE, np.int64)
    plain = np.ones(len(chunk), np.bool_)
    for width, check in ((CPR_DIGITS, _check_cpr), (_CVR_DIGITS, _check_cvr)):
        if width == CPR_DIGITS or takes_cvr:
            rows, found = _bare_digits(text, width)
            numbers[rows] = check(found)
            plain[rows] = False
    rest = np.flatnonzero(plain)
    others = encode(some_of(chunk, rest))
    numbers[rest] = others.to(lambda cell: _parsed(cell, parse), np.int64)
    return numbers


def _bare_digits(text: Utf8, width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """Gives the rows that are exactly so many digits, and the digits (rows, width)."""
    rows = np.flatnonzero(text.lengths == width)
    digits = text.matrix(rows, width) - np.uint8(_ZERO)
    strange = np.flatnonzero(digits > 9) // width  # noqa: PLR2004 - other bytes wrap around to more
    if not len(strange):
        return rows, digits
    bare = np.ones(len(rows), np.bool_)
    bare[strange] = False
    return rows[bare], digits[bare]


def _check_cpr(digits: npt.NDArray[np.uint8]) -> Numbers:
    numbers = _value(digits)
    return np.where(_real_dates()[numbers // _AFTER_DATE], numbers, UNREADABLE)


def _check_cvr(digits: npt.NDArray[np.uint8]) -> Numbers:
    """Modulus 11, and no zero in front: what stdnum.dk.cvr checks."""
    checked = (digits * _CVR_WEIGHTS).sum(axis=1, dtype=np.int64) % _CVR_MODULUS
    return np.where((checked == 0) & (digits[:, 0] != 0), _value(digits) + CVR_BASE, UNREADABLE)


def _value(digits: npt.NDArray[np.uint8]) -> Numbers:
    value = digits[:, 0].astype(np.int64)
    for place in range(1, digits.shape[1]):
        value *= 10
        value += digits[:, place]
    return value


@lru_cache(1)
def _real_dates() -> npt.NDArray[np.bool_]:
    """Of the first seven digits of a CPR number, which are a date and its century: ``ddmmyyc``.

    The century rule says no more than which years are meant, and of a year's days only one is in doubt.
    """
    real = np.zeros((100, 100, 100, 10), np.bool_)  # by day, month, year and century
    for year, century in product(range(100), range(10)):
        months = _COMMON_YEAR + (np.arange(12) == 1) * _is_real_date(f"2902{year:02d}{century}")
        real[1:32, 1:13, year, century] = np.arange(1, 32)[:, None] <= months
    return real.reshape(-1)


def _is_real_date(first_seven: str) -> bool:
    return _parsed(f"{first_seven}000", parse_cpr) != UNREADABLE


def _parsed(cell: str, parse: Callable[[str], str]) -> int:
    try:
        return number_of(parse(cell))
    except ValueError:
        return UNREADABLE
