"""What intake sees, byte for byte, on both ways: whoever is not to be known is as one whom nobody knows."""

import itertools
from contextlib import contextmanager

import pytest
from fast_nursery import HANDLES, KEY, KINDS, both_ways, request_of

from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.handles import NamedOwner
from resolver_grpc.model import Kind, QueryRow, Reason, Role, Route, Sender, SenderClass
from resolver_grpc.times import parse_time
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchResponse
from small_register import NOON, REGISTER_DATE, mailbox, person, quiet, write_tables

VALID_FROM = parse_time(REGISTER_DATE)
NUMBERS = {
    "unknown": "0101801200",
    "unconsented": "0101801201",
    "protected": "0101801202",
    "closed": "0101801203",
    "opted out": "0101801204",
    "known": "0101801205",
    "not subscribed": "0101801206",
    "exempt": "0101801207",
}
FIRMS = {"closed": "13585628", "opted out": "61126228", "not subscribed": "10000009", "unknown": "25313763"}
PLACES = {name: number for number, name in enumerate(NUMBERS, start=1)}
"""Everybody lives in a house of their own; the numbers have one digit, so that all queries have one size."""
EXCEPTION = "opted out"


def register():
    """One person for each reason not to be told of, all of them found by anything, were it not for that."""
    persons, mailboxes = [], []
    for name, number in NUMBERS.items():
        if name == "unknown":
            continue
        cells = {"protections": "2026-01-01/2027-01-01"} if name == "protected" else {}
        persons.append(person(number, f"Ann {name.title().replace(' ', '')}", house_number=str(PLACES[name]), **cells))
        claim = {"email_address": f"{PLACES[name]}@post.dk", "email_verified": "2024-01-01"}
        cells = claim | {"email_claimed": "2024-01-01"}
        # In the index all the same: what is not there is unknown.
        if name == "unconsented":
            cells |= {"address_consent_withdrawn": "2026-11-01T10:00:00Z", "email_dropped": "2026-11-01T10:00:00Z"}
        if name == "closed":
            cells |= {"closed": "2026-11-01T10:00:00Z"}
        if name == "exempt":
            cells |= {"exempt_from": "2026-01-01"}
        mailboxes.append(mailbox(number, **cells))
    firms = [{"number": number, "opened": "2024-01-01"} for name, number in FIRMS.items() if name != "unknown"]
    firms[0] |= {"closed": "2026-11-01T10:00:00Z"}
    opted_out = [
        {"number": number, "sender_id": sender.id, "relation": "OPTED_OUT", "effective_time": "2026-10-01"}
        for number in (NUMBERS["opted out"], FIRMS["opted out"])
        for sender in SENDERS.values()
    ]
    subscribed = [
        {"number": number, "sender_id": sender.id, "relation": "SUBSCRIBED", "effective_time": "2026-10-01"}
        for name, number in NUMBERS.items()
        for sender in SENDERS.values()
        if name not in {"unknown", "not subscribed"}
    ]
    return persons, mailboxes + firms, opted_out + subscribed


def senders():
    """Private senders of every sort: to public ones, who are mandatory, nobody is opted out or not subscribed."""
    names, all_kinds = ("terms_consent", "hold", "fallback"), frozenset(KINDS)
    for number, traits in enumerate(itertools.product([False, True], [False, True], [Route.REJECT, Route.LETTER])):
        of_sender = dict(zip(names, traits, strict=True))
        yield Sender(f"s{number}", "S", "13585628", SenderClass.PRIVATE, kinds=all_kinds, **of_sender)
    yield Sender("town", "T", "13585628", SenderClass.PUBLIC, mandatory=True, fallback=Route.LETTER, kinds=all_kinds)


SENDERS = {sender.id: sender for sender in senders()}
PRIVATE_IDS = [sender_id for sender_id in SENDERS if sender_id != "town"]


@contextmanager
def opened(folder):
    content = draft_snapshot(write_tables(folder, *register()), KEY, NOON, quiet).content
    with both_ways(content, SENDERS, VALID_FROM) as ways:
        yield ways


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("intake")) as opened_ways:
        yield opened_ways


def by_name(name):
    return {"full_name": f"Ann {name.title().replace(' ', '')}"}


def at_home(name):
    return {"street_name": "Vestergade", "house_number": str(PLACES[name]), "postal_code": "8000"}


def handle_of(name, kind, sender_id):
    if name == "unknown":
        return HANDLES.issue("somebody else", [NamedOwner(NUMBERS["known"], kind)])[0]
    return HANDLES.issue(sender_id, [NamedOwner(NUMBERS[name], kind)])[0]


FIND = ["unknown", "unconsented", "protected", "closed", "opted out"]
WITH_NUMBER = ["unknown", "closed", "opted out", "not subscribed"]
SHAPES = {
    "full name": (FIND, lambda name, _: QueryRow("r", Kind.FULL_NAME, **by_name(name), **at_home(name))),
    "first name": (FIND, lambda name, _: QueryRow("r", Kind.FIRST_NAME, first_name="Ann", **at_home(name))),
    "address": (FIND, lambda name, _: QueryRow("r", Kind.ADDRESS, **at_home(name))),
    "kvhx": (
        FIND,
        lambda name, _: QueryRow("r", Kind.FIRST_NAME, first_name="Ann", kvhx=f"07511234___{PLACES[name]}_______"),
    ),
    "line": (
        FIND,
        lambda name, _: QueryRow(
            "r", Kind.FULL_NAME, **by_name(name), address_line=f"Vestergade {PLACES[name]}, 8000 Aarhus C"
        ),
    ),
    "e-mail": (FIND, lambda name, _: QueryRow("r", Kind.EMAIL, email_address=f"{PLACES[name]}@post.dk")),
    "CPR number": (WITH_NUMBER, lambda name, _: QueryRow("r", Kind.CPR, number=NUMBERS[name])),
    "CVR number": (WITH_NUMBER, lambda name, _: QueryRow("r", Kind.CVR, number=FIRMS[name])),
    "handle from a name": (
        FIND,
        lambda name, sender_id: QueryRow("r", Kind.HANDLE, handle=handle_of(name, Kind.FULL_NAME, sender_id)),
    ),
    "handle from an e-mail": (
        FIND,
        lambda name, sender_id: QueryRow("r", Kind.HANDLE, handle=handle_of(name, Kind.EMAIL, sender_id)),
    ),
    "handle from a number": (
        WITH_NUMBER,
        lambda name, sender_id: QueryRow("r", Kind.HANDLE, handle=handle_of(name, Kind.CPR, sender_id)),
    ),
}
"""Queries of one shape for each class that is not to be told from the others."""


def answers(ways, shape, sender_id, role, posted):
    names, query = SHAPES[shape]
    told = {}
    for name in names:
        row = query(name, sender_id)
        if row.kind in {Kind.EMAIL, Kind.CPR, Kind.CVR, Kind.HANDLE} and posted:
            row = QueryRow(row.reference, row.kind, number=row.number, email_address=row.email_address,
                           handle=row.handle, has_postal_address=True)  # fmt: skip
        told[name] = ways.agree(request_of([row], sender_id), NOON, role)
    return told


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sender_id", PRIVATE_IDS)
def test_all_who_are_not_to_be_known_are_one_answer(ways, shape, sender_id):
    """The one exception has its own bytes for a sender who lets letters wait: the fallback, as NOT_FOUND."""
    sender = SENDERS[sender_id]
    for posted in (False, True):
        told = answers(ways, shape, sender_id, Role.INTAKE, posted)
        opted_out = told.pop(EXCEPTION)
        if sender.terms_consent:
            told.pop("not subscribed", None)  # reached by the sender's terms
        assert len(set(told.values())) == 1
        (decision,) = ResolveBatchResponse.FromString(opted_out).decisions
        assert decision.reason == Reason.NOT_FOUND
        assert decision.route == (Route.LETTER if sender.fallback is Route.LETTER and (
            posted or shape in {"full name", "first name", "address", "kvhx", "line"}) else Route.REJECT)  # fmt: skip
        is_held = sender.hold and sender.terms_consent and shape != "address" and not shape.startswith("handle")
        assert (opted_out == told["unknown"]) == (not is_held)


@pytest.mark.parametrize("shape", SHAPES)
def test_delivery_is_told_who_opted_out_and_who_does_not_subscribe(ways, shape):
    """The register is one in which there is something to hide."""
    told = answers(ways, shape, "s0", Role.DELIVERY, posted=False)
    reasons = {name: ResolveBatchResponse.FromString(answer).decisions[0].reason for name, answer in told.items()}
    # Of an address whoever opted out is no resident who is reached.
    assert (reasons["opted out"] == Reason.OPTED_OUT) == (shape != "address")
    assert reasons.get("not subscribed", Reason.NOT_SUBSCRIBED) == Reason.NOT_SUBSCRIBED
    assert set(reasons.values()) - {Reason.OPTED_OUT, Reason.NOT_SUBSCRIBED} == {Reason.NOT_FOUND}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sender_id", [*SENDERS])
def test_intake_never_sees_a_number_nor_an_address_to_forward_to(ways, shape, sender_id):
    _, query = SHAPES[shape]
    for name in [*FIRMS] if shape == "CVR number" else [*NUMBERS]:
        answer = ways.agree(request_of([query(name, sender_id)], sender_id), NOON, Role.INTAKE)
        for decision in ResolveBatchResponse.FromString(answer).decisions:
            assert not any(target.number or target.forwarding_address for target in decision.targets)
            assert all(len(target.handle) == 16 for target in decision.targets)
            reached = decision.route == Route.MAILBOX and shape != "address"
            assert len(decision.targets) == reached


@pytest.mark.parametrize("sender_id", [*SENDERS])
def test_an_address_tells_intake_that_somebody_is_reached_and_not_how_many(ways, sender_id):
    query = QueryRow("r", Kind.ADDRESS, **at_home("known"))
    told = ways.agree(request_of([query], sender_id), NOON, Role.INTAKE)
    (decision,) = ResolveBatchResponse.FromString(told).decisions
    assert (decision.route, decision.reason, len(decision.targets)) == (Route.MAILBOX, Reason.DELIVERABLE, 0)
    told = ways.agree(request_of([query], sender_id), NOON, Role.DELIVERY)
    assert [target.number for target in ResolveBatchResponse.FromString(told).decisions[0].targets] == [
        NUMBERS["known"]
    ]


def test_a_public_sender_s_intake_is_told_of_exemption_since_it_must_send_a_letter(ways):
    query = QueryRow("r", Kind.FULL_NAME, **by_name("exempt"), **at_home("exempt"))
    told = {role: ways.agree(request_of([query], "town"), NOON, role) for role in (Role.INTAKE, Role.DELIVERY)}
    assert told[Role.INTAKE] == told[Role.DELIVERY]
    (decision,) = ResolveBatchResponse.FromString(told[Role.INTAKE]).decisions
    assert (decision.route, decision.reason) == (Route.LETTER, Reason.EXEMPT)
