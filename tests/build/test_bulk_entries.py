"""Whom the bulk way gives which keys, against the plain way of one owner at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.build import entries as plain
from resolver_grpc.build.bulk.entries import number_part, rank
from resolver_grpc.build.bulk.numbers import number_of
from resolver_grpc.build.bulk.reach import Reach
from resolver_grpc.build.bulk.streets import streets_of, taken
from resolver_grpc.build.roads import Roads
from resolver_grpc.canonical.address import Address
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.keys import IndexKeys
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import Home

KEYS = IndexKeys(b"k" * 32)
SPANS = st.builds(Span, st.integers(0, 12), st.integers(0, 12))
NEEDED = {
    "by address": (Fact.RESIDENT, Fact.CONSENT),
    "by e-mail": (Fact.REGISTERED, Fact.CLAIM),
    "at all": (),
}
OWNERS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={fact: SPANS.map(lambda span: [span]) for fact in (Fact.MAILBOX, Fact.LOGIN, *NEEDED["by address"])}
        | {fact: SPANS.map(lambda span: [span]) for fact in NEEDED["by e-mail"]}
        | {Fact.PROTECTION: st.lists(SPANS, max_size=5)},
    ),
    max_size=8,
)
OPEN_OWNERS = st.lists(
    st.builds(
        lambda opened, needed, protections: {
            Fact.MAILBOX: [Span(0, 12)],
            Fact.LOGIN: [opened],
            Fact.RESIDENT: [Span(0, 12)],
            Fact.REGISTERED: [Span(0, 12)],
            Fact.CONSENT: [needed],
            Fact.CLAIM: [needed],
            Fact.PROTECTION: protections,
        },
        *[st.builds(Span, st.integers(0, 3), st.integers(6, 12))] * 2,
        st.lists(SPANS, max_size=6),
    ),
    max_size=8,
)


def as_intervals(owners):
    """The owners' facts by fact, those that hold of nobody left out, in an order of no meaning."""
    by_fact = {}
    for ordinal, facts in enumerate(owners):
        for fact, spans in facts.items():
            by_fact.setdefault(str(fact), []).extend((ordinal, *span) for span in spans)
    columns = {fact: np.array(held[::-1], np.uint32).T for fact, held in by_fact.items() if held}
    return {fact: Intervals(*map(np.ascontiguousarray, held)) for fact, held in columns.items()}


@settings(deadline=None, max_examples=60)
@given(OWNERS | OPEN_OWNERS, st.sampled_from(list(NEEDED)), st.integers(0, 10), st.integers(1, 8))
def test_those_can_be_reached_whom_the_plain_way_can_reach(owners, way, start, length):
    window = Span(start, start + length)
    found = Reach(as_intervals(owners), len(owners), window).within(NEEDED[way])
    assert found.tolist() == [plain.reachable_within(facts, NEEDED[way], window) for facts in owners]


HASHES = st.lists(
    st.binary(min_size=16, max_size=16)
    | st.builds(
        bytes.__add__, *[st.sampled_from([bytes(8), b"\x00" * 7 + b"\x01", b"\x01" + bytes(7), b"\xff" * 8])] * 2
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=60)
@given(HASHES)
def test_keys_are_numbered_in_their_order_and_none_is_0(keys):
    distinct = [bytes(16), *sorted(set(keys) - {bytes(16)})]
    ranks = rank(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16))
    assert ranks.tolist() == [distinct.index(key) for key in keys]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["0101801239", "3112999999", "13585628", "61126228"])))
def test_a_number_is_the_only_part_of_its_key(texts):
    part = number_part(np.array([number_of(text) for text in texts], np.int64))
    assert [part.texts.at(place) for place in part.indices.tolist()] == texts


HOMES = st.builds(
    Home,
    road=st.tuples(st.sampled_from(["0751", "0751", "0751", ""]), st.sampled_from(["1234", "5678", "9912", ""])),
    streets=st.frozensets(st.sampled_from(["vestergade", "gammelvej", "aavej"]), max_size=2),
    postal_code=st.sampled_from(["8000", "8000", "8200", ""]),
    town=st.sampled_from(["", "skov", "hoejeby"]),
)
HOMES_ON_ROADS = HOMES.filter(lambda home: home.has_road)


def roads_of(homes, named):
    roads = Roads()
    for home in homes:
        roads.add(home)
    for home in named:
        roads.add_named(home)
    return roads


def texts_at(part):
    return [part.texts.at(place) for place in part.indices.tolist()]


@settings(deadline=None, max_examples=60)
@given(st.lists(HOMES, max_size=5), st.lists(HOMES_ON_ROADS, max_size=4), st.lists(st.integers(0, 4), max_size=6))
def test_a_road_can_be_asked_for_under_the_texts_that_the_plain_way_gives(homes, named, residents):
    """Also those on shared streets, with the towns that tell the road; a resident's texts in any order."""
    roads = roads_of(homes, named)
    road_of = np.array([place for place in residents if place < len(homes)], np.uint32)
    streets = streets_of(homes, roads, roads.shared())
    rows, texts = streets.texts_of(road_of)
    postal_codes = texts_at(taken(streets.postal_codes, road_of[rows]))
    written = zip(
        postal_codes, texts_at(taken(streets.streets, texts)), texts_at(taken(streets.towns, texts)), strict=True
    )
    found = [(row, *text) for row, text in zip(rows.tolist(), written, strict=True)]
    entries = plain.Entries(KEYS, roads, Span(0, 1))
    expected = [
        (row, place.postal_code, place.street, place.town)
        for row, home in enumerate(homes[place] for place in road_of.tolist())
        for place in entries._places(home)
        if isinstance(place, Address)
    ]
    assert sorted(found) == sorted(expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(HOMES, max_size=6), st.lists(HOMES_ON_ROADS, max_size=3))
def test_a_road_without_codes_is_told_by_all_that_its_rows_say(homes, named):
    roads = roads_of(homes, named)
    streets = streets_of(homes, roads, roads.shared())
    assert streets.has_road.tolist() == [home.has_road for home in homes]
    assert list(zip(*map(texts_at, streets.codes), strict=True)) == [home.road for home in homes]
    assert texts_at(streets.own_towns) == [home.town for home in homes]
    spelled = [" ".join(sorted(roads.spellings(home))) if home.postal_code else "" for home in homes]
    assert texts_at(streets.spellings) == spelled
