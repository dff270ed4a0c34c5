"""Days and instants for made-up rows, as cells: some long past, some at the edges of an instant of judging.

What belongs here: texts of times, prepared once, so that millions of rows share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from resolver_grpc.build.population.dates import COPENHAGEN, LOGIN_YEARS

HORIZON_DAYS = 7
_YEARS_OF_MAILBOXES = timedelta(days=14 * 365)
_PAST_STEP = timedelta(days=3, hours=5, minutes=7, seconds=11)


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_offset(time: datetime) -> str:
    return time.astimezone(COPENHAGEN).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class TimePool:
    """Cells to choose from.

    Attributes:
        past_days: days before the register's, back over fourteen years.
        past: instants before the register's day.
        recent: instants of the last four years.
        stale: instants more than five years before the register's day.
        edges: the second of judging, its neighbours, and days of the horizon.
        login_edges: five years before the second of judging, and its neighbours.
        horizon_days: the days of the horizon.
        future_days: days past the horizon.
    """

    past_days: tuple[str, ...]
    past: tuple[str, ...]
    recent: tuple[str, ...]
    stale: tuple[str, ...]
    edges: tuple[str, ...]
    login_edges: tuple[str, ...]
    horizon_days: tuple[str, ...]
    future_days: tuple[str, ...]


def make_time_pool(register_date: date, as_of: datetime) -> TimePool:
    """Prepare the cells for a register's day and an instant of judging within its horizon."""
    start = datetime.combine(register_date, datetime.min.time(), COPENHAGEN)
    past = []
    time = start - _YEARS_OF_MAILBOXES
    while time < start - timedelta(days=1):
        past.append(time)
        time += _PAST_STEP
    recent = [time for time in past if time > start - timedelta(days=4 * 365)]
    stale = [time for time in past if time < start - timedelta(days=LOGIN_YEARS * 366 + 30)]
    local = as_of.astimezone(COPENHAGEN)
    leap = (local.month, local.day) == (2, 29)
    login = local.replace(year=local.year - LOGIN_YEARS, day=28 if leap else local.day)
    around = [timedelta(seconds=second) for second in (-1, 0, 1)]
    horizon_days = tuple(str(register_date + timedelta(days=day)) for day in range(HORIZON_DAYS))
    return TimePool(
        past_days=tuple(str(time.date()) for time in past),
        past=tuple(map(_instant, past)),
        recent=tuple(map(_instant, recent)),
        stale=tuple(map(_instant, stale)),
        edges=(*(_instant(as_of + step) for step in around), _with_offset(as_of), *horizon_days),
        login_edges=tuple(_instant(login + step) for step in around),
        horizon_days=horizon_days,
        future_days=tuple(str(register_date + timedelta(days=day)) for day in range(8, 400, 30)),
    )
