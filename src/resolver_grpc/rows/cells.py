"""Cells of the input tables to values; what can't be read rejects its row.

The types of the columns are those of ``schema.py``; the readings of numbers, addresses and times are the
canonical ones. Spans are half-open intervals of UTC seconds, as the index keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeVar

from resolver_grpc.canonical.numbers import CPR_DIGITS, parse_cpr, parse_cvr
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.times import danish_midnight, day_after, parse_day, parse_time

Row = Mapping[str, str]
Value = TypeVar("Value")

_MEMORY = 1 << 16


class BadRowError(ValueError):
    """A row that can't be taken: the column and what is wrong with it, never the cell's content."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column} {problem}")
        self.column = column
        self.problem = problem


class Span(NamedTuple):
    """From when, and until before when, something holds; UTC seconds within what the index can state."""

    start: int
    end: int


WHENEVER = Span(ALWAYS, FOREVER)


def bounded(instant: int) -> int:
    """The instant, or the nearest that the index can state (1970-2106)."""
    return min(max(instant, ALWAYS), FOREVER)


def read(row: Row, column: str, parse: Callable[[str], Value]) -> Value:
    """Reads a cell.

    Raises:
        BadRowError: the parser refuses it.
    """
    try:
        return parse(row[column])
    except ValueError:
        raise BadRowError(column, "can't be read") from None


def read_optional(row: Row, column: str, parse: Callable[[str], Value]) -> Value | None:
    """Reads a cell that may be blank, which gives None.

    Raises:
        BadRowError: the parser refuses it.
    """
    return read(row, column, parse) if row[column].strip() else None


@lru_cache(_MEMORY)
def parse_time_cell(text: str) -> int:
    """Reads a day or an instant."""
    return parse_time(text.strip())


@lru_cache(_MEMORY)
def parse_day_cell(text: str) -> date:
    """Reads a day."""
    return parse_day(text.strip())


@lru_cache(_MEMORY)
def span_of_days(first: date | None, last: date | None) -> Span:
    """From the start of a first to the end of a last day; either may be open.

    Raises:
        ValueError: the last comes before the first. Days are compared, not instants: a span that was over
            before the index's first instant is not inverted but empty.
    """
    if first and last and last < first:
        raise ValueError("inverted")
    start = bounded(danish_midnight(first)) if first else ALWAYS
    return Span(start, bounded(danish_midnight(day_after(last))) if last else FOREVER)


def parse_owner_number(text: str) -> str:
    """Reads a CPR or a CVR number."""
    text = text.strip()
    return parse_cvr(text) if len(text) < CPR_DIGITS else parse_cpr(text)


def is_cpr(number: str) -> bool:
    """Whether an owner's number is a CPR number: a person's, not an organisation's."""
    return len(number) == CPR_DIGITS


def read_days(row: Row, first: str, last: str) -> Span | None:
    """Reads a span of days from the columns of its first and last day; None where both are blank.

    Raises:
        BadRowError: a day can't be read, or the last comes before the first.
    """
    first_day, last_day = read_optional(row, first, parse_day_cell), read_optional(row, last, parse_day_cell)
    if first_day is None and last_day is None:
        return None
    try:
        return span_of_days(first_day, last_day)
    except ValueError:
        raise BadRowError(last, f"comes before {first}") from None


def span_until(given: int | None, withdrawn: int | None) -> Span | None:
    """While something given and withdrawn holds: the later counts, at a tie the withdrawal.

    Source: domain rules, section 5, "Time".
    """
    if given is None:
        return None
    if withdrawn is None or withdrawn < given:
        return Span(bounded(given), FOREVER)
    return Span(bounded(given), bounded(withdrawn))
