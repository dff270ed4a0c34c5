from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_contents import u32
from pyroaring import BitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.postings import decode_bitmap, decode_posting, encode_posting

OWNERS = 1_000_000
ORDINALS = st.sets(st.integers(0, OWNERS - 1), min_size=1, max_size=200) | st.builds(
    lambda first, count: set(range(first, first + count)), st.integers(0, 1_000), st.integers(1, 2_000)
)


@given(ordinals=ORDINALS)
def test_decoding_undoes_encoding(ordinals):
    value = encode_posting(u32(sorted(ordinals)))
    assert decode_posting(memoryview(value), OWNERS) == tuple(sorted(ordinals))


@pytest.mark.parametrize(("count", "tag"), [(2, 0), (128, 0), (129, 1), (5_000, 1)])
def test_short_lists_are_raw_and_long_ones_roaring(count, tag):
    ordinals = range(0, 7 * count, 7)
    value = encode_posting(u32(ordinals))
    assert value[0] == tag
    assert value[1:] == (BitMap(ordinals).serialize() if tag else u32(ordinals).tobytes())


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", "unknown tag"),
        (b"\2" + u32([1, 2]).tobytes(), "unknown tag"),
        (b"\0", "no owner"),
        (b"\0" + u32([1, 2]).tobytes()[:-1], "length"),
        (b"\0" + u32(range(129)).tobytes(), "length"),
        (b"\0" + u32([2, 1]).tobytes(), "out of order"),
        (b"\0" + u32([1, 1]).tobytes(), "out of order"),
        (b"\0" + u32([1, OWNERS]).tobytes(), "no owner"),
        (b"\1", "can't be read"),
        (b"\1abc", "can't be read"),
        (b"\1" + BitMap().serialize(), "no owner"),
        (b"\1" + BitMap([1, OWNERS]).serialize(), "no owner"),
        (b"\1" + BitMap([1, 2]).serialize() + b"\0", "length"),
        (b"\1" + BitMap([1, 2]).serialize()[:-1], "can't be read"),
    ],
)
def test_a_malformed_list_is_refused(value, fault):
    with pytest.raises(SnapshotError, match=fault):
        decode_posting(value, OWNERS)


@given(ordinals=ORDINALS, changes=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_changed_bitmap_is_refused_or_read_in_order(ordinals, changes):
    raw = bytearray(BitMap(ordinals).serialize())
    for place, flip in changes:
        raw[place % len(raw)] ^= flip
    try:
        read = list(decode_bitmap(bytes(raw)))
    except SnapshotError:
        return
    assert read == sorted(set(read))
