"""The slow reading of the rules on time: Danish days, instants, five years without a login.

What belongs here: text to UTC seconds and Danish calendar arithmetic. Nothing looks at a clock.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
FOREVER = 2**62
LOGIN_YEARS = 5
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})"
)


def midnight(day: date) -> int:
    """Return the UTC second at which a Danish day starts."""
    return int(datetime.combine(day, time(), COPENHAGEN).timestamp())


def midnight_after(day: date) -> int:
    """Return the UTC second at which a Danish day has just ended."""
    return FOREVER if day == date.max else midnight(day + timedelta(days=1))


def read_day(text: str) -> date | None:
    """Read a day ``YYYY-MM-DD``; None if it can't be read."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_time(text: str) -> int | None:
    """Read a day (its Danish midnight) or an instant, in UTC seconds, rounded down; None if unreadable."""
    day = read_day(text)
    if day is not None:
        return midnight(day)
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        # A fraction of a second is left out, which rounds down on either side of 1970.
        return int(datetime.fromisoformat(match["local"] + match["offset"]).timestamp())
    except ValueError:
        return None


def last_second_of_login(login: int) -> int:
    """Return the last UTC second at which a login still counts: five years later at the same local time.

    The 29th of February counts until the 28th; where the local time occurs twice on that day, the first counts.
    """
    if login < 0:
        return 0  # before 1970 nobody had a mailbox to log in to
    local = datetime.fromtimestamp(login, COPENHAGEN).replace(fold=0)
    year = local.year + LOGIN_YEARS
    if year > MAXYEAR:
        return FOREVER
    try:
        later = local.replace(year=year)
    except ValueError:
        later = local.replace(year=year, day=28)
    return int(later.timestamp())
