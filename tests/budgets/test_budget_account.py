"""Accounts: what stands in a slot, when a limit is passed, and how queries a second are paid for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.budgets.account import (
    ACCOUNT_BYTES,
    Account,
    ask,
    decode_account,
    encode_account,
    is_past,
    on_day,
    seconds_to_wait,
)

MOST = 10_000
NOON = 1_793_534_400.0

amounts = st.floats(0, 1e18)
accounts = st.builds(
    Account, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True), amounts, st.integers(0, 4_000_000),
    amounts, amounts,
)  # fmt: skip


@given(accounts)
def test_an_account_is_read_as_it_was_written(account):
    data = encode_account(account)
    assert len(data) == ACCOUNT_BYTES
    assert decode_account(data) == account


@given(st.one_of(st.binary(max_size=200), st.binary(min_size=ACCOUNT_BYTES, max_size=ACCOUNT_BYTES)))
def test_any_bytes_are_an_account_or_refused(data):
    try:
        account = decode_account(data)
    except ValueError:
        return
    assert account.sender_id
    assert all(math.isfinite(number) for number in account[1:])


@pytest.mark.parametrize("fields", [{"paid_until": math.nan}, {"misses": math.inf}, {"addresses": -1.0}])
def test_numbers_that_no_account_has_are_refused(fields):
    with pytest.raises(ValueError, match="no account"):
        decode_account(encode_account(Account("power")._replace(**fields)))


def test_another_day_begins_with_nothing_used_up():
    account = Account("power", 5.0, 739_577, 7.0, 8.0)
    assert on_day(account, 739_577) is account
    assert on_day(account, 739_578) == Account("power", 5.0, 739_578)


@given(st.integers(1, 10**9))
def test_a_limit_is_passed_before_an_estimate_in_doubt_and_not_before_nine_tenths_of_it(limit):
    assert is_past(limit + 1, limit)
    assert not is_past(0.95 * limit, limit)
    assert not is_past(0.0, limit)


def test_a_small_limit_is_reached_to_the_last():
    assert [is_past(count, 10) for count in (9.9, 10.01, 11.0)] == [False, False, True]


@given(st.integers(1, 5_000), st.lists(st.tuples(st.floats(0, 30), st.integers(0, MOST)), max_size=60))
def test_over_time_nobody_asks_for_more_than_the_rate(rate, calls):
    """What was let through never passes what a second's start and the time since pay for, and the last request."""
    account, instant, asked, last = Account("power", NOON), NOON, 0, 0
    for pause, queries in calls:
        instant += pause
        if seconds_to_wait(account, rate, MOST, instant):
            continue
        account = ask(account, queries, rate, instant)
        asked, last = asked + queries, queries
        assert asked - last <= (instant - NOON + 1) * rate * (1 + 1e-6)


@given(st.integers(1, 5_000), st.floats(0, 1e6))
def test_however_long_a_sender_was_silent_it_has_saved_up_a_second(rate, silence):
    """Two seconds' queries at once: the second of them is owed for."""
    instant = NOON + silence
    account = ask(Account("power", NOON), 2 * rate, rate, instant)
    assert seconds_to_wait(account, rate, MOST, instant) == pytest.approx(max(1, 2 - silence), abs=1e-5)


@given(st.integers(1, 5_000), st.integers(0, MOST))
def test_whoever_waits_as_long_as_told_is_let_through(rate, queries):
    account = ask(Account("power"), queries, rate, NOON)
    wait = seconds_to_wait(account, rate, MOST, NOON)
    assert wait <= MOST / rate
    assert seconds_to_wait(account, rate, MOST, NOON + wait + 1e-6) == 0
    assert bool(wait) == (queries > rate)


def test_a_clock_that_was_set_back_keeps_nobody_waiting():
    account = ask(Account("power"), 5_000, 1_000, NOON + 86_400)
    assert seconds_to_wait(account, 1_000, MOST, NOON) == 0
    assert seconds_to_wait(ask(account, 5_000, 1_000, NOON), 1_000, MOST, NOON) == 4


def test_a_rate_that_was_raised_counts_at_once():
    account = ask(Account("power"), 10_000, 1, NOON)
    assert seconds_to_wait(account, 1, MOST, NOON) == MOST - 1
    assert seconds_to_wait(account, 1_000, MOST, NOON) == 0
