"""Contradictory events, one by one: refused, or harmless; and what a change does to other owners."""

import pytest

from change_messages import ANN, BO, FIRM, IDA, KIM, change, person
from resolver_grpc.changes import events
from resolver_grpc.changes.bearing import effects
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.changes.refusing import refusal
from resolver_grpc.changes.state import state_from_index
from resolver_grpc.index.layout import FOREVER
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import WHENEVER, Span
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from rows_model import holding


def after(*told, number=ANN, state=None):
    """The state after events, each its name, its time and its fields."""
    for name, time, *fields in told:
        state = apply_change(state, change(name, number, time, **dict(*fields)))
    return state


OPENED = ("mailbox_opened", "2026-01-01")
MOVED = ("moved", "2026-01-01", {"person": person()})
GIVEN = ("address_consent_given", "2026-03-01")
NOTICE = ("opted_out", "2026-11-01T22:59:59Z")


def holds(fact, state, instant):
    return fact in holding(state.facts, parse_time(instant))


@pytest.mark.parametrize("name", ["logged_in", "address_consent_given", "died", "number_replaced", "subscribed"])
def test_of_who_has_no_mailbox_nothing_is_taken(name):
    assert refusal(None, change(name)) is ChangeReason.UNKNOWN_OWNER
    assert not apply_change(None, change(name)).facts.keys() & {Fact.MAILBOX}


def test_an_opening_is_taken_of_anybody():
    assert refusal(None, change("mailbox_opened")) is None
    assert refusal(after(OPENED), change("mailbox_opened")) is None


def test_closed_before_it_was_opened_a_mailbox_never_was():
    state = after(OPENED, ("mailbox_closed", "2025-12-31"))
    assert not any(holds(Fact.MAILBOX, state, day) for day in ("2025-12-31", "2026-01-01", "2027-01-01"))


def test_a_mailbox_that_is_opened_again_begins_anew_and_counts_as_used():
    state = after(("mailbox_opened", "2015-01-01"), ("mailbox_closed", "2016-01-01"), OPENED)
    assert not holds(Fact.MAILBOX, state, "2025-12-31T22:59:59Z")
    assert holds(Fact.MAILBOX, state, "2026-01-01")
    assert holds(Fact.LOGIN, state, "2030-12-31")


def test_opened_at_the_instant_of_its_closing_it_stays_closed():
    state = after(OPENED, ("mailbox_closed", "2026-02-01"), ("mailbox_opened", "2026-02-01"))
    assert not holds(Fact.MAILBOX, state, "2026-02-02")


def test_five_years_after_the_last_login_to_the_second_the_mailbox_still_counts():
    state = after(OPENED, ("logged_in", "2026-02-01T10:00:00Z"), ("logged_in", "2026-01-15"))
    assert holds(Fact.LOGIN, state, "2031-02-01T10:00:00Z")
    assert not holds(Fact.LOGIN, state, "2031-02-01T10:00:01Z")


def test_consent_withdrawn_counts_from_its_second_on_whichever_was_told_first():
    withdrawn = ("address_consent_withdrawn", "2026-04-01T10:00:00Z")
    for told in ((GIVEN, withdrawn), (withdrawn, GIVEN), (GIVEN, withdrawn, withdrawn), (GIVEN, withdrawn, GIVEN)):
        state = after(OPENED, *told)
        assert holds(Fact.CONSENT, state, "2026-04-01T09:59:59Z")
        assert not holds(Fact.CONSENT, state, "2026-04-01T10:00:00Z")
        assert not holds(Fact.CONSENT, state, "2027-01-01")


def test_a_withdrawal_at_the_instant_of_the_consent_wins():
    withdrawn = ("address_consent_withdrawn", "2026-03-01")
    for told in ((GIVEN, withdrawn), (withdrawn, GIVEN)):
        assert not holds(Fact.CONSENT, after(OPENED, *told), "2026-03-02")


def test_of_two_consents_the_later_counts_alone():
    state = after(OPENED, GIVEN, ("address_consent_given", "2026-05-01"))
    assert not holds(Fact.CONSENT, state, "2026-04-01")
    assert holds(Fact.CONSENT, state, "2026-05-01")


def test_a_move_that_is_told_ahead_leaves_nobody_at_either_home_until_its_day():
    state = after(OPENED, MOVED, ("moved", "2026-05-01", {"person": person(house_number="14")}))
    assert state.home.house_number == "14"
    assert not holds(Fact.RESIDENT, state, "2026-04-30T21:59:59Z")
    assert holds(Fact.RESIDENT, state, "2026-04-30T22:00:00Z")
    assert holds(Fact.REGISTERED, state, "2026-04-01")


def test_a_move_that_is_told_late_does_not_bring_the_former_home_back():
    elsewhere = {"person": person(house_number="16")}
    state = after(OPENED, ("moved", "2026-05-01"), ("moved", "2026-04-01", elsewhere))
    assert state.home.house_number == "14"


def test_the_dead_stay_dead_beside_a_record_of_the_same_day_or_earlier():
    for late in ("2026-05-01", "2026-04-01"):
        state = after(OPENED, MOVED, ("died", "2026-05-01"), ("moved", late))
        assert holds(Fact.RESIDENT, state, "2026-04-30T21:59:59Z")
        assert not {Fact.RESIDENT, Fact.REGISTERED} & holding(state.facts, parse_time("2026-04-30T22:00:00Z"))


def test_a_protection_holds_on_its_first_and_on_its_last_day_in_the_night_of_25_hours_too():
    told = [pb.Protection(first_day="2026-10-24", last_day="2026-10-25")]
    state = after(OPENED, ("protection_set", "2026-10-01", {"protections": told}))
    seconds = ("2026-10-23T21:59:59Z", "2026-10-23T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z")
    assert [holds(Fact.PROTECTION, state, second) for second in seconds] == [False, True, True, False]


def test_a_protection_that_is_lifted_holds_until_the_end_of_that_day():
    told = [pb.Protection(first_day="2026-01-01")]
    for lifted in ("2026-11-01T10:00:00Z", "2026-11-02"):
        state = after(OPENED, ("protection_set", "2026-01-01", {"protections": told}), ("protection_lifted", lifted))
        assert holds(Fact.PROTECTION, state, "2026-11-01T22:59:59Z")
        assert not holds(Fact.PROTECTION, state, "2026-11-01T23:00:00Z")


def test_a_record_without_protections_does_not_lift_one_that_was_set_later_or_with_it():
    told = {"protections": [pb.Protection(first_day="2026-01-01")]}
    for late in ("2026-04-01", "2026-05-01"):
        state = after(OPENED, ("protection_set", "2026-05-01", told), ("moved", late))
        assert holds(Fact.PROTECTION, state, "2027-01-01")


def test_an_opt_out_is_in_force_from_the_seventh_day_after_the_day_of_its_notice():
    state = after(OPENED, NOTICE)
    assert not holds("opted_out/power", state, "2026-11-07T22:59:59Z")
    assert holds("opted_out/power", state, "2026-11-07T23:00:00Z")


def test_a_notice_given_an_hour_later_on_the_next_danish_day_counts_from_a_day_later():
    state = after(OPENED, ("opted_out", "2026-11-01T23:00:00Z"))
    assert not holds("opted_out/power", state, "2026-11-08T22:59:59Z")
    assert holds("opted_out/power", state, "2026-11-08T23:00:00Z")


def test_a_second_notice_does_not_put_the_first_one_off():
    state = after(OPENED, NOTICE, ("opted_out", "2026-11-05"))
    assert holds("opted_out/power", state, "2026-11-07T23:00:00Z")


def test_an_opt_out_can_be_cancelled_until_it_is_in_force():
    state, last, late = after(OPENED, NOTICE), "2026-11-07T22:59:59Z", "2026-11-07T23:00:00Z"
    assert refusal(state, change("opt_out_cancelled", ANN, last)) is None
    assert not holds("opted_out/power", after(("opt_out_cancelled", last), state=state), "2027-01-01")
    assert refusal(state, change("opt_out_cancelled", ANN, late)) is ChangeReason.OPT_OUT_IN_FORCE
    assert holds("opted_out/power", after(("opt_out_cancelled", late), state=state), "2027-01-01")


def test_there_must_be_a_notice_to_this_sender_and_not_a_later_one_to_cancel():
    state = after(OPENED, NOTICE)
    other = change("opt_out_cancelled", ANN, "2026-11-02", sender_id="water")
    early = change("opt_out_cancelled", ANN, "2026-10-31")
    assert {refusal(state, one) for one in (other, early)} == {ChangeReason.NO_OPT_OUT}
    assert apply_change(state, early).facts == state.facts


def test_a_claim_waits_for_its_verification_and_ends_the_former_one_meanwhile():
    email = {"email_address": "new@post.dk"}
    state = after(OPENED, ("email_verified", "2026-01-01"), ("email_claimed", "2026-02-01"))
    assert holds(Fact.CLAIM, state, "2026-02-01")
    state = after(("email_claimed", "2026-03-01", email), state=state)
    assert Fact.CLAIM not in state.facts
    state = after(("email_verified", "2026-04-01", email), state=state)
    assert [holds(Fact.CLAIM, state, day) for day in ("2026-03-31", "2026-04-01")] == [False, True]


def test_a_claim_moves_from_the_others_when_it_counts_and_not_before():
    claim, verified = change("email_claimed", ANN, "2026-03-01"), change("email_verified", ANN, "2026-04-01")
    state = apply_change(after(OPENED), claim)
    assert effects(state, claim, [BO]) == []
    moves = effects(apply_change(state, verified), verified, [BO, FIRM])
    drop = events.EmailDropped("ann@post.dk")
    assert [(one.number, one.instant, one.event) for one in moves] == [
        (BO, verified.instant, drop),
        (FIRM, verified.instant, drop),
    ]
    theirs = state_from_index(BO, (), {Fact.CLAIM: (WHENEVER,)})
    assert apply_change(theirs, moves[0]).facts[Fact.CLAIM] == (Span(0, verified.instant),)


def test_who_claims_an_address_anew_is_contested_no_more_from_then_on():
    state = state_from_index(ANN, (), {Fact.CLAIM: (WHENEVER,), Fact.CONTESTED: (WHENEVER,)})
    state = after(("email_verified", "2026-01-01"), ("email_claimed", "2026-02-01"), state=state)
    assert holding(state.facts, parse_time("2026-01-31")) == set()
    assert holding(state.facts, parse_time("2026-02-01")) == {Fact.CLAIM}


def test_a_number_is_not_replaced_in_a_circle_nor_twice():
    state = after(OPENED, ("number_replaced", "2026-01-01", {"current_number": IDA}))
    circle = change("number_replaced", IDA, current_number=ANN)
    second = change("number_replaced", ANN, current_number=KIM)
    assert {refusal(state, one) for one in (circle, second)} == {ChangeReason.CONTRADICTORY_NUMBER}
    assert [apply_change(state, one) for one in (circle, second)] == [state, state]
    assert refusal(state, change("number_replaced", ANN, current_number=IDA)) is None


def test_a_replaced_number_leads_to_the_current_owner_who_has_the_mailbox():
    state = apply_change(after(OPENED, number=IDA), change("number_replaced", ANN, current_number=IDA))
    assert (state.number, state.old_numbers) == (IDA, (ANN,))


def test_two_mailboxes_for_one_owner_are_both_out():
    replaced = change("number_replaced", ANN, current_number=IDA)
    state = apply_change(after(OPENED), replaced)
    closings = effects(state, replaced, [IDA])
    assert [one.number for one in closings] == [ANN, IDA]
    assert effects(state, replaced, []) == []
    for closing in closings:
        assert not holds(Fact.MAILBOX, apply_change(state, closing), "2026-06-01")


FORWARDS = ("forwarding_set", "2026-02-01", {"last_day": "2026-02-28"})


def test_a_forwarding_holds_on_its_last_day_and_an_ended_one_not_a_second_longer():
    state = after(OPENED, FORWARDS, number=FIRM)
    seconds = ("2026-01-31T22:59:59Z", "2026-01-31T23:00:00Z", "2026-02-28T22:59:59Z", "2026-02-28T23:00:00Z")
    assert [holds(Fact.FORWARDING, state, second) for second in seconds] == [False, True, True, False]
    ended = after(("forwarding_ended", "2026-02-10T10:00:00Z"), number=FIRM, state=state)
    assert [holds(Fact.FORWARDING, ended, f"2026-02-10T{clock}Z") for clock in ("09:59:59", "10:00:00")] == [
        True,
        False,
    ]


def test_another_address_keeps_the_days_and_the_curators_has_none():
    new = {"forwarding_address": "new@firm.dk"}
    state = after(OPENED, FORWARDS, ("forwarding_changed", "2026-02-10", new), number=FIRM)
    assert state.forwarding_address == "new@firm.dk"
    assert state.facts[Fact.FORWARDING] == (Span(parse_time("2026-02-10"), parse_time("2026-03-01")),)
    state = after(("curator_took_over", "2026-02-20"), number=FIRM, state=state)
    assert state.forwarding_address == "curator@law.dk"
    assert state.facts[Fact.FORWARDING] == (Span(parse_time("2026-02-20"), FOREVER),)


def test_where_nothing_is_forwarded_no_address_can_be_changed():
    state = after(OPENED, FORWARDS, number=FIRM)
    for time in ("2026-01-31", "2026-03-01"):
        late = change("forwarding_changed", FIRM, time)
        assert refusal(state, late) is ChangeReason.NO_FORWARDING
        assert apply_change(state, late) == state


def test_a_state_shows_nothing_of_its_owner():
    state = after(OPENED, GIVEN, ("email_verified", "2026-01-01"), ("email_claimed", "2026-02-01"))
    assert not [word for word in (ANN, "vestergade", "ann", "post.dk", "8000") if word in repr(state)]
