"""The overlay: over a snapshot and changes is resolved what is over a snapshot of the rows after the changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay_nursery import KEY, SENDERS, WINDOW, Register, content_of, follow, handle, queries, resolver_of, told

from blank_rows import road
from change_messages import ANN, BO, EVENTS, FIRM, IDA, KIM, OF_FIRMS, change, person
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.reasons import ChangeReason
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.rows.cells import Span
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb
from rows_model import WITH_RECORD

LIS = "0909889012"
NUMBERS = [ANN, BO, IDA, KIM, LIS, FIRM]
HOUSES = ["12", "14", "16"]
NAMES = ["Ann Bo", "Ann Dam", "Bo Dam", "Ann Sø", "Bo Sø"]
EMAILS = ["ann@post.dk", "bo@post.dk"]
TIMES = [f"2026-10-{day}T{clock}" for day in (23, 24, 25, 26) for clock in ("22:00:00Z", "23:00:00Z", "11:00:00Z")]
LATER = "2026-11-10"


def assert_same(register):
    """At every second at which anything may change, over the overlay and over the rows exported then.

    Whose overlay followed holds the same owners (``Register.take``): it is asked at the instants themselves alone.
    """
    for instant in register.seconds():
        built, laid, followed = map(resolver_of, (register.built(instant), register.index, register.followed))
        for sender in SENDERS:
            asked = list(queries(NUMBERS, HOUSES, NAMES, EMAILS, sender.id))
            wanted, found = built.resolve(asked, sender, instant), laid.resolve(asked, sender, instant)
            for query, want, get in zip(asked, wanted, found, strict=True):
                assert get == want, (instant, told(query))
            if instant in register.instants:
                assert followed.resolve(asked, sender, instant) == found


def opened(number):
    return [("mailbox_opened", number, "2026-01-01", {})]


def consented(number, time="2026-02-01", **cells):
    return [*opened(number), ("address_consent_given", number, time, {"person": person(**cells)})]


def claims(number, address, time="2026-02-01"):
    fields = {"email_address": address}
    return [("email_verified", number, time, fields), ("email_claimed", number, time, fields)]


ANN_AND_BO = [*consented(ANN, full_name="Ann Bo"), *consented(BO, full_name="Bo Dam")]


def ordinal_of(register, number):
    return next(ordinal for ordinal in range(register.index.owners) if register.index.number(ordinal) == number)


def at(house):
    return QueryRow("", Kind.ADDRESS, kvhx=f"07511234__{house}_______")


def test_without_changes_an_overlay_is_its_snapshot():
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]), *opened(FIRM))
    assert_same(register)


def test_a_withdrawn_consent_counts_from_its_second_on_without_a_new_ordinal():
    register = Register(*ANN_AND_BO)
    assert register.take("address_consent_withdrawn", ANN, "2026-10-25T10:00:00Z")
    assert register.ask(at("12"), "2026-10-25T09:59:59Z") == ("DELIVERABLE", [ANN, BO])
    assert register.ask(at("12"), "2026-10-25T10:00:00Z") == ("DELIVERABLE", [BO])
    assert register.index.owners == 2
    assert_same(register)


def test_who_moves_away_leaves_those_who_stay_and_joins_those_who_live_there():
    """The address number of who moves in is that of the snapshot's residents: the query meets one address."""
    register = Register(*ANN_AND_BO, *consented(IDA, full_name="Ann Dam", house_number="14"))
    assert register.take("moved", ANN, "2026-10-25T10:00:00Z", person=person(full_name="Ann Bo", house_number="14"))
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [BO])
    assert register.ask(at("14"), LATER) == ("DELIVERABLE", [ANN, IDA])
    assert_same(register)


def test_two_who_move_to_an_empty_home_live_together():
    register = Register(*ANN_AND_BO)
    for number, name in ((ANN, "Ann Bo"), (BO, "Bo Dam")):
        assert register.take("moved", number, "2026-10-25", person=person(full_name=name, house_number="16"))
    assert register.ask(at("16"), LATER) == ("DELIVERABLE", [ANN, BO])
    assert register.ask(at("12"), LATER) == ("NOT_FOUND", [])
    assert_same(register)


def test_who_moves_away_and_back_is_found_once():
    register = Register(*ANN_AND_BO)
    for time, house in (("2026-10-24", "14"), ("2026-10-26", "12")):
        register.take("moved", ANN, time, person=person(full_name="Ann Bo", house_number=house))
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [ANN, BO])
    assert register.index.owners == 3


def test_who_is_renamed_is_found_by_the_new_name_alone():
    register = Register(*consented(ANN, full_name="Ann Bo"))
    assert register.take("renamed", ANN, "2026-10-25", person=person(full_name="Ann Dam"))
    assert_same(register)


def test_who_moves_is_found_by_the_e_mail_address_as_before():
    register = Register(*consented(ANN, full_name="Ann Bo"), *claims(ANN, EMAILS[0]))
    assert register.take("moved", ANN, "2026-10-25", person=person(full_name="Ann Bo", house_number="14"))
    email = QueryRow("", Kind.EMAIL, email_address=EMAILS[0])
    assert register.ask(email, LATER) == ("DELIVERABLE", [ANN])
    assert_same(register)


def test_who_claims_another_e_mail_address_lives_where_they_did():
    register = Register(*consented(ANN, full_name="Ann Bo"), *claims(ANN, EMAILS[0]))
    for name, number, time, fields in claims(ANN, EMAILS[1], "2026-10-25T10:00:00Z"):
        assert register.take(name, number, time, **fields)
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [ANN])
    assert_same(register)


def test_a_claim_moves_from_the_snapshots_owner_at_the_second_at_which_it_counts():
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]))
    email = QueryRow("", Kind.EMAIL, email_address=EMAILS[0])
    fields = {"email_address": EMAILS[0]}
    assert register.take("email_claimed", BO, "2026-10-24", **fields)
    assert register.ask(email, LATER) == ("DELIVERABLE", [ANN])
    assert register.take("email_verified", BO, "2026-10-25T10:00:00Z", **fields)
    assert register.ask(email, "2026-10-25T09:59:59Z") == ("DELIVERABLE", [ANN])
    assert register.ask(email, "2026-10-25T10:00:00Z") == ("DELIVERABLE", [BO])
    for name, number, time, cells in claims(ANN, EMAILS[0], "2026-10-26"):
        assert register.take(name, number, time, **cells)
    assert register.ask(email, LATER) == ("DELIVERABLE", [ANN])
    assert_same(register)


def test_an_address_that_two_of_the_snapshot_claim_stays_contested_until_one_claims_it_anew():
    """Whose claim the other's drop leaves alone is known to the next build only: until then nobody is reached."""
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]), *claims(BO, EMAILS[0]))
    email = QueryRow("", Kind.EMAIL, email_address=EMAILS[0])
    assert register.ask(email, LATER)[0] == "AMBIGUOUS_RECIPIENT"
    assert register.take("email_dropped", BO, "2026-10-24", email_address=EMAILS[0])
    assert register.ask(email, LATER)[0] == "AMBIGUOUS_RECIPIENT"
    assert register.ask(email, LATER, index=register.built(register.seconds()[-1])) == ("DELIVERABLE", [ANN])
    for name, number, time, fields in claims(ANN, EMAILS[0], "2026-10-25"):
        assert register.take(name, number, time, **fields)
    assert register.ask(email, LATER) == ("DELIVERABLE", [ANN])


def test_old_numbers_lead_to_the_current_one_those_of_the_snapshot_too():
    register = Register(
        *consented(ANN), ("number_replaced", ANN, "2026-03-01", {"current_number": IDA}), *claims(IDA, EMAILS[0])
    )
    assert register.take("number_replaced", IDA, "2026-10-25", current_number=KIM)
    for number in (ANN, IDA, KIM):
        assert register.ask(QueryRow("", Kind.CPR, number=number), LATER) == ("DELIVERABLE", [KIM])
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [KIM])
    assert register.ask(QueryRow("", Kind.EMAIL, email_address=EMAILS[0]), LATER) == ("DELIVERABLE", [KIM])


def test_the_snapshots_number_replaced_and_one_that_it_replaced_are_the_same_owner():
    register = Register(*consented(ANN), ("number_replaced", ANN, "2026-03-01", {"current_number": IDA}))
    assert register.take("logged_in", ANN, "2026-10-24")
    elsewhere = person(full_name="Ann Bo", house_number="14")
    assert register.take("number_replaced", IDA, "2026-10-25", current_number=KIM, person=elsewhere)
    assert not register.take("number_replaced", KIM, "2026-10-26", current_number=ANN)
    assert_same(register)


def test_two_mailboxes_that_meet_in_one_number_are_both_out():
    register = Register(*ANN_AND_BO)
    assert register.take("number_replaced", ANN, "2026-10-25", current_number=BO)
    for number in (ANN, BO):
        assert register.ask(QueryRow("", Kind.CPR, number=number), LATER) == ("NOT_FOUND", [])
    assert register.ask(at("12"), LATER) == ("NOT_FOUND", [])


def test_who_is_unknown_to_the_snapshot_is_found_once_the_mailbox_opens():
    register = Register(*ANN_AND_BO)
    assert not register.take("address_consent_given", IDA, "2026-10-24", person=person(full_name="Ann Dam"))
    assert register.take("mailbox_opened", IDA, "2026-10-24T10:00:00Z")
    assert register.take("address_consent_given", IDA, "2026-10-25", person=person(full_name="Ann Dam"))
    for name, number, time, fields in claims(IDA, EMAILS[1], "2026-10-26"):
        assert register.take(name, number, time, **fields)
    assert register.ask(QueryRow("", Kind.CPR, number=IDA), "2026-10-24T09:59:59Z") == ("NOT_FOUND", [])
    assert register.ask(QueryRow("", Kind.CPR, number=IDA), "2026-10-24T10:00:00Z") == ("DELIVERABLE", [IDA])
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [ANN, BO, IDA])
    assert_same(register)


def test_an_organisations_forwarding_is_the_new_address():
    forwards = {"forwarding_address": "post@firm.dk", "last_day": ""}
    register = Register(*opened(FIRM), ("forwarding_set", FIRM, "2026-02-01", forwards))
    assert register.take("forwarding_changed", FIRM, "2026-10-25", forwarding_address="new@firm.dk")
    assert_same(register)
    assert register.take("forwarding_ended", FIRM, "2026-10-26")
    assert_same(register)


def test_what_was_asked_before_a_change_does_not_hold_after_it():
    register = Register(*ANN_AND_BO)
    second = register.seconds()[-1] + 86_400
    sets = register.index.facts_at(second)
    assert sets.hold_at(second)
    assert len(set(sets["consent"])) == 2
    assert register.take("address_consent_withdrawn", ANN, "2026-10-23")
    assert not sets.hold_at(second)
    assert set(register.index.facts_at(second)["consent"]) == {ordinal_of(register, BO)}


FROM_2026 = [pb.Protection(first_day="2026-01-01")]
OUT_OF_REACH = {
    "protected": [("protection_set", ANN, "2026-03-01", {"protections": FROM_2026})],
    "closed": [("mailbox_closed", ANN, "2026-03-01", {})],
}
ROADS = {
    "a protection is lifted": ("protected", "protection_lifted", {}),
    "a protection gets a last day": (
        "protected",
        "protection_set",
        {"protections": [pb.Protection(first_day="2026-01-01", last_day="2026-10-26")]},
    ),
    "the mailbox opens": ("closed", "mailbox_opened", {}),
}
BY_NAME = QueryRow("", Kind.FULL_NAME, full_name="Ann Bo", kvhx="07511234__12_______")
NAMESAKES = [*consented(ANN, full_name="Ann Bo"), *consented(BO, full_name="Ann Bo")]


@pytest.mark.parametrize(("was", "name", "fields"), ROADS.values(), ids=ROADS)
@pytest.mark.parametrize("time", ["2026-10-24T10:00:00Z", "2026-11-01T10:00:00Z"])
def test_of_two_namesakes_none_is_taken_for_the_only_one_because_the_snapshot_has_no_keys_of_the_other(
    was, name, fields, time
):
    """Told of today or ahead, what brings an owner back is taken with the record alone, and both are ambiguous then."""
    register = Register(*NAMESAKES, *OUT_OF_REACH[was])
    assert register.refusal(name, ANN, time, **fields) is ChangeReason.RECORD_NEEDED
    assert not register.take(name, ANN, time, **fields)
    assert register.ask(BY_NAME, LATER) == ("DELIVERABLE", [BO])
    assert register.take(name, ANN, time, person=person(full_name="Ann Bo"), **fields)
    assert register.ask(BY_NAME, LATER) == ("AMBIGUOUS_RECIPIENT", [])
    assert_same(register)


def test_a_login_after_five_years_brings_the_owner_back_with_the_record_alone():
    before = [("mailbox_opened", ANN, "2020-01-01", {}), *consented(BO, full_name="Ann Bo")]
    register = Register(*before, ("address_consent_given", ANN, "2020-02-01", {"person": person(full_name="Ann Bo")}))
    assert register.ask(BY_NAME, LATER) == ("DELIVERABLE", [BO])
    assert register.refusal("logged_in", ANN, "2026-10-25") is ChangeReason.RECORD_NEEDED
    assert register.take("logged_in", ANN, "2026-10-25", person=person(full_name="Ann Bo"))
    assert register.ask(BY_NAME, LATER) == ("AMBIGUOUS_RECIPIENT", [])


def test_a_record_as_of_before_a_departure_tells_no_home():
    """A record is not taken as of before the death that was told: with the consent alone nobody could be found."""
    without_consent = ("address_consent_withdrawn", ANN, "2026-03-01", {})
    register = Register(*NAMESAKES, without_consent)
    assert register.take("died", ANN, "2026-11-05")
    given = {"person": person(full_name="Ann Bo")}
    assert register.refusal("address_consent_given", ANN, "2026-10-25", **given) is ChangeReason.RECORD_NEEDED


def test_no_record_is_asked_for_where_nobody_is_reached_by_it():
    """Still protected after the login; an opening without a consent; a login in time, and one of a reachable owner."""
    register = Register(*NAMESAKES, *OUT_OF_REACH["protected"])
    assert register.take("logged_in", ANN, "2026-10-24")
    assert register.take("mailbox_opened", KIM, "2026-10-24")
    assert register.take("mailbox_closed", KIM, "2026-10-25")
    assert register.take("mailbox_opened", KIM, "2026-10-26")
    assert register.take("logged_in", BO, "2026-10-26")
    assert register.take("protection_set", BO, "2026-10-26", protections=FROM_2026)
    assert register.ask(at("12"), LATER) == ("NOT_FOUND", [])


COMING_BACK = {
    "the mailbox opens": (("mailbox_closed", {}), "mailbox_opened"),
    "a protection is lifted": (("protection_set", {"protections": FROM_2026}), "protection_lifted"),
}


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize(("leaves", "comes_back"), COMING_BACK.values(), ids=COMING_BACK)
def test_of_two_namesakes_none_is_taken_for_the_only_one_because_the_next_snapshot_has_no_keys_of_the_other(
    leaves, comes_back, is_told
):
    """Out of reach in the tables that it is built of, and back while that is done: what was told before it lacks, too.

    The snapshot in service has the keys, or a change told it the home, so that it wouldn't need the record itself.
    """
    register = Register(*NAMESAKES)
    if is_told:
        assert register.take("renamed", ANN, "2026-10-23", person=person(full_name="Ann Bo"))
    assert register.take(leaves[0], ANN, "2026-10-24", **leaves[1])
    exported, window = parse_time("2026-10-25"), Span(parse_time("2026-10-25"), WINDOW.end)
    below = MemoryIndex(content_of(register.rows_at(exported), window=window))
    following, without = (OverlaidIndex(Overlay(below, KEY.index_keys, window)) for _ in range(2))
    assert register.refusal(comes_back, ANN, "2026-10-25T10:00:00Z") is ChangeReason.RECORD_NEEDED
    record = {"person": person(full_name="Ann Bo")}
    assert register.take(comes_back, ANN, "2026-10-25T10:00:00Z", **record)
    following.overlay.take(change(comes_back, ANN, "2026-10-25T10:00:00Z", **record), register.laid[-1][2])
    for index in (register.index, following):
        assert register.ask(BY_NAME, LATER, index=index) == ("AMBIGUOUS_RECIPIENT", [])
    without.overlay.take(change(comes_back, ANN, "2026-10-25T10:00:00Z"), register.laid[-1][2])
    assert register.ask(BY_NAME, LATER, index=without) == ("DELIVERABLE", [BO]), "what the refusal is for"


def test_after_nearly_five_years_a_login_brings_the_record_too():
    """The next snapshot may be of tables from before the login, with a horizon that begins after the five years."""
    before = [("mailbox_opened", ANN, "2021-11-01", {}), *consented(BO, full_name="Ann Bo")]
    register = Register(*before, ("address_consent_given", ANN, "2026-02-01", {"person": person(full_name="Ann Bo")}))
    assert register.ask(BY_NAME, "2026-10-25") == ("AMBIGUOUS_RECIPIENT", [])
    assert register.refusal("logged_in", ANN, "2026-10-25") is ChangeReason.RECORD_NEEDED
    assert register.take("logged_in", ANN, "2026-10-25", person=person(full_name="Ann Bo"))
    assert register.refusal("logged_in", ANN, "2026-10-26") is None


# Where the overlay can't know what the tables will say it reaches fewer: these are kept out of the property below.


def test_a_record_told_ahead_that_changes_nothing_leaves_its_owner_nowhere_until_its_day():
    """The snapshot has neither home nor name: the new record can't be seen to be the former one."""
    register = Register(*consented(ANN))
    assert register.take("moved", ANN, "2026-10-25T10:00:00Z", person=person())
    assert register.ask(at("12"), "2026-10-25T09:59:59Z") == ("NOT_FOUND", [])
    assert register.ask(at("12"), "2026-10-25T10:00:00Z") == ("DELIVERABLE", [ANN])


def test_a_claim_that_the_snapshot_has_no_key_of_is_forgotten():
    """Who claims the address afterwards couldn't find it, and it would come back when the mailbox opens again."""
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]), ("mailbox_closed", ANN, "2026-03-01", {}))
    assert register.take("mailbox_opened", ANN, "2026-10-25", person=person(full_name="Ann Bo"))
    by_email = QueryRow("", Kind.HANDLE, handle=handle("town", ANN, Kind.EMAIL))
    assert register.ask(by_email, LATER) == ("NOT_FOUND", [])
    assert register.ask(by_email, LATER, index=register.built(register.seconds()[-1])) == ("DELIVERABLE", [ANN])


def test_an_address_verified_before_the_snapshot_must_be_verified_again():
    register = Register(*consented(ANN), ("email_verified", ANN, "2026-02-01", {"email_address": EMAILS[0]}))
    assert register.take("email_claimed", ANN, "2026-10-25", email_address=EMAILS[0])
    email = QueryRow("", Kind.EMAIL, email_address=EMAILS[0])
    assert register.ask(email, LATER) == ("NOT_FOUND", [])
    assert register.take("email_verified", ANN, "2026-10-26", email_address=EMAILS[0])
    assert register.ask(email, LATER) == ("DELIVERABLE", [ANN])


def test_a_drop_of_any_address_ends_the_claim_that_the_snapshot_has():
    register = Register(*consented(ANN), *claims(ANN, EMAILS[0]))
    assert register.take("email_dropped", ANN, "2026-10-25", email_address=EMAILS[1])
    assert register.ask(QueryRow("", Kind.EMAIL, email_address=EMAILS[0]), LATER) == ("NOT_FOUND", [])


def test_a_handle_of_a_number_that_was_replaced_before_does_not_follow_a_mover():
    """Which of the snapshot's keys is a number nobody knows; the old number alone still leads to the owner."""
    register = Register(*consented(ANN), ("number_replaced", ANN, "2026-03-01", {"current_number": IDA}))
    assert register.take("moved", IDA, "2026-10-25", person=person(house_number="14"))
    by_name = QueryRow("", Kind.HANDLE, handle=handle("town", ANN, Kind.FULL_NAME))
    assert register.ask(by_name, LATER) == ("NOT_FOUND", [])
    assert register.ask(QueryRow("", Kind.CPR, number=ANN), LATER) == ("DELIVERABLE", [IDA])
    assert register.take("logged_in", ANN, "2026-10-26")
    assert register.ask(by_name, LATER) == ("DELIVERABLE", [IDA])


def test_without_the_registers_codes_who_moves_in_makes_the_address_ambiguous():
    """The snapshot's number of such a home can't be known; by name each is found."""
    codeless = {"municipality_code": "", "road_code": ""}
    register = Register(*consented(ANN, full_name="Ann Bo", **codeless), *opened(BO))
    assert register.take("address_consent_given", BO, "2026-10-25", person=person(full_name="Bo Dam", **codeless))
    place = {"street_name": "Vestergade", "house_number": "12", "postal_code": "8000"}
    assert register.ask(QueryRow("", Kind.ADDRESS, **place), LATER) == ("AMBIGUOUS_ADDRESS", [])
    assert register.ask(QueryRow("", Kind.FULL_NAME, full_name="Bo Dam", **place), LATER) == ("DELIVERABLE", [BO])


def test_a_mover_is_not_found_by_a_spelling_that_only_the_table_of_roads_has():
    register = Register(*consented(ANN), roads=[road("0751", "1234", "Vestre Gade")])
    place = {"street_name": "Vestre Gade", "postal_code": "8000"}
    assert register.ask(QueryRow("", Kind.ADDRESS, house_number="12", **place), LATER) == ("DELIVERABLE", [ANN])
    assert register.take("moved", ANN, "2026-10-25", person=person(house_number="14"))
    assert register.ask(QueryRow("", Kind.ADDRESS, house_number="14", **place), LATER) == ("NOT_FOUND", [])
    assert register.ask(at("14"), LATER) == ("DELIVERABLE", [ANN])


def test_who_was_erased_is_reached_by_no_number_home_or_address_whether_the_snapshot_knew_them_or_not():
    known = [*consented(ANN, full_name="Ann Bo"), *claims(ANN, EMAILS[0]), *consented(BO, full_name="Bo Dam")]
    register = Register(*known)
    for name, number, time, fields in [*consented(KIM, "2026-10-24", full_name="Kim Dam"), *claims(KIM, EMAILS[1])]:
        assert register.take(name, number, time, **fields)
    for number in (ANN, KIM):
        assert register.take("erased", number, "2026-10-25")
        assert not register.take("logged_in", number, "2026-10-26")
    assert register.ask(at("12"), "2026-10-24") == ("DELIVERABLE", [BO])
    assert_same(register)


BASES = [
    *ANN_AND_BO,
    *consented(IDA, full_name="Ann Dam", house_number="14"),
    *opened(FIRM),
    ("forwarding_set", FIRM, "2026-02-01", {"forwarding_address": "post@firm.dk", "last_day": ""}),
    *claims(BO, EMAILS[1]),
]
"""Everybody who is known to the snapshot can be reached; Kim is unknown to it. The property leaves some of it out."""
HINDRANCES = [
    ("mailbox_closed", "2026-03-01", {}),
    ("address_consent_withdrawn", "2026-03-01", {}),
    ("protection_set", "2026-03-01", {"protections": FROM_2026}),
    ("protection_set", "2026-03-01", {"protections": [pb.Protection(first_day="2026-01-01", last_day="2026-10-24")]}),
    ("emigrated", "2026-03-01", {}),
]
"""What keeps from being reached. Of who claims an e-mail address nothing does: a claim without a key is forgotten."""
hindered = st.tuples(st.sampled_from([ANN, IDA]), st.sampled_from(HINDRANCES))


def some(name, numbers, fields):
    return st.just(name), st.sampled_from(numbers), st.sampled_from(TIMES), st.fixed_dictionaries(fields)


def happening(numbers, names):
    """Events of some names, each at some time, of one of some owners, with some of their fields."""

    def of(name):
        fields = {field: VALUES[field] for field in EVENTS[name] if field in VALUES}
        if name in WITH_RECORD:
            return st.one_of(st.tuples(*some(name, numbers, fields)), st.tuples(*some(name, PEOPLE, fields | RECORD)))
        return st.tuples(*some(name, numbers, fields))

    return st.sampled_from(sorted(names)).flatmap(of)


VALUES = {
    # Of homes and names that the snapshot has of others: a record that tells its owner's own anew is kept out by name.
    "person": st.builds(
        person,
        status=st.sampled_from(["01", "01", "01", "20", "90"]),
        house_number=st.sampled_from(["12", "14"]),
        full_name=st.sampled_from(["Ann Sø", "Bo Sø"]),
    ),
    "sender_id": st.sampled_from(["power", "town"]),
    "last_day": st.sampled_from(["", "2026-10-25", "2026-11-05"]),
    "forwarding_address": st.sampled_from(["new@firm.dk", "curator@law.dk"]),
    "current_number": st.just(LIS),
    "protections": st.lists(
        st.builds(
            pb.Protection,
            first_day=st.sampled_from(["2026-10-24", "2026-10-25", "?"]),
            last_day=st.sampled_from(["2026-10-25", "2026-10-26", ""]),
        ),
        min_size=1,
        max_size=2,
    ),
}
RECORD = {"person": VALUES["person"]}
OF_BOTH = {"mailbox_opened", "mailbox_closed", "logged_in", "private_post_ended", "exempted", "exemption_ended"}
OF_BOTH |= {"subscribed", "unsubscribed", "bound", "agreement_ended", "opted_out", "opt_out_cancelled"}
# Claims come verified, and only who claimed drops: the others are kept out by name above.
OF_CLAIMS = {"email_verified", "email_claimed", "email_dropped"}
PEOPLE = [ANN, BO, IDA, KIM]
moves_of_claims = st.tuples(st.just("claims"), st.sampled_from(PEOPLE), st.sampled_from(TIMES), st.sampled_from(EMAILS))
moves = happening(PEOPLE, {"moved", "renamed", "address_consent_given", "address_consent_withdrawn", "mailbox_opened"})
others = happening(PEOPLE, EVENTS.keys() - OF_FIRMS - OF_CLAIMS - {"number_replaced"})
firms = happening([FIRM], OF_FIRMS | OF_BOTH)
replacement = happening([ANN], {"number_replaced"})


def in_order(events):
    """Events as a source that is never late tells them; a claim is two."""
    for name, number, time, fields in sorted(events, key=lambda event: event[2]):
        yield from claims(number, fields, time) if name == "claims" else [(name, number, time, fields)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([ANN, BO, IDA, FIRM]), unique=True, max_size=1),
    st.lists(hindered, max_size=2),
    st.lists(moves | others | moves_of_claims | firms, min_size=2, max_size=8),
    st.lists(replacement, max_size=1),
)
def test_over_the_overlay_is_resolved_what_is_over_the_rows_after_the_changes(unknown, hindrances, events, replaced):
    """All kinds, for private and public senders, at the second before, at and after each change."""
    before = [*BASES, *[(name, number, time, fields) for number, (name, time, fields) in hindrances]]
    register = Register(*[event for event in before if event[1] not in unknown])
    for name, number, time, fields in in_order(events + replaced):
        register.take(name, number, time, **fields)
    assert_same(register)


def test_what_was_worked_out_over_another_snapshot_is_not_taken():
    """Over another one the same change comes to something else; a snapshot without a name is every time another."""
    register = Register(*ANN_AND_BO)
    told = change("address_consent_withdrawn", ANN, "2026-10-23")
    below, state = register.overlay.below, apply_change(register.overlay.state(ANN), told)
    after = register.overlay.after(told, state, [])
    for base in (b"another snapshot", b""):
        other = Overlay(below, KEY.index_keys, WINDOW, base)
        assert not other.follow(after)
        assert other.after(told, state, []) != after
    nameless = Overlay(below, KEY.index_keys, WINDOW)
    assert nameless.after(told, state, []) == b""
    assert not nameless.follow(b"")
    assert register.ask(at("12"), LATER) == ("DELIVERABLE", [ANN, BO])


def test_what_was_worked_out_of_a_group_that_nobody_took_yet_is_followed():
    """Who appends a group judges each change after those before it, and takes none before all are on the disk."""
    register = Register(*ANN_AND_BO)
    moved = person(full_name="Ann Sø", house_number="16")
    group = [
        change("moved", ANN, "2026-10-23", person=moved),
        change("subscribed", ANN, "2026-10-23", sender_id="new"),
        change("mailbox_opened", IDA, "2026-10-23"),
        change("address_consent_given", IDA, "2026-10-23", person=moved),
        change("subscribed", IDA, "2026-10-23", sender_id="newer"),
        change("number_replaced", IDA, "2026-10-23", current_number=KIM, person=moved),
        change("logged_in", KIM, "2026-10-24"),
        change("moved", BO, "2026-10-23", person=moved),
    ]
    states, laid = {}, []
    for one in group:
        state = apply_change(states.get(one.number, register.overlay.state(one.number)), one)
        states |= dict.fromkeys((state.number, *state.old_numbers), state)
        keys = keys_of(state, KEY.index_keys)
        laid.append((register.overlay.after(one, state, keys), one, keys))
    for after, one, keys in laid:
        follow(register.other, after, one, keys)
        register.overlay.take(one, keys)
    assert [register.overlay.packed(one) for one in range(5)] == [register.other.packed(one) for one in range(5)]
    second, sender = parse_time("2026-10-25"), SENDERS[1]
    asked = list(queries(NUMBERS, HOUSES, NAMES, EMAILS, sender.id))
    wanted, found = (resolver_of(one).resolve(asked, sender, second) for one in (register.index, register.followed))
    assert found == wanted
    assert register.ask(at("16"), LATER) == ("DELIVERABLE", sorted([ANN, BO, KIM]))


def test_what_was_worked_out_without_what_others_did_to_the_owner_is_not_followed():
    """In one group a claim moves from Ann to Bo, and then Ann logs in: who judged that didn't see it go."""
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]))
    overlay, other = register.overlay, register.other
    login = change("logged_in", ANN, "2026-10-25")
    judged = apply_change(overlay.state(ANN), login)
    after = overlay.after(login, judged, keys_of(judged, KEY.index_keys))
    for name, number, time, fields in claims(BO, EMAILS[0], "2026-10-24"):
        assert register.take(name, number, time, **fields)
    assert not other.follow(after)
    for one in (other, overlay):
        one.take(login, keys_of(judged, KEY.index_keys))
    email = QueryRow("", Kind.EMAIL, email_address=EMAILS[0])
    assert register.ask(email, LATER) == register.ask(email, LATER, index=register.followed) == ("DELIVERABLE", [BO])


def test_what_is_held_of_a_few_who_changed_is_what_is_held_after_looking_at_all():
    """Going on from instant to instant, far ahead and back again."""
    register = Register(*ANN_AND_BO, *claims(ANN, EMAILS[0]))
    protections = [pb.Protection(first_day="2026-10-24", last_day="2026-10-25")]
    assert register.take("protection_set", ANN, "2026-10-23", protections=protections)
    assert register.take("opted_out", BO, "2026-10-30", sender_id="power")
    there = ["2026-10-23", "2026-10-24", "2026-10-27", "2027-02-01", "2032-03-01", "2026-10-24", "2026-11-07"]
    for day in there:
        fresh = OverlaidIndex(register.other)
        for name in ("protection", "login", "opted_out/power", "consent"):
            wanted = set(register.built(parse_time(day)).facts_at(parse_time(day))[name])
            assert set(fresh.facts_at(parse_time(day))[name]) == wanted, (day, name)
