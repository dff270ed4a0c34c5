"""GetOwner and EraseOwner with a real server: what is held of somebody, and that nothing is any more."""

import json

import pytest
from access_nursery import outcome
from change_nursery import fresh_id, new_log, registering, unchanged

from change_messages import EVIDENCE, message, person
from resolver_grpc.model import Fact, Kind, QueryRow, Relation
from resolver_grpc.server.owner_report import WORDS
from resolver_grpc.v1 import change_service_pb2 as wire
from small_register import ANN, ANN_TWO, FIRM, IDA, KVHX, LINE, OLD_IDA

BEFORE = "2026-10-31T12:00:00Z"
STRANGER = "0909889012"


def sent(event, number=None, **fields):
    return message(event, number, BEFORE, fresh_id(), **fields)


@pytest.fixture
def place(tmp_path):
    register = unchanged(tmp_path)
    return register, new_log(tmp_path / "log", register.key), tmp_path


def bodies_of(audit):
    """All lines of an audit's chains, in order."""
    files = [path for path in sorted(audit.iterdir()) if "head" not in path.name]
    return [json.loads(line) for path in files for line in path.read_text(encoding="ascii").splitlines()]


def told_of(registrar, number):
    return registrar.changes.GetOwner(wire.GetOwnerRequest(number=number), metadata=registrar.registrar)


def erase(registrar, number, change_id):
    request = wire.EraseOwnerRequest(number=number, change_id=change_id)
    return registrar.changes.EraseOwner(request, metadata=registrar.registrar)


def facts_of(told):
    return {(fact.fact, fact.sender_id) for fact in told.facts}


def test_an_owner_of_the_snapshot_is_told_what_holds_and_when(place):
    with registering(*place) as registrar:
        told = told_of(registrar, OLD_IDA[:6] + "-" + OLD_IDA[6:])
        assert (told.number, list(told.former_numbers), told.change_sequence) == (IDA, [OLD_IDA], 0)
        assert facts_of(told) == {
            *((fact, "") for fact in ("mailbox", "login", "resident", "registered", "consent")),
            ("opted_out", "power"),
        }
        assert "frameldt afsenderen power fra 2026-09-30T22:00:00Z" in told.report
        assert "opted out of the sender power from 2026-09-30T22:00:00Z" in told.report
        assert told_of(registrar, FIRM).forwarding_address == "post@firm.dk"


def test_the_changes_are_told_as_they_were_sent_with_their_evidence_and_nobody_elses(place):
    with registering(*place) as registrar:
        changes = [
            sent("address_consent_given", ANN, person=person(full_name="Ann Mo Bo")),
            sent("email_verified", ANN, email_address="ann@other.dk"),
            sent("email_claimed", ANN, email_address="ann@other.dk"),
        ]
        changes[2].number = f" {ANN[:6]}-{ANN[6:]} "
        registrar.took(sent("logged_in", ANN_TWO), *changes, sent("subscribed", FIRM))
        told = told_of(registrar, ANN)
        assert [one.change for one in told.changes] == changes
        assert [one.sequence for one in told.changes] == [2, 3, 4]
        assert told.email_address == "ann@other.dk"
        assert f"evidence: {EVIDENCE}" in told.report
        assert f"dokumentation: {EVIDENCE}" in told.report


@pytest.mark.parametrize(
    ("number", "status"), [(STRANGER, "NOT_FOUND UNKNOWN_OWNER"), ("1", "INVALID_ARGUMENT INVALID_NUMBER")]
)
def test_of_nobody_nothing_is_told_or_erased(place, number, status):
    with registering(*place) as registrar:
        assert outcome(lambda: told_of(registrar, number)) == tuple(status.split())
        assert outcome(lambda: erase(registrar, number, "e")) == tuple(status.split())


def test_who_is_erased_is_reached_in_no_way_neither_then_nor_after_a_restart(place):
    ways = [
        QueryRow("", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE),
        QueryRow("", Kind.ADDRESS, kvhx=KVHX),
        QueryRow("", Kind.EMAIL, email_address="ann@post.dk"),
        QueryRow("", Kind.CPR, number=ANN),
    ]
    with registering(*place) as registrar:
        handle = registrar.resolve(ways[0]).decisions[0].targets[0].handle
        ways.append(QueryRow("", Kind.HANDLE, handle=handle))
        assert all(ANN in registrar.ask(way)[1] for way in ways)
        sequence = erase(registrar, ANN, "erasure-1").sequence
        assert not any(ANN in registrar.ask(way)[1] for way in ways)
        assert outcome(lambda: told_of(registrar, ANN)) == ("NOT_FOUND", "UNKNOWN_OWNER")
        assert [one.reason for one in registrar.apply(sent("logged_in", ANN))] == [wire.CHANGE_REASON_UNKNOWN_OWNER]
    with registering(*place) as registrar:
        assert not any(ANN in registrar.ask(way)[1] for way in ways)
        assert erase(registrar, ANN, "erasure-1").sequence == sequence
        assert outcome(lambda: erase(registrar, ANN, "erasure-2")) == ("NOT_FOUND", "UNKNOWN_OWNER")


def test_an_erasure_needs_a_name_of_its_own(place):
    with registering(*place) as registrar:
        change = sent("logged_in", ANN)
        registrar.took(change)
        assert outcome(lambda: erase(registrar, ANN, change.change_id)) == ("ALREADY_EXISTS", "CHANGE_ID_TAKEN")
        assert outcome(lambda: erase(registrar, ANN, "")) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


def test_who_asked_about_whom_and_who_applied_how_much_is_on_record_without_a_number(place):
    register, log, folder = place
    (folder / "audit").mkdir()
    with registering(register, log, folder, audit=folder / "audit") as registrar:
        registrar.apply(sent("logged_in", ANN), sent("logged_in", STRANGER))
        told_of(registrar, ANN)
        erase(registrar, ANN, "e")
        assert outcome(lambda: told_of(registrar, ANN))[0] == "NOT_FOUND"
    bodies = [body for body in bodies_of(folder / "audit") if body["type"] in {"changes", "access", "erasure"}]
    assert [(one["type"], one["taken"], one["refused"], one["refusal"]) for one in bodies] == [
        ("changes", 1, 1, ""),
        ("access", 0, 0, ""),
        ("erasure", 0, 0, ""),
        ("access", 0, 0, "UNKNOWN_OWNER"),
    ]
    subjects = {one["subject"] for one in bodies[1:]}
    assert len(subjects) == 1
    assert len(subjects.pop()) == 32
    assert {(one["caller"], one["role"]) for one in bodies} == {("register", "registrar")}
    assert ANN not in str(bodies)


def test_every_fact_and_relation_has_its_words():
    assert set(WORDS) == {*Fact, *Relation}
