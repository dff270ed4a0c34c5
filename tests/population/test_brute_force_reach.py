"""The brute force against section 5, paragraph by paragraph: who may be reached, to the second."""

import pytest
from population_worlds import (
    ANNE,
    BO,
    CARL,
    DORA,
    FIRM,
    NOON,
    PRIVATE,
    PUBLIC,
    by_address,
    by_cpr,
    by_cvr,
    by_email,
    by_first_name,
    by_name,
    claim,
    copenhagen,
    mailbox,
    outcome,
    person,
    reached,
    relation,
    utc,
    world,
)

from resolver_grpc.build.population.dates import last_second_of_login, midnight, read_day

MIDNIGHT = copenhagen(2026, 11, 3)


@pytest.mark.parametrize(
    ("cells", "before", "after"),
    [
        ({"opened": "2026-11-03", "last_login": ""}, [], [ANNE]),
        ({"closed": "2026-11-03"}, [ANNE], []),
        ({"private_closed": "2026-11-03"}, [ANNE], []),
        ({"address_consent_given": "2026-11-03"}, [], [ANNE]),
        ({"address_consent_withdrawn": "2026-11-03"}, [ANNE], []),
        ({"address_consent_withdrawn": "2026-11-03T00:00:00+01:00"}, [ANNE], []),
        ({"address_consent_withdrawn": "2026-11-02T23:00:00.9Z"}, [ANNE], []),
    ],
)
def test_a_time_holds_from_its_second_on(cells, before, after):
    where = world(mailboxes=[mailbox(**cells)])
    assert reached(by_name(), where, at=MIDNIGHT - 1) == before
    assert reached(by_name(), where, at=MIDNIGHT) == after


def test_private_closed_leaves_public_post():
    where = world(mailboxes=[mailbox(private_closed="2020-01-01")])
    assert reached(by_name(), where, PUBLIC) == [ANNE]
    assert reached(by_cpr(), where, PRIVATE) == []


@pytest.mark.parametrize(
    ("given", "withdrawn", "expected"),
    [
        ("2020-01-01", "2020-01-02", []),
        ("2020-01-02", "2020-01-01", [ANNE]),
        ("2020-01-01", "2020-01-01", []),
        ("2020-01-01", "2026-12-01", [ANNE]),
        ("", "", []),
        ("2026-11-01T11:00:01Z", "", []),
        ("2026-11-01T11:00:00Z", "", [ANNE]),
    ],
)
def test_of_consent_given_and_withdrawn_the_later_wins(given, withdrawn, expected):
    where = world(mailboxes=[mailbox(address_consent_given=given, address_consent_withdrawn=withdrawn)])
    assert reached(by_address(), where) == expected


@pytest.mark.parametrize("status", ["01", "03", "05", "07"])
def test_residents_are_found_at_their_address(status):
    assert reached(by_name(), world([person(status=status)])) == [ANNE]


@pytest.mark.parametrize("status", ["20", "30", "50", "60", "70", "80", "90"])
def test_others_are_not_but_their_number_is(status):
    where = world([person(status=status)])
    assert reached(by_name(), where) == []
    assert reached(by_cpr(), where, PUBLIC) == [ANNE]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(s, [ANNE]) for s in ("01", "03", "05", "07", "20")] + [(s, []) for s in "30 50 60 70 80 90".split()],
)
def test_email_reaches_those_in_the_register_who_are_not_gone(status, expected):
    assert reached(by_email(), world([person(status=status)], [claim()])) == expected


@pytest.mark.parametrize(
    "cells",
    [
        {"email_verified": ""},
        {"email_claimed": ""},
        {"email_verified": "2026-11-02"},
        {"email_claimed": "2026-11-02"},
        {"email_dropped": "2021-04-05T12:01:00Z"},
        {"closed": "2026-10-01"},
    ],
)
def test_email_needs_a_claim_in_force_and_an_open_mailbox(cells):
    assert reached(by_email(), world(mailboxes=[claim(**cells)])) == []


def test_email_needs_no_address_consent_and_a_drop_before_the_claim_is_past():
    cells = {"address_consent_given": "", "email_dropped": "2021-04-05T12:00:59Z"}
    assert reached(by_email("ANNE@Post.example "), world(mailboxes=[claim(**cells)])) == [ANNE]


def test_owners_outside_the_register_and_organisations_have_a_number_only():
    where = world([], [claim(CARL), mailbox(FIRM, email_address="f@f.example")])
    assert reached(by_email(), where) == []
    assert reached(by_cpr(CARL), where, PUBLIC) == [CARL]
    assert reached(by_cvr(), where, PUBLIC) == [FIRM]


@pytest.mark.parametrize(
    ("protections", "day_of_november", "protected"),
    [
        ("2026-11-03/2026-11-04", 2, False),
        ("2026-11-03/2026-11-04", 3, True),
        ("2026-11-03/2026-11-04", 4, True),
        ("2026-11-03/2026-11-04", 5, False),
        ("2026-11-03/", 2, False),
        ("2026-11-03/", 30, True),
        ("2020-01-01/2020-12-31", 2, False),
        ("2020-01-01/2020-12-31;2026-11-02/", 2, True),
        ("/2020-12-31", 2, True),
        ("2020-12-31/2020-01-01", 2, True),
        ("2020-02-30/", 2, True),
        ("2020-01-01", 2, True),
        ("unknown", 2, True),
        ("2020-01-01/x", 2, True),
    ],
)
def test_protection_holds_on_its_first_and_last_day_and_always_if_unreadable(protections, day_of_november, protected):
    where = world([person(protections=protections)], [claim()])
    for second in (copenhagen(2026, 11, day_of_november), copenhagen(2026, 11, day_of_november, 23, 59, 59)):
        expected = [] if protected else [ANNE]
        assert reached(by_name(), where, at=second) == expected
        assert reached(by_email(), where, at=second) == expected
        assert reached(by_cpr(), where, PUBLIC, at=second) == [ANNE]


@pytest.mark.parametrize(
    ("login", "last"),
    [
        (copenhagen(2021, 11, 3, 8, 30, 5), copenhagen(2026, 11, 3, 8, 30, 5)),
        (copenhagen(2024, 2, 29, 10), copenhagen(2029, 2, 28, 10)),
        # A winter login whose fifth anniversary falls into summer time keeps its local time.
        (copenhagen(2021, 3, 28, 1), copenhagen(2026, 3, 28, 1)),
        (copenhagen(2022, 3, 26, 12), copenhagen(2027, 3, 26, 12)),
        # 2020-10-25 had 02:30 twice, as 2015-10-25 had: either login counts until the first, which reaches fewer.
        (copenhagen(2015, 10, 25, 2, 30), utc(2020, 10, 25, 0, 30)),
        (copenhagen(2015, 10, 25, 2, 30) + 3600, utc(2020, 10, 25, 0, 30)),
    ],
)
def test_a_login_counts_until_the_same_local_time_five_years_later(login, last):
    assert last_second_of_login(login) == last


def test_a_login_at_a_local_time_that_its_fifth_anniversary_lacks():
    """2026-03-29 has no 02:30; by the clock before the change that is 03:30 in summer."""
    assert last_second_of_login(copenhagen(2021, 3, 29, 2, 30)) == utc(2026, 3, 29, 1, 30)


def test_five_years_without_a_login_close_the_mailbox_a_second_later():
    where = world(mailboxes=[mailbox(last_login="2021-11-03T08:00:00+01:00")])
    last = copenhagen(2026, 11, 3, 8)
    assert reached(by_name(), where, at=last) == [ANNE]
    assert reached(by_name(), where, at=last + 1) == []
    assert reached(by_cpr(), where, PUBLIC, at=last + 1) == []


def test_without_a_login_the_opening_counts():
    where = world(mailboxes=[mailbox(opened="2021-11-03", last_login="")])
    assert reached(by_name(), where, at=MIDNIGHT) == [ANNE]
    assert reached(by_name(), where, at=MIDNIGHT + 1) == []


def test_an_opt_out_holds_from_its_midnight_on():
    where = world(relations=[relation("OPTED_OUT", effective="2026-11-03")])
    assert outcome(by_name(), where, at=MIDNIGHT - 1)[1] == "DELIVERABLE"
    assert outcome(by_name(), where, at=MIDNIGHT)[1] == "OPTED_OUT"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-11-02", "2026-11-02", ["DELIVERABLE", "FORWARDED", "DELIVERABLE"]),
        ("", "2026-11-02", ["FORWARDED", "FORWARDED", "DELIVERABLE"]),
        ("2026-11-02", "", ["DELIVERABLE", "FORWARDED", "FORWARDED"]),
        ("", "", ["FORWARDED", "FORWARDED", "FORWARDED"]),
    ],
)
def test_forwarding_holds_on_its_first_and_last_day(first, last, expected):
    row = mailbox(FIRM, forwarding_address="post@firma.example", forwarding_from=first, forwarding_to=last)
    days = [copenhagen(2026, 11, day, 23, 59, 59) for day in (1, 2, 3)]
    assert [outcome(by_cvr(), world([], [row]), PUBLIC, day)[1] for day in days] == expected


def test_exemption_holds_on_its_last_day():
    where = world(mailboxes=[mailbox(exempt_from="2026-11-02", exempt_to="2026-11-02")])
    days = [copenhagen(2026, 11, day, 23, 59, 59) for day in (1, 2, 3)]
    assert [outcome(by_cpr(), where, PUBLIC, day)[1] for day in days] == ["DELIVERABLE", "EXEMPT", "DELIVERABLE"]


def old(number, current, status="60"):
    return {"number": number, "status": status, "current_number": current}


@pytest.mark.parametrize(
    "persons",
    [
        [old(BO, ANNE), person()],
        [old(BO, ANNE, "50"), person()],
        [person(old_numbers=BO)],
        [old(BO, ANNE), person(old_numbers=BO)],
        [old(BO, CARL), old(CARL, ANNE), person(old_numbers=CARL)],
    ],
)
def test_old_numbers_lead_to_the_current_one_with_mailbox_and_relations(persons):
    where = world(persons, [claim(BO)], [relation("SUBSCRIBED", BO)])
    for query in (by_cpr(BO), by_cpr(ANNE), by_name(), by_email()):
        assert outcome(query, where) == ("MAILBOX", "DELIVERABLE", [ANNE])


@pytest.mark.parametrize(
    ("persons", "involved"),
    [
        ([old(ANNE, BO), old(BO, ANNE)], [ANNE, BO]),
        ([old(ANNE, ANNE)], [ANNE]),
        ([person(old_numbers=CARL), person(BO, old_numbers=CARL)], [ANNE, BO, CARL]),
        ([old(CARL, ANNE), person(), person(BO, old_numbers=CARL)], [ANNE, BO, CARL]),
        ([person(old_numbers=BO), person(BO)], [ANNE, BO]),
        ([old(DORA, ANNE), old(ANNE, BO), old(BO, ANNE)], [ANNE, BO, DORA]),
    ],
)
def test_numbers_that_contradict_each_other_are_out(persons, involved):
    for owner in involved:
        where = world(persons, [mailbox(owner)])
        assert [reached(by_cpr(number), where, PUBLIC) for number in involved] == [[]] * len(involved)
        assert reached(by_name(), where) == []


BAD_PERSONS = [
    {"status": "9X"},
    {"status": ""},
    {"floor": "loft"},
    {"door": "bagved"},
    {"postal_code": "800"},
    {"house_number": "0"},
    {"municipality_code": "75"},
    {"road_code": "x"},
    {"old_numbers": "1"},
    {"current_number": "1"},
]
BAD_MAILBOXES = [
    {column: "x"}
    for column in (
        "opened closed private_closed last_login address_consent_given address_consent_withdrawn email_verified "
        "email_claimed email_dropped exempt_from exempt_to forwarding_address forwarding_from"
    ).split()
] + [
    {"opened": ""},
    {"exempt_from": "2026-01-02", "exempt_to": "2026-01-01"},
    {"exempt_from": "2026-01-02T00:00:00Z"},
    {"forwarding_address": "a@firma.example", "forwarding_from": "2026-01-01"},
    {"last_login": "2026-01-01T10:00:00"},
]


@pytest.mark.parametrize("cells", BAD_PERSONS)
def test_a_bad_row_of_persons_takes_its_owner_out(cells):
    assert reached(by_cpr(), world([person(**cells)]), PUBLIC) == []


@pytest.mark.parametrize("cells", BAD_MAILBOXES)
def test_a_bad_row_of_mailboxes_takes_its_owner_out_and_its_email_counts_always(cells):
    where = world([person(), person(BO)], [claim(**cells), claim(BO)])
    assert reached(by_cpr(), where, PUBLIC) == []
    assert outcome(by_email(), where)[1] == "AMBIGUOUS_RECIPIENT"


def test_an_unreadable_email_address_takes_its_owner_out():
    assert reached(by_cpr(), world(mailboxes=[claim(email_address="no address")]), PUBLIC) == []


@pytest.mark.parametrize("cells", [{"relation": "FRIEND"}, {"effective_time": ""}, {"sender_id": " "}])
def test_a_bad_row_of_relations_takes_its_owner_out(cells):
    where = world(relations=[{**relation("SUBSCRIBED"), **cells}])
    assert reached(by_cpr(), where, PUBLIC) == []


@pytest.mark.parametrize(
    "where",
    [
        world([person(), person()], [mailbox()]),
        world(mailboxes=[mailbox(), mailbox()]),
        world([old(BO, ANNE), person()], [mailbox(), mailbox(BO)]),
        world(relations=[relation("BOUND"), relation("BOUND", effective="2020-01-01")]),
        world([old(BO, ANNE), person()], [mailbox()], [relation("BOUND"), relation("BOUND", BO)]),
    ],
)
def test_two_rows_where_one_is_allowed_reject_both(where):
    assert reached(by_cpr(), where, PUBLIC) == []
    assert reached(by_name(), where) == []


def test_two_mailboxes_of_one_owner_leave_their_claims():
    mailboxes = [claim(email_dropped="2026-01-01"), mailbox(), claim(BO)]
    assert outcome(by_email(), world([person(), person(BO)], mailboxes))[1] == "AMBIGUOUS_RECIPIENT"


def test_a_mailbox_with_an_unreadable_number_leaves_its_claim():
    where = world([person()], [claim(), claim("123")])
    assert outcome(by_email(), where)[1] == "AMBIGUOUS_RECIPIENT"


@pytest.mark.parametrize(
    "cells", [{"road_code": "9901"}, {"house_number": ""}, {"street_name": ""}, {"postal_code": ""}]
)
def test_without_a_real_address_nobody_is_found_by_its_text(cells):
    where = world([person(status="03", **cells)])
    assert reached(by_name(), where) == []
    assert reached(by_cpr(), where, PUBLIC) == [ANNE]


def test_names_of_one_word_and_none():
    one, none = world([person(full_name="Anne")]), world([person(full_name=" . ")])
    assert reached(by_name(full_name="Anne Anne"), one) == []
    assert reached(by_first_name(), one) == [ANNE]
    assert reached(by_first_name(), none) == []
    assert reached(by_address(), none) == [ANNE]


def test_a_protection_until_the_last_day_of_the_calendar_has_no_end():
    where = world([person(protections="2020-01-01/9999-12-31")])
    assert reached(by_name(), where, at=NOON) == []
    assert midnight(read_day("9999-12-31")) > NOON
