"""Days, instants and five years (domain rules, section 5, "Time")."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.times import (
    danish_midnight,
    day_after,
    five_years_after,
    format_instant,
    parse_day,
    parse_time,
    register_window,
)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15", "2026-01-14T23:00:00Z"),
        ("2026-07-15", "2026-07-14T22:00:00Z"),
        ("2026-03-29", "2026-03-28T23:00:00Z"),  # clocks go forward later that night
        ("2026-03-30", "2026-03-29T22:00:00Z"),
        ("2026-10-26", "2026-10-25T23:00:00Z"),
        ("2026-07-15T12:00:00Z", "2026-07-15T12:00:00Z"),
        ("2026-07-15T12:00:00+02:00", "2026-07-15T10:00:00Z"),
        ("2026-07-15 12:00:00.999999Z", "2026-07-15T12:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
    ],
)
def test_a_day_is_danish_midnight_and_an_instant_says_its_zone(text, utc):
    assert format_instant(parse_time(text)) == utc


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-29", "2026-13-01", "20260101", "2026-01-01T12:00:00", "2026-01-01T25:00:00Z", "today", "2026-W01-1"],
)
def test_what_is_neither_day_nor_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"^(not|neither) ") as refused:
        parse_time(text)
    assert not text or text not in str(refused.value)


def test_the_calendar_ends():
    assert day_after(date.max) == date.max
    assert parse_time("9999-12-31") > parse_time("9999-12-30")
    with pytest.raises(ValueError, match="calendar"):
        parse_day("0000-01-01")


@pytest.mark.parametrize(
    ("instant", "later"),
    [
        ("2021-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("2024-02-29T12:00:00Z", "2029-02-28T12:00:00Z"),
        ("2021-03-28T12:00:00Z", "2026-03-28T13:00:00Z"),  # summer time in 2021, not yet in 2026: same local time
        ("2021-10-31T00:30:00Z", "2026-10-31T01:30:00Z"),  # 02:30, the first of the two
        ("2021-10-31T01:30:00Z", "2026-10-31T01:30:00Z"),  # and the second
        ("2021-01-14T23:00:00Z", "2026-01-14T23:00:00Z"),
    ],
)
def test_five_years_later_is_the_same_danish_local_time(instant, later):
    assert format_instant(five_years_after(parse_time(instant))) == later


@given(st.dates(date(1970, 1, 2), date(2100, 1, 1)))
def test_five_years_after_a_day_is_a_day(day):
    try:
        later = day.replace(year=day.year + 5)
    except ValueError:
        later = date(day.year + 5, 2, 28)
    assert five_years_after(danish_midnight(day)) == danish_midnight(later)


def test_a_snapshot_answers_from_its_register_date_and_is_fresh_for_seven_days():
    valid_from, horizon = register_window(date(2026, 10, 24))
    assert format_instant(valid_from) == "2026-10-23T22:00:00Z"
    assert format_instant(horizon) == "2026-10-30T23:00:00Z"
