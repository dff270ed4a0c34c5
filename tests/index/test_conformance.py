"""What every index keeps: the same tests on the memory index and on LMDB, and both against each other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from index_contents import (
    COLUMNS_KEY,
    SNAPSHOT_ID,
    TIMES,
    contents,
    interval_rows,
    intervals,
    listed,
    make_content,
    sample_content,
)

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ALWAYS, FOREVER, STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.memory import MemoryIndex
from resolver_grpc.index.reader import Index
from resolver_grpc.index.writer import write_index

A, B, C, D = (bytes([first]) * 16 for first in (1, 2, 200, 255))


def open_memory(content, folder) -> Index:
    return MemoryIndex(content)


def open_lmdb(content, folder) -> Index:
    write_index(folder / "index.lmdb", content, COLUMNS_KEY, SNAPSHOT_ID)
    return LmdbIndex(folder / "index.lmdb", COLUMNS_KEY, SNAPSHOT_ID)


@pytest.fixture(params=[open_memory, open_lmdb])
def open_index(request, tmp_path):
    opened = []

    def open_content(content):
        opened.append(request.param(content, tmp_path))
        return opened[-1]

    yield open_content
    for index in opened:
        index.close()


def test_a_key_leads_to_its_owner_and_an_unknown_one_to_nobody(open_index):
    index = open_index(make_content([(A, 3)]))
    assert [list(found) for found in index.find([A, B])] == [[3], []]


def test_the_ordinals_of_a_key_are_ascending_and_distinct(open_index):
    index = open_index(make_content([(A, 7), (A, 2), (A, 7), (A, 5)]))
    assert [list(found) for found in index.find([A])] == [[2, 5, 7]]


def test_answers_come_in_the_order_of_the_keys_doubles_included(open_index):
    index = open_index(make_content([(A, 1), (C, 2), (D, 3)]))
    assert [list(found) for found in index.find([D, A, B, A, C])] == [[3], [1], [], [1], [2]]


def test_no_keys_no_answers(open_index):
    assert list(open_index(make_content([(A, 1)])).find([])) == []


def test_every_key_of_many_buckets_is_found_and_its_neighbours_are_not(open_index):
    content = sample_content()
    index = open_index(content)
    expected: dict[bytes, list[int]] = {}
    for key, ordinal in listed(content.pairs):
        expected.setdefault(key, []).append(ordinal)
    assert [list(found) for found in index.find(list(expected))] == [sorted(set(found)) for found in expected.values()]
    neighbours = [key[:15] + bytes([key[15] ^ 1]) for key in expected]
    assert not any(index.find(neighbours))


@pytest.mark.parametrize("residents", [1, 2, 127, 128, 129, 70_000])
def test_posting_lists_of_every_length(open_index, residents):
    index = open_index(make_content(((A, ordinal) for ordinal in range(residents)), owners=residents))
    assert [list(found) for found in index.find([A])] == [list(range(residents))]


def test_keys_that_crowd_in_one_bucket(open_index):
    """Keys are uniform; if they were not, answers would still be right."""
    pairs = [(bytes(14) + number.to_bytes(2, "big"), number % 10) for number in range(3_000)]
    index = open_index(make_content(pairs))
    assert [list(found) for found in index.find([key for key, _ in pairs])] == [[ordinal] for _, ordinal in pairs]


def test_an_empty_index(open_index):
    index = open_index(make_content(owners=0))
    assert index.owners == 0
    assert not any(index.find([A, B]))
    assert not index.facts_at(5)["consent"]
    assert (index.facts_at(5).start, index.facts_at(5).until) == (ALWAYS, FOREVER)


def test_roads_tell_their_tag_and_others_nothing(open_index):
    index = open_index(make_content(roads={A: STREET_SHARED, B: TOWN_TELLS}))
    assert [index.road(key) for key in (A, B, C)] == [STREET_SHARED, TOWN_TELLS, 0]


def test_the_values_of_an_owner(open_index):
    content = make_content(owners=2, forwarding={1: "blåbærgrød@post.dk"})
    content.numbers[:] = [b"0101801239", b"12345678"]
    index = open_index(content)
    assert [index.number(0), index.number(1)] == ["0101801239", "12345678"]
    assert [index.address_number(0), index.address_number(1)] == content.address_numbers.tolist()
    assert [index.forwarding_address(0), index.forwarding_address(1)] == ["", "blåbærgrød@post.dk"]


def test_columns_of_more_than_one_chunk(open_index):
    index = open_index(make_content(owners=65_537))
    assert [index.number(ordinal) for ordinal in (0, 65_535, 65_536)] == ["0000000000", "0000065535", "0000065536"]


@pytest.mark.parametrize("ordinal", [-1, 10, 2**40])
@pytest.mark.parametrize("value", ["number", "address_number", "forwarding_address"])
def test_an_ordinal_that_is_no_owners_is_refused(open_index, value, ordinal):
    with pytest.raises(SnapshotError, match="no owner's"):
        getattr(open_index(make_content()), value)(ordinal)


@pytest.mark.parametrize(
    ("instant", "holds"), [(0, False), (99, False), (100, True), (199, True), (200, False), (FOREVER - 1, False)]
)
def test_an_interval_holds_from_its_start_until_before_its_end(open_index, instant, holds):
    sets = open_index(make_content(facts={"consent": intervals((4, 100, 200))})).facts_at(instant)
    assert (4 in sets["consent"]) is holds


@pytest.mark.parametrize("instant", [0, 5, FOREVER - 1])
def test_always_and_forever_have_no_ends(open_index, instant):
    sets = open_index(make_content(facts={"consent": intervals((4, ALWAYS, FOREVER))})).facts_at(instant)
    assert list(sets["consent"]) == [4]


@pytest.mark.parametrize("instant", [-1, FOREVER, FOREVER + 1])
def test_instants_that_no_fact_can_state_are_refused(open_index, instant):
    with pytest.raises(SnapshotError, match="1970"):
        open_index(make_content()).facts_at(instant)


def test_an_unknown_fact_holds_of_nobody(open_index):
    sets = open_index(make_content(facts={"consent": intervals((4, 1, 2))})).facts_at(1)
    assert list(sets["claim"]) == []
    assert sets.names == {"consent"}


def test_sets_can_be_combined(open_index):
    facts = {"consent": intervals((1, 0, 9), (2, 0, 9)), "protection": intervals((2, 0, 9), (3, 0, 9))}
    sets = open_index(make_content(facts=facts)).facts_at(5)
    assert list(sets["consent"] - sets["protection"]) == [1]
    assert list(sets["consent"] & sets["protection"]) == [2]
    assert list(sets["consent"] | sets["protection"] | sets["claim"]) == [1, 2, 3]
    assert len(sets["consent"]) == 2


def test_sets_can_not_be_changed(open_index):
    """What one batch does with a set is never seen by the next."""
    index = open_index(make_content(facts={"consent": intervals((1, 0, 9))}))
    sets = index.facts_at(5)
    united = sets["consent"]
    united |= index.facts_at(8)["consent"] ^ index.facts_at(9)["consent"]
    for change in ("add", "discard", "clear", "update"):
        assert not hasattr(sets["consent"], change)
    with pytest.raises(AttributeError):
        sets.until = 7
    assert list(index.facts_at(5)["consent"]) == [1]


def test_asked_again_within_the_window_the_sets_are_the_same_object(open_index):
    index = open_index(make_content(facts={"consent": intervals((1, 10, 20), (2, 15, 30))}))
    sets = index.facts_at(16)
    assert (sets.start, sets.until) == (15, 20)
    assert index.facts_at(15) is sets
    assert index.facts_at(19) is sets


def test_time_may_go_back(open_index):
    index = open_index(make_content(facts={"consent": intervals((1, 10, 20), (1, 30, 40), (2, 15, 30))}))
    seen = {instant: list(index.facts_at(instant)["consent"]) for instant in (35, 5, 25, 12, 17, 0, 99)}
    assert seen == {35: [1], 5: [], 25: [2], 12: [1], 17: [1, 2], 0: [], 99: []}


def test_a_closed_index_answers_nothing_and_closes_twice(open_index):
    index = open_index(make_content([(A, 1)]))
    index.close()
    index.close()
    for ask in (
        lambda: index.find([A]),
        lambda: index.road(A),
        lambda: index.facts_at(1),
        lambda: index.number(1),
        lambda: index.address_number(1),
        lambda: index.forwarding_address(1),
    ):
        with pytest.raises(SnapshotError, match="closed"):
            ask()


@given(content=contents(), instants=interval_rows(2))
@settings(max_examples=60, deadline=None)
def test_lmdb_answers_what_memory_answers(content, instants):
    keys = [key for key, _ in listed(content.pairs)]
    asked = [*keys, *(key[::-1] for key in keys), *content.roads, A]
    memory = MemoryIndex(content)
    with tempfile.TemporaryDirectory() as folder:
        index = open_lmdb(content, Path(folder))
        try:
            assert index.find(asked) == memory.find(asked)
            assert [index.road(key) for key in asked] == [memory.road(key) for key in asked]
            for ordinal in range(content.owners):
                for value in ("number", "address_number", "forwarding_address", "spans_of"):
                    assert getattr(index, value)(ordinal) == getattr(memory, value)(ordinal)
            for instant in (time for _, *times in instants for time in times if time != FOREVER):
                assert_same_facts(index, memory, instant)
        finally:
            index.close()


def assert_same_facts(index, memory, instant):
    """Both name the same sets, and each one's window is right by the other."""
    one, other = index.facts_at(instant), memory.facts_at(instant)
    assert one.names == other.names
    assert one.hold_at(instant)
    assert other.hold_at(instant)
    for name in other.names:
        assert one[name] == other[name]
        for edge in (one.start, one.until - 1):
            assert memory.facts_at(edge)[name] == one[name]


def test_the_spans_of_an_owner_are_joined_and_ascending_and_those_that_never_hold_are_left_out(open_index):
    facts = {
        "consent": intervals((3, 7, 9), (1, ALWAYS, FOREVER), (3, ALWAYS, 4), (3, 2, 5), (3, 9, FOREVER)),
        "login": intervals((3, 9, 9), (4, 1, 2)),
    }
    index = open_index(make_content(facts=facts))
    assert index.spans_of(3) == {"consent": ((ALWAYS, 5), (7, FOREVER))}
    assert index.spans_of(1) == {"consent": ((ALWAYS, FOREVER),)}
    assert index.spans_of(4) == {"login": ((1, 2),)}
    assert index.spans_of(0) == {}
    with pytest.raises(SnapshotError, match="no owner's"):
        index.spans_of(10)


@given(rows=interval_rows(3), instants=interval_rows(3), time=TIMES)
@settings(max_examples=20, deadline=None)
def test_the_memory_index_keeps_its_own_windows(rows, instants, time):
    """The oracle's window is narrow rather than wide: at its edges the sets are as in between."""
    index = MemoryIndex(make_content(facts={"consent": intervals(*rows)}))
    instant = min(time, FOREVER - 1)
    sets = index.facts_at(instant)
    for edge in (sets.start, sets.until - 1):
        holds = {ordinal for ordinal, start, end in rows if start <= edge < end}
        assert set(sets["consent"]) == holds
