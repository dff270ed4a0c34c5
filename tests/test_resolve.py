"""Resolving: the same decisions from either index, in batches of any size (invariants 1 and 2)."""

import pytest

from resolver_grpc.build.plain import draft_snapshot
from resolver_grpc.errors import NotYetValidError
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.writer import write_index
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow, Reason, Route
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.senders import parse_sender
from resolver_grpc.times import parse_time
from small_register import (
    ANN,
    LINE,
    MAILBOX_ROWS,
    NOON,
    PERSONS_ROWS,
    QUERIES,
    REGISTER_DATE,
    SENDERS,
    mailbox,
    person,
    quiet,
    write_tables,
)

KEY = MasterKey(b"k" * 32)
HANDLES = Handles([KEY.handles_secret])
POWER = parse_sender(SENDERS[0])
VALID_FROM = parse_time(REGISTER_DATE)


@pytest.fixture(scope="module")
def draft(tmp_path_factory):
    return draft_snapshot(write_tables(tmp_path_factory.mktemp("tables")), KEY, NOON, quiet)


@pytest.fixture(params=["memory", "lmdb"])
def resolver(request, draft, tmp_path):
    if request.param == "memory":
        yield Resolver(MemoryIndex(draft.content), KEY.index_keys, VALID_FROM, HANDLES)
        return
    snapshot_id = bytes.fromhex(draft.manifest.snapshot_id)
    write_index(tmp_path / "index.lmdb", draft.content, KEY.columns_secret, snapshot_id)
    index = LmdbIndex(tmp_path / "index.lmdb", KEY.columns_secret, snapshot_id)
    yield Resolver(index, KEY.index_keys, VALID_FROM, HANDLES)
    index.close()


def test_a_batch_is_a_loop_of_singles_duplicates_included(resolver):
    queries = QUERIES * 3
    whole = resolver.resolve(queries, POWER, NOON)
    assert whole == [resolver.resolve([query], POWER, NOON)[0] for query in queries]
    assert len({decision.reason for decision in whole}) > 4


def test_an_empty_batch_has_no_decisions(resolver):
    assert resolver.resolve([], POWER, NOON) == []


def test_before_the_register_date_nothing_is_answered(resolver):
    assert resolver.resolve([], POWER, VALID_FROM) == []
    with pytest.raises(NotYetValidError):
        resolver.resolve(QUERIES, POWER, VALID_FROM - 1)


def test_a_malformed_query_fails_alone(resolver):
    good = QueryRow("r", Kind.FIRST_NAME, first_name="Bo", kvhx="07511234__12__3__tv")
    bad = QueryRow("r", Kind.FIRST_NAME, first_name="Bo", kvhx="0751")
    reasons = [decision.reason for decision in resolver.resolve([good, bad, good], POWER, NOON)]
    assert reasons == [Reason.DELIVERABLE, Reason.INVALID_KVHX, Reason.DELIVERABLE]


SHARED_PERSONS = [
    {"number": "0101801239", "full_name": "Ann Bo", "road_code": "0001", "supplementary_town": "Bolbro"},
    {"number": "0202812345", "full_name": "Ann Bo", "road_code": "0002", "supplementary_town": "Dyrup"},
    {"number": "0303823456", "full_name": "Pia Bo", "road_code": "0002", "supplementary_town": "Dyrup"},
    {"number": "0404834567", "full_name": "Ida Bo", "road_code": "0003", "supplementary_town": ""},
]


@pytest.fixture(scope="module")
def on_shared_streets(tmp_path_factory):
    """Skovvej is three roads of one postal code; only two of them have a town."""
    home = {"status": "01", "municipality_code": "0461", "short_street_name": "Skovvej", "postal_code": "5200"}
    persons = [home | {"house_number": "4"} | row for row in SHARED_PERSONS]
    mailboxes = [
        {"number": row["number"], "opened": "2024-01-01", "address_consent_given": "2024-01-01"} for row in persons
    ]
    inputs = write_tables(tmp_path_factory.mktemp("shared"), persons, mailboxes, [])
    content = draft_snapshot(inputs, KEY, NOON, quiet).content
    return Resolver(MemoryIndex(content), KEY.index_keys, VALID_FROM, HANDLES)


@pytest.mark.parametrize(
    ("town", "first_name", "outcome"),
    [
        ("Bolbro", "", "0101801239"),
        ("dyrup", "", "0202812345 0303823456"),
        ("", "", Reason.AMBIGUOUS_ADDRESS),
        ("Elsewhere", "", Reason.AMBIGUOUS_ADDRESS),
        ("Bolbro", "Ann", "0101801239"),
        ("Dyrup", "Ann", "0202812345"),
        ("", "Ann", Reason.AMBIGUOUS_RECIPIENT),
        ("Elsewhere", "Ann", Reason.AMBIGUOUS_RECIPIENT),
        ("", "Pia", "0303823456"),
        ("Elsewhere", "Ida", "0404834567"),
        ("Bolbro", "Pia", Reason.NOT_FOUND),
    ],
)
@pytest.mark.parametrize("as_line", [True, False])
def test_a_text_of_several_roads_needs_the_town(on_shared_streets, town, first_name, outcome, as_line):
    address = {"street_name": "Skovvej", "house_number": "4", "postal_code": "5200", "supplementary_town": town}
    if as_line:
        address = {"address_line": ", ".join(part for part in ("Skovvej 4", town, "5200 Odense V") if part)}
    kind = Kind.FIRST_NAME if first_name else Kind.ADDRESS
    query = QueryRow("r", kind, first_name=first_name, **address)
    decision = on_shared_streets.resolve([query], POWER, NOON)[0]
    if isinstance(outcome, Reason):
        assert (decision.route, decision.reason, decision.targets) == (Route.REJECT, outcome, ())
    else:
        assert [target.number for target in decision.targets] == outcome.split()


@pytest.mark.parametrize("kvhx", ["04610001___4_______", "04610002004       "])
def test_a_kvhx_names_its_road_and_is_never_ambiguous(on_shared_streets, kvhx):
    decision = on_shared_streets.resolve([QueryRow("r", Kind.ADDRESS, kvhx=kvhx)], POWER, NOON)[0]
    assert decision.reason is Reason.DELIVERABLE


def test_residents_of_two_addresses_under_one_key_are_never_reached_together(draft):
    """However the index came by it: everyone whom an ADDRESS query reaches lives at one address."""
    index = MemoryIndex(draft.content)
    index.find = lambda keys: [tuple(range(index.owners)) for _ in keys]
    decision = Resolver(index, KEY.index_keys, VALID_FROM, HANDLES).resolve(
        [QueryRow("r", Kind.ADDRESS, kvhx="07511234__12__3__tv")], POWER, NOON
    )[0]
    assert decision.reason is Reason.AMBIGUOUS_ADDRESS


IN_TWELVE = {"street_name": "Vestergade", "house_number": "12", "floor": "3", "door": "tv", "postal_code": "8000"}
HITS_AND_MISSES = [
    [QueryRow("r", Kind.FULL_NAME, full_name=name, address_line=LINE) for name in ("Ann Bo", "Nobody Here")],
    [QueryRow("r", Kind.FIRST_NAME, first_name=name, **IN_TWELVE) for name in ("Bo", "Nobody")],
    [QueryRow("r", Kind.ADDRESS, **IN_TWELVE | {"house_number": house, "floor": "", "door": ""}) for house in "69"],
    [QueryRow("r", Kind.EMAIL, email_address=address) for address in ("ann@post.dk", "nobody@post.dk")],
    [QueryRow("r", Kind.CPR, number=number) for number in (ANN, "0101801200")],
    [
        QueryRow("r", Kind.HANDLE, handle=HANDLES.issue(sender, [NamedOwner(ANN, Kind.CPR)])[0])
        for sender in (POWER.id, "another")
    ],
]


class Watched:
    """Sets of owners that note which of them were asked for."""

    def __init__(self, sets, asked):
        self.sets, self.asked = sets, asked

    def __getitem__(self, name):
        self.asked.append(name)
        return self.sets[name]

    def hold_at(self, instant):
        return self.sets.hold_at(instant)


@pytest.fixture
def watched(tmp_path):
    """A resolver of a register in which one person lives in number 6, and what it asked for."""
    alone = person("0707867890", "Ea Eng", house_number="6")
    inputs = write_tables(tmp_path, [*PERSONS_ROWS, alone], [*MAILBOX_ROWS, mailbox("0707867890")])
    index, asked = MemoryIndex(draft_snapshot(inputs, KEY, NOON, quiet).content), []
    facts_at = index.facts_at
    index.facts_at = lambda instant: Watched(facts_at(instant), asked)
    return Resolver(index, KEY.index_keys, VALID_FROM, HANDLES), asked


@pytest.mark.parametrize(("hit", "miss"), HITS_AND_MISSES, ids=lambda query: query.kind.name)
def test_a_miss_looks_at_as_much_as_a_hit(watched, hit, miss):
    """Counted, for a clock tells it to nobody for sure: the same facts are asked for, as often."""
    resolver, asked = watched
    found = []
    for query in (hit, miss, hit, miss):
        asked.clear()
        found.append((resolver.resolve([query], POWER, NOON)[0].reason, list(asked)))
    assert [reason is Reason.NOT_FOUND for reason, _ in found] == [False, True] * 2
    # By then the day's sets are there.
    assert found[2][1] == found[3][1] != []
