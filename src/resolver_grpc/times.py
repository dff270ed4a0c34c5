"""Days and instants of the domain: Danish midnights, five years, and their texts.

What belongs here: pure arithmetic between days of the Danish calendar and instants, which are whole
seconds of UTC since 1970. Nothing reads a clock.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DENMARK = ZoneInfo("Europe/Copenhagen")

_HOUR = 3_600
_MEMORY = 1 << 16

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def parse_day(text: str) -> date:
    """Reads a day ``YYYY-MM-DD``.

    Raises:
        ValueError: it is not one; the text is not repeated in the error.
    """
    if not _DAY.fullmatch(text):
        raise ValueError("not a day YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("not a day of the calendar") from None


def parse_time(text: str) -> int:
    """Reads a day (Danish midnight at its start) or an instant with ``Z`` or an offset.

    Fractions of a second are dropped: an instant counts from the second that it falls in.

    Returns:
        The instant, in seconds of UTC.

    Raises:
        ValueError: it is neither; an instant without a zone is not guessed at.
    """
    if _DAY.fullmatch(text):
        return danish_midnight(parse_day(text))
    if not _INSTANT.fullmatch(text):
        raise ValueError("neither a day YYYY-MM-DD nor an instant YYYY-MM-DDTHH:MM:SS with Z or an offset")
    try:
        return int(datetime.fromisoformat(text).timestamp() // 1)
    except (ValueError, OverflowError):
        raise ValueError("not an instant of the calendar") from None


@lru_cache(_MEMORY)
def danish_midnight(day: date) -> int:
    """The instant at which a day starts in Denmark, in seconds of UTC."""
    try:
        return int(datetime(day.year, day.month, day.day, tzinfo=DENMARK).timestamp())
    except OverflowError:
        raise ValueError("not a day of the calendar") from None


def danish_day(instant: float) -> date:
    """The day that an instant falls on in Denmark."""
    return _danish_day(instant // _HOUR)


@lru_cache(_MEMORY)
def _danish_day(hour: float) -> date:
    """The day on which an hour of UTC falls: since 1894 the offset is one of whole hours."""
    return datetime.fromtimestamp(hour * _HOUR, DENMARK).date()


def day_after(day: date, days: int = 1) -> date:
    """The day so many days later; the calendar's last day is followed by itself."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.max


def five_years_after(instant: int) -> int:
    """The same local time in Denmark five calendar years later; 29 February becomes the 28th.

    A mailbox whose last login was five years ago to the second still counts as used (domain rules,
    section 5), so this is the last second of its use.
    """
    hour, seconds = divmod(instant, _HOUR)
    return _five_years_after(hour) + seconds


@lru_cache(_MEMORY)
def _five_years_after(hour: int) -> int:
    """The same for the beginning of an hour of UTC: its seconds follow each other then as they do now."""
    local = datetime.fromtimestamp(hour * _HOUR, DENMARK).replace(fold=0)
    year = min(local.year + 5, date.max.year)
    try:
        later = local.replace(year=year)
    except ValueError:
        later = local.replace(year=year, day=28)
    return int(later.timestamp())


def format_instant(instant: int) -> str:
    """An instant as ``YYYY-MM-DDTHH:MM:SSZ``."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


HORIZON_DAYS = 7
"""For how many days from its register date on a snapshot holds keys (domain rules, section 5)."""


def register_window(register_date: date) -> tuple[int, int]:
    """From when a snapshot of that register date answers, and from when on it is stale."""
    return danish_midnight(register_date), danish_midnight(day_after(register_date, HORIZON_DAYS))
