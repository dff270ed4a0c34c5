"""Kind HANDLE: a handle leads to its owner, judged afresh by the conditions of the kind that it came from."""

import pytest

from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow, Reason, Role, Route
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.senders import parse_sender
from resolver_grpc.times import parse_time
from small_register import ANN, FIRM, IDA, KVHX, LINE, NOON, PIA, REGISTER_DATE, mailbox, person, quiet, write_tables

KEY, OLD_KEY = MasterKey(b"k" * 32), MasterKey(b"o" * 32)
RING = [KEY.handles_secret, OLD_KEY.handles_secret]
ALL = [kind.name for kind in Kind if kind]
CLAIM = {"email_address": "ann@post.dk", "email_verified": "2024-01-01", "email_claimed": "2024-01-01"}
LATER = parse_time("2026-11-05T11:00:00Z")
EARLIER_NUMBER = "0101801100"
KINDS = [kind for kind in Kind if kind not in {Kind.UNSPECIFIED, Kind.HANDLE}]
PERSON_KINDS = [kind for kind in KINDS if kind is not Kind.CVR]
ADDRESS_KINDS = [Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS]


def sender(sender_id="power", **traits):
    return parse_sender(
        {"id": sender_id, "name": "P", "cvr": "13585628", "class": "PRIVATE", "kinds": ALL, "mandatory": True} | traits
    )


POWER = sender()
HOME = {"floor": "3", "door": "tv"}
EVERYTHING = mailbox(ANN, **CLAIM)
FIRM_MAILBOX = {"number": FIRM, "opened": "2024-01-01", "forwarding_address": "post@firm.dk"}


def resolver_of(folder, own_mailbox=EVERYTHING, relations=(), secrets=RING, **of_person):
    """A register of Ann, who can be reached every way, and a firm; told otherwise in some of it."""
    persons = [person(ANN, "Ann Bo", **HOME | of_person)]
    inputs = write_tables(folder, persons, [own_mailbox, FIRM_MAILBOX], relations)
    content = draft_snapshot(inputs, KEY, NOON, quiet).content
    return Resolver(MemoryIndex(content), KEY.index_keys, parse_time(REGISTER_DATE), Handles(secrets))


def handle(kind, number=ANN, sender_id="power", secret=RING[0]):
    return Handles([secret]).issue(sender_id, [NamedOwner(number, kind)])[0]


def ask(resolver, handle, sender=POWER, instant=NOON, **others):
    return resolver.resolve([QueryRow("r", Kind.HANDLE, handle=handle)], sender, instant, **others)[0]


BY_KIND = {
    Kind.FULL_NAME: {"full_name": "Ann Bo", "address_line": LINE},
    Kind.FIRST_NAME: {"first_name": "Ann", "kvhx": KVHX},
    Kind.ADDRESS: {"kvhx": KVHX},
    Kind.EMAIL: {"email_address": "ann@post.dk"},
    Kind.CPR: {"number": ANN},
    Kind.CVR: {"number": FIRM},
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_handle_of_a_decision_leads_to_its_owner_and_is_given_again(tmp_path, kind):
    resolver = resolver_of(tmp_path)
    first = resolver.resolve([QueryRow("r", kind, **BY_KIND[kind])], POWER, NOON)[0]
    assert first.targets[0].handle == handle(kind, FIRM if kind is Kind.CVR else ANN)
    again = ask(resolver, first.targets[0].handle)
    assert again == first


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Kind.ADDRESS], ids=lambda kind: kind.name)
def test_intake_gets_handles_that_delivery_exchanges_for_numbers(tmp_path, kind):
    resolver = resolver_of(tmp_path)
    told = resolver.resolve([QueryRow("r", kind, **BY_KIND[kind])], POWER, NOON, role=Role.INTAKE)[0]
    assert [target[:2] for target in told.targets] == [("", "")]
    again = ask(resolver, told.targets[0].handle)
    assert [target.number for target in again.targets] == [FIRM if kind is Kind.CVR else ANN]
    assert ask(resolver, told.targets[0].handle, role=Role.INTAKE) == told


def test_handles_issued_under_an_older_key_of_the_ring_lead_on_and_come_back_under_the_active_one(tmp_path):
    decision = ask(resolver_of(tmp_path), handle(Kind.CPR, secret=RING[1]))
    assert [target.handle for target in decision.targets] == [handle(Kind.CPR)]


@pytest.mark.parametrize(
    "nobody",
    [
        bytes(16),
        handle(Kind.CPR, sender_id="other"),
        handle(Kind.CPR, secret=bytes(32)),
        handle(Kind.CPR)[::-1],
        Handles(RING).encipher("power", bytes([7]) + bytes.fromhex(ANN) + bytes(10)),
        Handles(RING).encipher("power", bytes([0]) + bytes.fromhex(ANN) + bytes(10)),
        handle(Kind.CPR, number=PIA),
    ],
    ids=["zeros", "another sender's", "expired key", "turned", "kind of a handle", "no kind", "nobody in the index"],
)
def test_a_handle_that_names_nobody_is_not_found(tmp_path, nobody):
    resolver = resolver_of(tmp_path)
    holding = sender(mandatory=False, hold=True, terms_consent=True, fallback="LETTER")
    assert ask(resolver, nobody)[:2] == ask(resolver, nobody, holding)[:2] == (Route.REJECT, Reason.NOT_FOUND)
    query = QueryRow("r", Kind.HANDLE, handle=nobody, has_postal_address=True)
    assert resolver.resolve([query], holding, NOON)[0][:2] == (Route.LETTER, Reason.NOT_FOUND)


@pytest.mark.parametrize("kind", PERSON_KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("changed", "spared"),
    [
        ({"address_consent_withdrawn": "2026-11-03"}, [Kind.EMAIL, Kind.CPR]),
        ({"closed": "2026-11-03"}, []),
        ({"private_closed": "2026-11-03"}, []),
        ({"email_dropped": "2026-11-03"}, [*ADDRESS_KINDS, Kind.CPR]),
    ],
    ids=str,
)
def test_what_changed_since_the_handle_was_made_counts(tmp_path, kind, changed, spared):
    resolver = resolver_of(tmp_path, mailbox(ANN, **CLAIM | changed))
    assert ask(resolver, handle(kind)).route is Route.MAILBOX
    later = ask(resolver, handle(kind), instant=LATER)
    assert later.reason is (Reason.DELIVERABLE if kind in spared else Reason.NOT_FOUND)


@pytest.mark.parametrize("kind", PERSON_KINDS, ids=lambda kind: kind.name)
def test_a_protection_that_began_since_counts_but_for_those_who_had_the_number(tmp_path, kind):
    resolver = resolver_of(tmp_path, protections="2026-11-03/2027-01-01")
    assert ask(resolver, handle(kind)).route is Route.MAILBOX
    assert (ask(resolver, handle(kind), instant=LATER).route is Route.MAILBOX) == (kind is Kind.CPR)


@pytest.mark.parametrize("kind", ADDRESS_KINDS, ids=lambda kind: kind.name)
def test_whoever_moved_is_still_reached_and_whoever_is_dead_is_not(tmp_path, kind):
    """The handle names the owner, not the address; but one must live somewhere according to the register."""
    assert ask(resolver_of(tmp_path, house_number="99"), handle(kind)).route is Route.MAILBOX
    assert ask(resolver_of(tmp_path, status="90"), handle(kind)).reason is Reason.NOT_FOUND


def test_a_number_that_was_replaced_leads_to_the_current_one(tmp_path):
    resolver = resolver_of(tmp_path, old_numbers=EARLIER_NUMBER)
    decision = ask(resolver, handle(Kind.FULL_NAME, number=EARLIER_NUMBER))
    assert [(target.number, target.handle) for target in decision.targets] == [(ANN, handle(Kind.FULL_NAME))]


@pytest.mark.parametrize("kind", PERSON_KINDS, ids=lambda kind: kind.name)
def test_rows_10_and_11_count_for_handles_that_came_from_a_number(tmp_path, kind):
    resolver, by_number = resolver_of(tmp_path), kind is Kind.CPR
    plain, terms = sender(mandatory=False), sender(mandatory=False, terms_consent=True)
    assert ask(resolver, handle(kind), plain).reason is (Reason.NOT_SUBSCRIBED if by_number else Reason.DELIVERABLE)
    expected = Reason.SUBSCRIBED_BY_TERMS if by_number else Reason.DELIVERABLE
    assert ask(resolver, handle(kind), terms).reason is expected
    told = ask(resolver, handle(kind), plain, role=Role.INTAKE)
    assert told.reason is (Reason.NOT_FOUND if by_number else Reason.DELIVERABLE)


def test_personal_content_does_not_go_by_the_handle_of_an_address_either(tmp_path):
    resolver = resolver_of(tmp_path)
    for kind in PERSON_KINDS:
        reason = ask(resolver, handle(kind), personal_content=True).reason
        assert reason is (Reason.PERSONAL_CONTENT if kind is Kind.ADDRESS else Reason.DELIVERABLE)


def test_a_claim_that_somebody_contests_makes_the_handle_ambiguous(tmp_path):
    persons = [person(ANN, "Ann Bo"), person(IDA, "Ida Ring", house_number="16")]
    mailboxes = [mailbox(ANN, **CLAIM), mailbox(IDA, **CLAIM | {"email_claimed": "2026-11-03"})]
    content = draft_snapshot(write_tables(tmp_path, persons, mailboxes, ()), KEY, NOON, quiet).content
    resolver = Resolver(MemoryIndex(content), KEY.index_keys, parse_time(REGISTER_DATE), Handles(RING))
    assert ask(resolver, handle(Kind.EMAIL)).reason is Reason.DELIVERABLE
    assert ask(resolver, handle(Kind.EMAIL), instant=LATER).reason is Reason.AMBIGUOUS_RECIPIENT
    assert ask(resolver, handle(Kind.FULL_NAME), instant=LATER).reason is Reason.DELIVERABLE


def test_a_firm_s_handle_forwards_and_intake_is_not_told_where_to(tmp_path):
    forwarding = FIRM_MAILBOX | {"forwarding_from": "2026-01-01"}
    content = draft_snapshot(write_tables(tmp_path, [], [forwarding], ()), KEY, NOON, quiet).content
    resolver = Resolver(MemoryIndex(content), KEY.index_keys, parse_time(REGISTER_DATE), Handles(RING))
    town = parse_sender({"id": "town", "name": "T", "cvr": "13585628", "class": "PUBLIC", "kinds": ALL})
    firm = handle(Kind.CVR, FIRM, "town")
    assert ask(resolver, firm, town) == (Route.FORWARD, Reason.FORWARDED, "", ((FIRM, "post@firm.dk", firm),))
    assert ask(resolver, firm, town, role=Role.INTAKE) == (Route.FORWARD, Reason.FORWARDED, "", (("", "", firm),))


def test_a_sender_who_may_not_use_handles_is_told_so(tmp_path):
    shy = sender(kinds=["CPR"])
    assert ask(resolver_of(tmp_path), handle(Kind.CPR), shy).reason is Reason.KIND_NOT_ALLOWED
    assert ask(resolver_of(tmp_path), bytes(16), shy).reason is Reason.KIND_NOT_ALLOWED


def test_a_batch_of_handles_among_others_is_a_loop_of_singles(tmp_path):
    resolver = resolver_of(tmp_path)
    queries = [QueryRow(str(kind), kind, **BY_KIND[kind]) for kind in KINDS]
    queries += [QueryRow("h", Kind.HANDLE, handle=handle(kind)) for kind in KINDS]
    queries += [QueryRow("x", Kind.HANDLE, handle=bytes(16)), QueryRow("y", Kind.HANDLE, handle=b"short")]
    mixed = queries[::2] + queries[::-1]
    for role in (Role.INTAKE, Role.DELIVERY):
        whole = resolver.resolve(mixed, POWER, NOON, role=role)
        assert whole == [resolver.resolve([query], POWER, NOON, role=role)[0] for query in mixed]
