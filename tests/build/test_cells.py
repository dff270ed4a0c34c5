from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blank_rows import ANN, FIRM, at
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.rows.cells import BadRowError, Span, bounded, is_cpr, parse_owner_number, read, read_days, span_until


def days(first, last):
    return read_days({"from": first, "to": last}, "from", "to")


@pytest.mark.parametrize(
    ("first", "last", "span"),
    [
        ("", "", None),
        ("2026-11-01", "2026-11-01", (at("2026-11-01"), at("2026-11-02"))),
        ("2026-11-01", "", (at("2026-11-01"), FOREVER)),
        ("", " 2026-11-01 ", (ALWAYS, at("2026-11-02"))),
        ("2026-10-25", "2026-10-25", (at("2026-10-25"), at("2026-10-25") + 25 * 3600)),  # the clock goes back
        ("0001-01-01", "9999-12-31", (ALWAYS, FOREVER)),
        ("2150-01-01", "", (FOREVER, FOREVER)),
        ("1960-01-01", "1965-01-01", (ALWAYS, ALWAYS)),
    ],
)
def test_a_span_of_days_holds_on_its_first_and_on_its_last_day(first, last, span):
    """Beyond what the index can state (1970-2106) a span is empty or cut, never refused."""
    assert days(first, last) == span


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        ("2026-11-02", "2026-11-01", "to comes before from"),
        ("1965-01-02", "1965-01-01", "to comes before from"),
        ("2026-02-29", "", "from can't be read"),
        ("", "2026-11-01T00:00:00Z", "to can't be read"),
    ],
)
def test_days_that_cant_be_read_or_are_inverted_reject_the_row(first, last, problem):
    with pytest.raises(BadRowError) as raised:
        days(first, last)
    assert str(raised.value) == problem


@given(st.dates(), st.dates())
def test_days_are_inverted_by_the_calendar_alone(first, last):
    if last < first:
        with pytest.raises(BadRowError):
            days(first.isoformat(), last.isoformat())
        return
    start, end = days(first.isoformat(), last.isoformat())
    assert start <= end
    if date(1971, 1, 1) < first and last < date(2105, 1, 1):
        assert (start, end) == (at(first.isoformat()), at((last + timedelta(days=1)).isoformat()))


@given(st.none() | st.integers(0, 8), st.none() | st.integers(0, 8), st.integers(0, 9))
def test_of_given_and_withdrawn_the_later_counts_and_at_a_tie_the_withdrawal(given_at, withdrawn_at, instant):
    events = [(given_at, 0, True), (withdrawn_at, 1, False)]
    later_counts = given_at is not None and (withdrawn_at is None or withdrawn_at < given_at)
    past = sorted(event for event in events if event[0] is not None and event[0] <= instant)
    expected = bool(past) and (past[-1][2] or (later_counts and given_at <= instant))
    span = span_until(given_at, withdrawn_at)
    assert (span is not None and span.start <= instant < span.end) is expected


@pytest.mark.parametrize(
    ("instant", "stated"), [(-1, ALWAYS), (0, 0), (FOREVER - 1, FOREVER - 1), (FOREVER + 1, FOREVER)]
)
def test_instants_are_kept_within_what_the_index_can_state(instant, stated):
    assert bounded(instant) == stated


@pytest.mark.parametrize(("text", "number"), [(f" {ANN} ", ANN), ("010180-1239", ANN), (f" {FIRM}", FIRM)])
def test_the_length_tells_a_cpr_from_a_cvr_number(text, number):
    assert parse_owner_number(text) == number
    assert is_cpr(number) is (number == ANN)


@pytest.mark.parametrize("text", ["", "1", "12345678", "3102801234", "6101801239", "0000000000", "01018012399", "ø"])
def test_a_number_that_cant_be_one_is_refused_without_being_repeated(text):
    with pytest.raises(BadRowError) as raised:
        read({"number": text}, "number", parse_owner_number)
    assert str(raised.value) == "number can't be read"
    assert raised.value.__cause__ is None


def test_whenever_is_all_that_the_index_can_state():
    assert Span(ALWAYS, FOREVER) == (0, 2**32 - 1)
