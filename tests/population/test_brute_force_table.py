"""The brute force against section 7, row by row, by hand."""

import pytest
from population_worlds import (
    ANNE,
    BO,
    CARL,
    FIRM,
    LETTERS,
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
    relation,
    sender,
    world,
)

from resolver_grpc.build.population.brute_force import decide
from resolver_grpc.errors import NotYetValidError
from resolver_grpc.model import Kind, QueryRow, Route, SenderClass, Target

HANDLE = QueryRow(kind=Kind.HANDLE, handle=b"0123456789abcdef")
HOLDING = sender(hold=True, terms_consent=True, fallback=Route.LETTER)
DELIVERED = ("MAILBOX", "DELIVERABLE", [ANNE])


def test_row_1_comes_before_all_others():
    nobody = sender(kinds=frozenset())
    assert decide(by_name(floor="loft"), nobody, world(), NOON, personal_content=True)[:3] == (5, 27, "floor")


def test_row_2_kind_not_allowed_comes_before_personal_content():
    limited = sender(kinds=frozenset({Kind.FULL_NAME}))
    assert outcome(by_address(), asker=limited, personal=True) == ("REJECT", "KIND_NOT_ALLOWED", [])
    assert outcome(by_name(), asker=limited) == DELIVERED


def test_row_3_personal_content_binds_address_alone():
    assert outcome(by_address(), personal=True) == ("REJECT", "PERSONAL_CONTENT", [])
    assert outcome(by_name(), personal=True) == DELIVERED


def test_row_4_several_roads_whoever_lives_there():
    """A dead person far down the other road makes the text ambiguous, for ADDRESS only."""
    other = person(BO, status="90", road_code="0043", house_number="99")
    where = world([person(), other])
    assert outcome(by_address(), where) == ("REJECT", "AMBIGUOUS_ADDRESS", [])
    assert outcome(by_name(), where) == DELIVERED


@pytest.mark.parametrize("query", [by_name(), by_first_name(), by_email(), by_cpr(), by_cvr()])
def test_row_5_holds_for_a_sender_with_hold_and_terms(query):
    nobody = world([], [])
    assert outcome(query, nobody, HOLDING) == ("HOLD", "HELD_FOR_SENDER", [])
    assert outcome(query, nobody, sender(hold=True))[1] == "NOT_FOUND"
    assert outcome(query, nobody, sender(terms_consent=True))[1] == "NOT_FOUND"


def test_row_5_never_holds_address_and_handle():
    assert outcome(by_address(), world([], []), HOLDING) == ("LETTER", "NOT_FOUND", [])
    assert outcome(HANDLE, asker=HOLDING) == ("REJECT", "NOT_FOUND", [])


@pytest.mark.parametrize("query", [by_name(), by_first_name(), by_address()])
def test_row_6_an_address_can_have_a_letter(query):
    assert outcome(query, world([], []), LETTERS) == ("LETTER", "NOT_FOUND", [])
    assert outcome(query, world([], [])) == ("REJECT", "NOT_FOUND", [])


def test_row_6_others_have_a_letter_only_where_they_say_so():
    for make in (by_cpr, by_email, by_cvr):
        assert outcome(make(), world([], []), LETTERS) == ("REJECT", "NOT_FOUND", [])
        assert outcome(make(has_postal_address=True), world([], []), LETTERS) == ("LETTER", "NOT_FOUND", [])


def test_row_7_two_who_consented_are_ambiguous_even_if_one_opted_out():
    where = world([person(), person(BO)], relations=[relation("OPTED_OUT")])
    assert outcome(by_name(), where) == ("REJECT", "AMBIGUOUS_RECIPIENT", [])


def test_row_7_one_of_two_namesakes_who_consented_gets_it():
    where = world([person(), person(BO)], [mailbox(), mailbox(BO, address_consent_given="")])
    assert outcome(by_name(), where) == DELIVERED


def test_row_7_other_claims_count_whether_or_not_they_can_be_reached():
    dead = person(BO, status="90")
    where = world([person(), dead], [claim(), claim(BO, closed="2020-01-01")])
    assert outcome(by_email(), where) == ("REJECT", "AMBIGUOUS_RECIPIENT", [])
    only_dead = world([person(), dead], [mailbox(), claim(BO)])
    assert outcome(by_email(), only_dead, HOLDING) == ("HOLD", "HELD_FOR_SENDER", [])


def test_row_8_exempt_from_public_senders_only():
    where = world(mailboxes=[mailbox(exempt_from="2026-01-01")], relations=[relation("OPTED_OUT")])
    assert outcome(by_cpr(), where, PUBLIC) == ("LETTER", "EXEMPT", [])
    assert outcome(by_name(), where, PUBLIC) == ("LETTER", "EXEMPT", [])
    assert outcome(by_name(), world(mailboxes=[mailbox(exempt_from="2026-01-01")])) == DELIVERED


def test_row_9_opted_out_unless_mandatory():
    where = world(relations=[relation("OPTED_OUT"), relation("SUBSCRIBED")])
    assert outcome(by_name(), where, LETTERS) == ("LETTER", "OPTED_OUT", [])
    assert outcome(by_cpr(), where) == ("REJECT", "OPTED_OUT", [])
    assert outcome(by_cpr(), where, sender(mandatory=True)) == DELIVERED
    assert outcome(by_cpr(), where, sender(SenderClass.PUBLIC)) == DELIVERED
    bound = world(relations=[relation("OPTED_OUT"), relation("BOUND")])
    assert outcome(by_name(), bound) == DELIVERED
    assert outcome(by_cpr(), bound) == DELIVERED


def test_row_9_an_opt_out_of_another_sender_is_none():
    where = world(relations=[{**relation("OPTED_OUT"), "sender_id": "t"}])
    assert outcome(by_name(), where) == DELIVERED


def test_rows_10_and_11_by_number_need_a_subscription():
    assert outcome(by_cpr(), asker=sender(terms_consent=True)) == ("MAILBOX", "SUBSCRIBED_BY_TERMS", [ANNE])
    assert outcome(by_cpr()) == ("REJECT", "NOT_SUBSCRIBED", [])
    assert outcome(by_cpr(has_postal_address=True), asker=LETTERS) == ("LETTER", "NOT_SUBSCRIBED", [])
    assert outcome(by_cpr(), world(relations=[relation("SUBSCRIBED")])) == DELIVERED
    assert outcome(by_cvr(), world([], [mailbox(FIRM)]))[1] == "NOT_SUBSCRIBED"
    assert outcome(by_cpr(), asker=PUBLIC) == DELIVERED


def test_row_12_organisations_forward_public_post():
    where = world([], [mailbox(FIRM, forwarding_address="Post@firma.example", forwarding_from="2026-01-01")])
    decision = decide(by_cvr(), PUBLIC, where, NOON, personal_content=False)
    assert (decision.route.name, decision.reason.name) == ("FORWARD", "FORWARDED")
    assert decision.targets == (Target(FIRM, "post@firma.example"),)
    assert outcome(by_cvr(), where, sender(mandatory=True)) == ("MAILBOX", "DELIVERABLE", [FIRM])


def test_row_13_delivers():
    assert outcome(by_name()) == DELIVERED
    assert outcome(by_first_name()) == DELIVERED
    assert outcome(by_email(), world(mailboxes=[claim()])) == DELIVERED
    assert decide(by_name(), PRIVATE, world(), NOON, personal_content=False).targets == (Target(ANNE, ""),)


def test_address_reaches_each_resident_who_comes_out_as_mailbox_by_number():
    people = [person(CARL), person(ANNE), person(BO)]
    where = world(people, relations=[relation("OPTED_OUT", BO)])
    assert outcome(by_address(), where) == ("MAILBOX", "DELIVERABLE", [ANNE, CARL])


def test_address_where_none_comes_out_as_mailbox_is_row_6():
    where = world(relations=[relation("OPTED_OUT")])
    assert outcome(by_address(), where, LETTERS) == ("LETTER", "NOT_FOUND", [])
    exempt = world(mailboxes=[mailbox(exempt_from="2026-01-01")])
    assert outcome(by_address(), exempt, PUBLIC) == ("LETTER", "NOT_FOUND", [])


def test_nothing_is_answered_before_the_registers_day():
    start = copenhagen(2026, 11, 1)
    assert outcome(by_name(), at=start) == DELIVERED
    with pytest.raises(NotYetValidError):
        outcome(by_name(), at=start - 1)
