"""What changes bring about takes effect at its instant, with the server's clock alone moving."""

import pytest
from change_nursery import Clock, fresh_id, new_log, registering, unchanged

from change_messages import message
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from small_register import ANN, LINE

BY_NAME = QueryRow("a", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE)
REACHED, OPTED_OUT, GONE = ("DELIVERABLE", [ANN]), ("OPTED_OUT", []), ("NOT_FOUND", [])


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registrar(tmp_path, clock):
    register = unchanged(tmp_path)
    log = new_log(tmp_path / "log", register.key)
    with registering(register, log, tmp_path, clock=clock) as registrar:
        yield registrar


def told_at(registrar, clock, time):
    """What is told the second before a time, and at it."""
    told = []
    for by in (-1, 0):
        clock.instant = parse_time(time) + by
        told.append(registrar.ask(BY_NAME))
    return told


def sent(name, time, **fields):
    return message(name, ANN, time, fresh_id(), **fields)


@pytest.mark.parametrize(
    ("notice", "in_force"),
    [
        ("2026-11-01T22:59:59Z", "2026-11-07T23:00:00Z"),
        ("2026-11-01T23:00:00Z", "2026-11-08T23:00:00Z"),
        # The night of 28 March 2027 has 23 hours: summer time begins within the day that it leads to.
        ("2027-03-21T12:00:00Z", "2027-03-27T23:00:00Z"),
        ("2027-03-22T12:00:00Z", "2027-03-28T22:00:00Z"),
    ],
)
def test_an_opt_out_is_in_force_from_danish_midnight_of_the_seventh_day_after_the_notice(
    registrar, clock, notice, in_force
):
    registrar.took(sent("opted_out", notice, sender_id="power"))
    assert told_at(registrar, clock, in_force) == [REACHED, OPTED_OUT]


def test_a_notice_can_be_taken_back_until_the_second_before_it_is_in_force(registrar, clock):
    registrar.took(sent("opted_out", "2026-11-01T11:00:00Z", sender_id="power"))
    late, in_time = (
        sent("opt_out_cancelled", time, sender_id="power") for time in ("2026-11-07T23:00:00Z", "2026-11-07T22:59:59Z")
    )
    assert registrar.apply(late)[0].field == "opt_out_cancelled.sender_id"
    registrar.took(in_time)
    assert told_at(registrar, clock, "2026-11-07T23:00:00Z") == [REACHED, REACHED]


def test_a_protection_holds_on_its_first_and_on_its_last_day(registrar, clock):
    days = pb.Protection(first_day="2027-03-27", last_day="2027-03-28")
    registrar.took(sent("protection_set", "2026-11-01T11:00:00Z", protections=[days]))
    assert told_at(registrar, clock, "2027-03-26T23:00:00Z") == [REACHED, GONE]
    assert told_at(registrar, clock, "2027-03-28T22:00:00Z") == [GONE, REACHED]


@pytest.mark.parametrize(
    ("login", "last"),
    [("2026-11-01T10:00:00Z", "2031-11-01T10:00:00Z"), ("2024-02-29T10:00:00Z", "2029-02-28T10:00:00Z")],
)
def test_a_login_exactly_five_years_ago_still_counts(registrar, clock, login, last):
    registrar.took(sent("logged_in", login))
    assert told_at(registrar, clock, last) == [REACHED, REACHED]
    clock.instant += 1
    assert registrar.ask(BY_NAME) == GONE


def test_a_consent_is_withdrawn_from_its_second_on_also_where_that_was_told_before(registrar, clock):
    registrar.took(sent("address_consent_withdrawn", "2026-11-02T10:00:00Z"))
    assert told_at(registrar, clock, "2026-11-02T10:00:00Z") == [REACHED, GONE]


def test_a_clock_that_is_set_back_finds_what_held_then(registrar, clock):
    registrar.took(sent("mailbox_closed", "2026-11-03T10:00:00Z"))
    for _ in range(2):
        assert told_at(registrar, clock, "2026-11-03T10:00:00Z") == [REACHED, GONE]
