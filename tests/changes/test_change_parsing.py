"""Messages to changes: what is read, and every bad one refused with its reason and its field's path."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from change_messages import ANN, EVENTS, EVIDENCE, FIRM, IDA, NOON, change, message, person
from resolver_grpc.changes import events
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.reasons import RefusedChangeError
from resolver_grpc.index.layout import FOREVER
from resolver_grpc.rows.cells import WHENEVER, Span
from resolver_grpc.rows.persons import parse_person
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import change_pb2 as pb

FIELDS = [field.name for field in pb.Change.DESCRIPTOR.oneofs_by_name["event"].fields]


def test_every_event_of_the_wire_is_read_as_the_value_of_its_name():
    assert list(EVENTS) == FIELDS
    for name in FIELDS:
        assert type(change(name).event).__name__ == name.title().replace("_", "")
    assert {type(change(name).event) for name in FIELDS} == set(events.Event.__args__)


def test_a_change_carries_its_id_its_canonical_number_and_the_second_that_it_takes_effect_in():
    told = message("logged_in", number="010180-1239", change_id="feed-7")
    told.effective_time.nanos = 999_999_999
    assert parse_change(told) == events.Change("feed-7", ANN, parse_time(NOON), events.LoggedIn())


def test_a_day_is_the_danish_midnight_at_its_start():
    told = message("logged_in", time=None)
    told.effective_day = "2026-10-25"
    assert parse_change(told).instant == parse_time("2026-10-24T22:00:00Z")


def test_a_person_is_read_as_a_row_of_the_persons_table_is():
    cells = {"full_name": "Åse Bo", "status": "03", "floor": "3.", "door": "t.v.", "supplementary_town": "By"}
    told = person(protections=[pb.Protection(first_day="2026-01-01")], **cells)
    columns = dict.fromkeys(("current_number", "old_numbers", "street_name"), "")
    home = {"municipality_code": "0751", "road_code": "1234", "short_street_name": "Vestergade", "postal_code": "8000"}
    row = {"number": ANN, "house_number": "12", "protections": "2026-01-01/"} | columns | home | cells
    assert change("moved", person=told).event == events.Moved(parse_person(row))
    replaced = change("number_replaced", person=told).event
    assert replaced.person == parse_person(row | {"number": IDA})


@pytest.mark.parametrize("name", ["mailbox_opened", "logged_in", "protection_set", "protection_lifted"])
def test_what_may_make_somebody_reachable_may_bring_the_record_along(name):
    assert change(name).event.person is None
    assert change(name, person=person()).event.person == change("moved", person=person()).event.person


@pytest.mark.parametrize(
    ("first", "last"),
    [("", ""), ("", "2026-01-01"), ("?", ""), ("2026-01-02", "2026-01-01"), ("2026-01-01", "?"), ("1/2", "2026-01-01")],
)
def test_a_protection_whose_days_mean_nothing_holds_always_and_is_not_refused(first, last):
    told = [pb.Protection(first_day=first, last_day=last)]
    assert change("protection_set", protections=told).event.protections == (WHENEVER,)
    assert change("moved", person=person(protections=told)).event.person.protections == (WHENEVER,)


def test_a_last_day_is_within_and_without_one_it_goes_on():
    assert change("exempted", last_day="2026-11-01").event.until == parse_time("2026-11-02")
    assert change("forwarding_set", last_day="").event.until == FOREVER
    told = [pb.Protection(first_day="2026-11-01", last_day="2026-11-01")]
    assert change("protection_set", protections=told).event.protections == (
        Span(parse_time("2026-11-01"), parse_time("2026-11-02")),
    )


def test_what_is_shown_of_a_change_names_nobody():
    shown = repr([change(name, change_id="name-of-a-feed") for name in FIELDS])
    words = (ANN, IDA, FIRM, "ann@post.dk", "post@firm.dk", "curator@law.dk", EVIDENCE, "vestergade", "mo", "feed")
    assert not [word for word in words if word in shown]


def without(told, field):
    told.ClearField(field)
    return told


def at(seconds, nanos=0):
    told = message("logged_in")
    told.effective_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    return told


def on(day, **both):
    told = message("logged_in", **both)
    told.effective_day = day
    return told


CELLS = [
    ("status", "", "INVALID_STATUS"),
    ("status", "02", "INVALID_STATUS"),
    ("full_name", "x" * 257, "INVALID_NAME"),
    ("municipality_code", "75", "INVALID_CODE"),
    ("road_code", "12345", "INVALID_CODE"),
    ("street_name", "--", "INVALID_STREET"),
    ("short_street_name", "!", "INVALID_STREET"),
    ("house_number", "12-14", "INVALID_HOUSE_NUMBER"),
    ("floor", "roof", "INVALID_FLOOR"),
    ("door", "doors", "INVALID_DOOR"),
    ("supplementary_town", "x" * 257, "INVALID_TOWN"),
    ("postal_code", "80000", "INVALID_POSTAL_CODE"),
]
MANY = [pb.Protection(first_day="2026-01-01")] * 65
BAD = [
    (message("logged_in", change_id=" "), "INVALID_CHANGE_ID", "change_id"),
    (message("logged_in", change_id="å" * 33), "INVALID_CHANGE_ID", "change_id"),
    (message("logged_in", number="0000000000"), "INVALID_NUMBER", "number"),
    (message("logged_in", number="6101801239"), "INVALID_NUMBER", "number"),
    (message("logged_in", number="13585629"), "INVALID_NUMBER", "number"),
    (message("logged_in", time=None), "INVALID_TIME", "effective_time"),
    (at(-1), "INVALID_TIME", "effective_time"),
    (at(FOREVER), "INVALID_TIME", "effective_time"),
    (at(5, -1), "INVALID_TIME", "effective_time"),
    (on("2026-01-01"), "INVALID_TIME", "effective_time"),
    (on("2026-02-30", time=None), "INVALID_TIME", "effective_day"),
    (on("9999-12-31", time=None), "INVALID_TIME", "effective_day"),
    (on("1 Jan", time=None), "INVALID_TIME", "effective_day"),
    (without(message("logged_in"), "logged_in"), "INVALID_EVENT", "event"),
    (without(message("moved"), "number"), "INVALID_NUMBER", "number"),
    (message("moved", person=None), "INVALID_PERSON", "moved.person"),
    *[(message("moved", person=person(**{cell: text})), why, f"moved.person.{cell}") for cell, text, why in CELLS],
    (message("renamed", person=person(protections=MANY)), "INVALID_PROTECTIONS", "renamed.person.protections"),
    (message("protection_set", protections=[]), "INVALID_PROTECTIONS", "protection_set.protections"),
    (message("protection_set", protections=MANY), "INVALID_PROTECTIONS", "protection_set.protections"),
    *[
        (message(event, evidence_reference=text), "INVALID_EVIDENCE", f"{event}.evidence_reference")
        for event in ("address_consent_given", "address_consent_withdrawn")
        for text in ("", "x" * 129)
    ],
    *[
        (message(event, email_address="ann(at)post.dk"), "INVALID_EMAIL", f"{event}.email_address")
        for event in ("email_verified", "email_claimed", "email_dropped")
    ],
    *[
        (message(event, forwarding_address=text), "INVALID_EMAIL", f"{event}.forwarding_address")
        for event in ("forwarding_set", "forwarding_changed", "curator_took_over")
        for text in ("", "nobody")
    ],
    *[
        (message(event, person=person(status="?")), "INVALID_STATUS", f"{event}.person.status")
        for event in ("mailbox_opened", "logged_in", "protection_set", "protection_lifted")
    ],
    *[
        (message(event, number=FIRM, person=person()), "NOT_A_PERSON", f"{event}.person")
        for event in ("mailbox_opened", "logged_in")
    ],
    (message("exempted", last_day="2026-10-31"), "INVALID_DAY", "exempted.last_day"),
    (message("forwarding_set", last_day="soon"), "INVALID_DAY", "forwarding_set.last_day"),
    *[
        (message(event, sender_id=text), "INVALID_SENDER", f"{event}.sender_id")
        for event in ("subscribed", "unsubscribed", "bound", "agreement_ended", "opted_out", "opt_out_cancelled")
        for text in (" ", "x" * 65)
    ],
    (message("number_replaced", current_number="1"), "INVALID_NUMBER", "number_replaced.current_number"),
    (message("number_replaced", current_number=FIRM), "INVALID_NUMBER", "number_replaced.current_number"),
    (message("number_replaced", current_number=ANN), "CONTRADICTORY_NUMBER", "number_replaced.current_number"),
    (message("number_replaced", person=None), "INVALID_PERSON", "number_replaced.person"),
    *[(message(event, number=FIRM), "NOT_A_PERSON", event) for event in FIELDS[5:15]],
    *[(message(event, number=ANN), "NOT_AN_ORGANISATION", event) for event in FIELDS[-4:]],
]


@pytest.mark.parametrize(
    ("told", "reason", "path"), BAD, ids=[f"{n}-{path}-{why}" for n, (_, why, path) in enumerate(BAD)]
)
def test_a_bad_change_is_refused_with_its_reason_and_the_path_of_its_field(told, reason, path):
    with pytest.raises(RefusedChangeError) as refused:
        parse_change(told)
    assert (refused.value.reason, refused.value.field) == (reason, path)
    assert str(refused.value) == reason


texts = st.sampled_from(["", "01", "2026-01-01", "a@b.dk", "8000", "12", ANN, FIRM]) | st.text(max_size=8)
days = st.builds(pb.Protection, first_day=texts, last_day=texts)
cells = st.fixed_dictionaries({field.name: texts for field in pb.Person.DESCRIPTOR.fields[:-1]})


@given(
    st.sampled_from(FIELDS),
    st.builds(lambda told, stated: pb.Person(**told, protections=stated), cells, st.lists(days, max_size=2)),
    st.lists(texts, min_size=4, max_size=4),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_whatever_a_message_holds_it_is_read_or_refused(name, somebody, words, seconds):
    told = pb.Change(change_id=words[0], number=words[1], effective_day=words[2])
    if not words[2]:
        told.effective_time.seconds = seconds
    event = getattr(told, name)
    event.SetInParent()
    for field in event.DESCRIPTOR.fields:
        if field.name == "person":
            event.person.CopyFrom(somebody)
        elif field.name != "protections":
            setattr(event, field.name, words[3])
    try:
        assert parse_change(told).number in {ANN, FIRM} | {words[1]}
    except RefusedChangeError as refused:
        assert refused.field  # noqa: PT017 - which one, the table above says
