"""Columns of days and instants to seconds of UTC.

Instants as the tables mostly have them (``YYYY-MM-DDTHH:MM:SSZ``, or Arrow's timestamps) are read on arrays;
everything else goes through the plain parsers, once for each distinct text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from resolver_grpc.build.bulk.texts import Column, Encoded, Flags, concatenated, encode, read_chunks, some_of, utf8
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.rows.cells import parse_day_cell, parse_time_cell
from resolver_grpc.times import five_years_after

Instants = npt.NDArray[np.int64]

BLANK = np.iinfo(np.int64).min
UNREADABLE = BLANK + 1

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
"""Of the years 1 and 9999, between which the calendar's texts lie."""
_WIDTH = len("YYYY-MM-DDTHH:MM:SSZ")
_MARKS = {4: b"-", 7: b"-", 10: b"T", 13: b":", 16: b":", 19: b"Z"}
_PAIRS = (0, 2, 5, 8, 11, 14, 17)
_HOUR = 3_600
_DAY = 24 * _HOUR


@dataclass(frozen=True, eq=False, slots=True)
class Times:
    """A column of instants: seconds of UTC, ``BLANK`` or ``UNREADABLE``."""

    seconds: Instants

    @property
    def given(self) -> Flags:
        """Which cells are not blank."""
        given: Flags = self.seconds != BLANK
        return given

    @property
    def unreadable(self) -> Flags:
        """Which cells are neither blank nor an instant."""
        unreadable: Flags = self.seconds == UNREADABLE
        return unreadable

    @property
    def bounded(self) -> Instants:
        """The instants, each within what the index can state; meaningless where there is none."""
        return np.clip(self.seconds, ALWAYS, FOREVER)


def read_times(column: Column) -> Times:
    """Reads a column as ``cells.parse_time_cell`` does."""
    if pa.types.is_timestamp(column.type):
        return Times(concatenated(map(_ticks, column.chunks), np.int64))
    if pa.types.is_date32(column.type) or pa.types.is_dictionary(column.type):
        return Times(encode(column).to(_parse, np.int64))
    return Times(concatenated(read_chunks(column, _read_chunk), np.int64))


def read_days(column: Column) -> Encoded[date | ValueError | None]:
    """Reads a column of days; None where it is blank, an error where it can't be read."""
    texts = encode(column)
    return Encoded([_parse_day(text) for text in texts.values], texts.indices)


def five_years_later(instants: Instants) -> Instants:
    """Gives ``times.five_years_after`` of each instant from 1970 to 2106.

    Danish clocks are set at full hours of UTC, so that it is asked once for each hour.
    """
    hours: Instants = instants // _HOUR
    later: Instants = np.zeros(int(hours.max(initial=0)) + 1, np.int64)
    asked = np.flatnonzero(np.bincount(hours))
    later[asked] = [five_years_after(hour * _HOUR) for hour in asked.tolist()]
    begun: Instants = later[hours]
    return begun + instants % _HOUR


def _ticks(chunk: Column) -> Instants:
    ticks = chunk.cast(pa.int64())
    seconds: Instants = ticks.fill_null(0).to_numpy(zero_copy_only=False) // _PER_SECOND[chunk.type.unit]
    seconds[(seconds < _FIRST_SECOND) | (seconds > _LAST_SECOND)] = UNREADABLE
    seconds[ticks.is_null().to_numpy(zero_copy_only=False)] = BLANK
    return seconds


def _read_chunk(chunk: Column) -> Instants:
    text = utf8(chunk)
    seconds = np.full(len(chunk), BLANK, np.int64)
    rows = np.flatnonzero(text.lengths == _WIDTH)
    found, taken = _written_out(text.matrix(rows, _WIDTH))
    seconds[rows[taken]] = found[taken]
    plain = text.lengths > 0
    plain[rows[taken]] = False
    rest = np.flatnonzero(plain)
    seconds[rest] = encode(some_of(chunk, rest)).to(_parse, np.int64)
    return seconds


def _written_out(cells: npt.NDArray[np.uint8]) -> tuple[Instants, Flags]:
    """Reads ``YYYY-MM-DDTHH:MM:SSZ``; the second array tells which cells are such, and days of the calendar."""
    taken = np.ones(len(cells), np.bool_)
    digits = np.zeros((_WIDTH, len(cells)), np.int32)
    for place in range(_WIDTH):
        if place in _MARKS:
            taken &= cells[:, place] == _MARKS[place][0]
        else:
            digits[place] = cells[:, place] - np.uint8(ord("0"))  # other bytes than digits wrap around to more
            taken &= digits[place] <= 9  # noqa: PLR2004
    digits[:, ~taken] = 1
    century, year, month, day, hour, minute, second = (digits[at] * 10 + digits[at + 1] for at in _PAIRS)
    year += century * 100
    months = ((year - 1970) * 12 + month - 1).astype(np.int64)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    taken &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= following - first)  # noqa: PLR2004
    taken &= (hour <= 23) & (minute <= 59) & (second <= 59)  # noqa: PLR2004 - a clock's
    return (first + day - 1) * _DAY + hour * _HOUR + minute * 60 + second, taken


def _parse(text: str) -> int:
    if not text.strip():
        return BLANK
    try:
        return parse_time_cell(text)
    except ValueError:
        return UNREADABLE


def _parse_day(text: str) -> date | ValueError | None:
    if not text.strip():
        return None
    try:
        return parse_day_cell(text)
    except ValueError as error:
        return error
