from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contents import interval_rows, intervals, u32
from pyroaring import BitMap, FrozenBitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.facts import Fact, Facts
from resolver_grpc.index.intervals import check_timeline, decode_timeline, encode_timeline, encoded_bytes, timeline_of
from resolver_grpc.index.layout import ALWAYS, FOREVER

OWNERS = 5
INSTANTS = [*range(14), FOREVER - 2, FOREVER - 1]
MOVES = st.lists(st.sampled_from(INSTANTS), max_size=8)


def holds(rows, instant):
    return {ordinal for ordinal, start, end in rows if start <= instant < end}


@given(rows=interval_rows(OWNERS))
def test_the_set_at_an_instant_is_that_of_brute_force(rows):
    timeline = timeline_of(intervals(*rows))
    assert [set(timeline.at(instant)) for instant in INSTANTS] == [holds(rows, instant) for instant in INSTANTS]


@given(rows=interval_rows(OWNERS), instant=st.sampled_from(INSTANTS))
def test_the_window_is_as_wide_as_the_set_stays_the_same(rows, instant):
    timeline = timeline_of(intervals(*rows))
    start, until = timeline.window(timeline.changes_by(instant))
    assert start <= instant < until
    inside = [one for one in INSTANTS if start <= one < until]
    assert all(holds(rows, one) == holds(rows, instant) for one in inside)
    assert start == ALWAYS or holds(rows, start - 1) != holds(rows, instant)
    assert until == FOREVER or holds(rows, until) != holds(rows, instant)


@given(rows=interval_rows(OWNERS), moves=MOVES)
def test_carried_from_instant_to_instant_the_set_is_right(rows, moves):
    """Forth and back, in any order: only what changed is worked on, and nothing is forgotten."""
    timeline = timeline_of(intervals(*rows))
    fact = Fact(timeline, 0, timeline.first)
    for instant in moves:
        fact = fact.at(instant)
        assert set(fact.owners) == holds(rows, instant)


@given(one=interval_rows(OWNERS), other=interval_rows(OWNERS), moves=MOVES)
def test_facts_move_together(one, other, moves):
    facts = Facts({"consent": timeline_of(intervals(*one)), "claim": timeline_of(intervals(*other))})
    for instant in moves:
        sets = facts.at(instant)
        assert sets.hold_at(instant)
        assert set(sets["consent"]) == holds(one, instant)
        assert set(sets["claim"]) == holds(other, instant)


def test_earlier_sets_stay_as_they_were():
    facts = Facts({"consent": timeline_of(intervals((1, 5, 9)))})
    earlier = facts.at(5)
    assert not facts.at(9)["consent"]
    assert list(earlier["consent"]) == [1]


@given(rows=interval_rows(OWNERS))
def test_decoding_undoes_encoding(rows):
    timeline = timeline_of(intervals(*rows))
    decoded = decode_timeline(memoryview(encode_timeline(timeline)), OWNERS)
    assert decoded.first == timeline.first
    assert np.array_equal(decoded.instants, timeline.instants)
    assert np.array_equal(decoded.changed, timeline.changed)
    assert decoded.last == timeline.last
    check_timeline(decoded)


@given(rows=interval_rows(OWNERS), other=st.integers(0, OWNERS - 1))
def test_a_timeline_that_ends_in_another_set_is_refused(rows, other):
    timeline = timeline_of(intervals(*rows))
    with pytest.raises(SnapshotError, match="ends in another set"):
        check_timeline(replace(timeline, last=timeline.last ^ FrozenBitMap([other])))


def test_a_change_out_of_order_is_found_wherever_it_stands():
    """The changes are looked at some at once; two that stand on both sides of a border too."""
    count = 70_000
    always = timeline_of(intervals(*((0, instant, FOREVER) for instant in range(1))))
    for place in (1, 32_767, 32_768, 65_536, count - 1):
        instants = np.arange(1, count + 1, dtype=np.uint32)
        instants[place] = instants[place - 1]
        damaged = replace(always, instants=instants, changed=np.zeros(count, np.uint32))
        with pytest.raises(SnapshotError, match="out of order"):
            decode_timeline(encode_timeline(damaged), OWNERS)


@given(rows=interval_rows(OWNERS), data=st.data())
def test_equal_courses_have_equal_bytes(rows, data):
    """In another order, cut in two, doubled, or with intervals that never hold: the same timeline."""
    cut = data.draw(st.integers(1, 12))
    halved = [half for ordinal, start, end in rows for half in ((ordinal, start, end), (ordinal, start, min(end, cut)))]
    others = data.draw(st.permutations([*halved, (0, 7, 7), (1, 9, 3)]))
    assert encode_timeline(timeline_of(intervals(*others))) == encode_timeline(timeline_of(intervals(*rows)))


def test_what_holds_always_costs_next_to_nothing():
    owners = np.arange(1_000_000, dtype=np.uint32)
    always = timeline_of(
        type(intervals())(owners, np.full_like(owners, ALWAYS), np.full_like(owners, np.uint32(FOREVER)))
    )
    assert len(encode_timeline(always)) < 1_000


def test_the_layout_of_a_fact():
    """Two counts, instants, owners, first set, last set: what a foreign reader relies on."""
    value = encode_timeline(timeline_of(intervals((3, ALWAYS, 7), (2, 5, FOREVER), (1, 5, 9))))
    first, last = BitMap([3]).serialize(), BitMap([2]).serialize()
    assert value == u32([4, len(first), 5, 5, 7, 9, 1, 2, 3, 1]).tobytes() + first + last
    assert len(value) == encoded_bytes(timeline_of(intervals((3, ALWAYS, 7), (2, 5, FOREVER), (1, 5, 9))))


EMPTY, OUTSIDE = BitMap().serialize(), BitMap([OWNERS]).serialize()


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", "length"),
        (u32([0]).tobytes(), "length"),
        (u32([0, 0]).tobytes(), "length"),
        (u32([1, 0, 5, 1]).tobytes(), "length"),
        (u32([0, len(EMPTY)]).tobytes() + EMPTY, "length"),
        (u32([2**32 - 1, len(EMPTY)]).tobytes() + EMPTY * 2, "length"),
        (u32([0, 2**32 - 1]).tobytes() + EMPTY * 2, "length"),
        (u32([1, len(EMPTY), 5, 1]).tobytes() + EMPTY * 2 + b"\0", "length"),
        (u32([1, len(EMPTY), 5, 1]).tobytes() + EMPTY * 2 + EMPTY[:-1], "length"),
        (u32([1, len(EMPTY), 5, 1]).tobytes() + EMPTY + EMPTY[:-1], "can't be read"),
        (u32([1, len(EMPTY) - 1, 5, 1]).tobytes() + EMPTY * 2, "can't be read"),
        (u32([1, len(EMPTY), 5, OWNERS]).tobytes() + EMPTY * 2, "no owner"),
        (u32([0, len(OUTSIDE)]).tobytes() + OUTSIDE + EMPTY, "no owner"),
        (u32([0, len(EMPTY)]).tobytes() + EMPTY + OUTSIDE, "no owner"),
        (u32([2, len(EMPTY), 6, 5, 1, 1]).tobytes() + EMPTY * 2, "out of order"),
        (u32([2, len(EMPTY), 5, 5, 2, 1]).tobytes() + EMPTY * 2, "out of order"),
        (u32([2, len(EMPTY), 5, 5, 1, 1]).tobytes() + EMPTY * 2, "out of order"),
        (u32([1, len(EMPTY), ALWAYS, 1]).tobytes() + EMPTY * 2, "out of order"),
        (u32([1, len(EMPTY), FOREVER, 1]).tobytes() + EMPTY * 2, "out of order"),
    ],
)
def test_a_malformed_fact_is_refused(value, fault):
    with pytest.raises(SnapshotError, match=fault):
        decode_timeline(value, OWNERS)
