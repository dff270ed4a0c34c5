"""Posting lists in bulk, against a dictionary and the codec of one list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contents import u32

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index import lists as lists_module
from resolver_grpc.index.lists import Lists, decode_lists, encode_lists, lists_bytes, share_equal
from resolver_grpc.index.postings import decode_posting, encode_posting

LIST = st.sets(st.integers(0, 5) | st.integers(0, 2**31 - 1), min_size=1, max_size=4) | st.sets(
    st.integers(0, 200), min_size=125, max_size=132
)
LISTS = st.lists(LIST.map(lambda ordinals: tuple(sorted(ordinals))), max_size=12).flatmap(
    lambda lists: st.lists(st.sampled_from(lists), max_size=20) if lists else st.just([])
)


def lists_of(stated):
    edges = np.cumsum([0, *map(len, stated)])
    return Lists(u32(ordinal for one in stated for ordinal in one), edges)


def listed(lists):
    return [
        tuple(lists.ordinals[first:last].tolist()) for first, last in zip(lists.edges, lists.edges[1:], strict=False)
    ]


@pytest.fixture(params=["mixed well", "all sums alike"])
def mixing(request, monkeypatch):
    """Sums that are alike by chance make no two lists one."""
    if request.param == "all sums alike":
        monkeypatch.setattr(lists_module, "_mixed", lambda ordinals: np.zeros(len(ordinals), np.uint64))


@pytest.mark.usefixtures("mixing")
@given(stated=LISTS)
def test_each_list_finds_its_equal(stated):
    shared, numbers = share_equal(lists_of(stated))
    kept = listed(shared)
    assert [kept[number] for number in numbers.tolist()] == stated
    assert set(numbers.tolist()) == set(range(len(kept)))


@given(stated=LISTS)
def test_equal_lists_are_kept_once_in_the_order_of_the_first(stated):
    shared, numbers = share_equal(lists_of(stated))
    assert listed(shared) == list(dict.fromkeys(stated))
    assert numbers.dtype == np.uint32


@given(stated=LISTS)
def test_many_lists_are_encoded_as_each(stated):
    encoded = list(encode_lists(lists_of(stated)))
    assert encoded == [encode_posting(u32(one)) for one in stated]
    decoded = decode_lists([memoryview(value) for value in encoded], 2**31)
    assert listed(decoded) == stated
    raw = sum(1 + 4 * len(one) for one in stated)
    assert raw <= lists_bytes(lists_of(stated)) <= raw + 1


GOOD = encode_posting(u32([7, 9]))


@given(stated=LISTS.filter(bool), place=st.integers(0), flip=st.integers(1, 255), which=st.integers(0))
def test_changed_lists_are_refused_as_each_is(stated, place, flip, which):
    """Whatever byte was changed: many at once are read as one by one, or refused where one is."""
    values = [bytearray(encode_posting(u32(one))) for one in stated]
    damaged = values[which % len(values)]
    damaged[place % len(damaged)] ^= flip
    plain = [bytes(value) for value in values]
    try:
        expected = [decode_posting(value, 2**20) for value in plain]
    except SnapshotError:
        with pytest.raises(SnapshotError):
            decode_lists(plain, 2**20)
    else:
        assert listed(decode_lists(plain, 2**20)) == expected


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"\2" + bytes(4), GOOD[:-1], b"\0" + u32([9, 7]).tobytes(), b"\0" + u32([9, 10]).tobytes()]
)
@pytest.mark.parametrize("before", [[], [GOOD]])
@pytest.mark.parametrize("after", [[], [GOOD]])
def test_a_malformed_list_among_others_is_refused(before, value, after):
    with pytest.raises(SnapshotError):
        decode_lists([*before, value, *after], 10)
