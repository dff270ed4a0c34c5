from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_contents import keys_of, u32

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import POSTING_BIT, bucket_of
from resolver_grpc.index.pages import (
    buckets_of,
    check_pages,
    decode_page,
    encode_pages,
    halves,
    probe_page,
)

KEYS = st.binary(min_size=16, max_size=16) | st.integers(0, 9).map(lambda number: number.to_bytes(16, "big"))
ENTRIES = st.dictionaries(KEYS, st.integers(0, 2**32 - 1), max_size=60)


def pages_of(entries, buckets):
    ordered = sorted(entries)
    return list(encode_pages([(keys_of(ordered), u32(entries[key] for key in ordered))], buckets))


@given(entries=ENTRIES, buckets=st.integers(1, 12), others=st.lists(KEYS, max_size=20))
def test_probing_is_a_dictionary(entries, buckets, others):
    pages = pages_of(entries, buckets)
    assert len(pages) == buckets
    for key in [*entries, *others]:
        assert probe_page(pages[bucket_of(key, buckets)], key) == entries.get(key)


@given(entries=ENTRIES, buckets=st.integers(1, 12))
def test_decoding_undoes_encoding(entries, buckets):
    found = {}
    for page in pages_of(entries, buckets):
        keys, slots = decode_page(memoryview(page))
        found |= dict(zip((key.tobytes() for key in keys), slots.tolist(), strict=True))
    assert list(found.items()) == sorted(entries.items())


@given(keys=st.lists(KEYS, min_size=1, max_size=20), buckets=st.integers(1, 2**31))
def test_buckets_of_many_keys_are_those_of_each(keys, buckets):
    assert buckets_of(keys_of(keys), buckets).tolist() == [bucket_of(key, buckets) for key in keys]


@given(entries=ENTRIES, buckets=st.integers(1, 12), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_pages_are_the_same_however_the_entries_are_parted(entries, buckets, cuts):
    ordered = sorted(entries)
    edges = [0, *sorted(min(cut, len(ordered)) for cut in cuts), len(ordered)]
    parts = [ordered[first:last] for first, last in pairwise(edges)]
    parted = ((keys_of(part), u32(entries[key] for key in part)) for part in parts)
    assert list(encode_pages(parted, buckets)) == pages_of(entries, buckets)


@given(keys=st.lists(KEYS, min_size=1, max_size=6))
def test_keys_in_order_pass_the_check_and_others_are_refused(keys):
    page = b"".join(keys) + u32([0] * len(keys)).tobytes()
    with nullcontext() if keys == sorted(set(keys)) else pytest.raises(SnapshotError, match="out of order"):
        check_pages([page], 0, 1, 1, 0)


@given(keys=st.lists(KEYS, max_size=6))
def test_the_halves_of_a_key_are_its_numbers(keys):
    high, low = halves(keys_of(keys))
    assert list(zip(high.tolist(), low.tolist(), strict=True)) == [
        (int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")) for key in keys
    ]


def test_the_layout_of_a_page():
    """All keys, then all slots, little-endian: what a foreign reader relies on."""
    one, two = b"\1" * 16, b"\2" * 16
    assert pages_of({two: POSTING_BIT, one: 5}, 1) == [one + two + b"\5\0\0\0" + b"\0\0\0\x80"]


@pytest.mark.parametrize("length", [1, 16, 19, 21])
def test_a_page_of_a_broken_length_is_refused(length):
    with pytest.raises(SnapshotError, match="length"):
        decode_page(bytes(length))


def test_good_pages_pass_the_check():
    entries = {bytes([first]) * 16: first for first in range(256)}
    pages = pages_of(entries, 7)
    check_pages(pages, 0, 7, 256, 0)
    check_pages(pages[3:], 3, 7, 256, 0)
    check_pages([b""], 0, 1, 0, 0)


ONE, TWO, HIGH = b"\1" * 16, b"\2" * 16, b"\xff" * 16


@pytest.mark.parametrize(
    ("pages", "fault"),
    [
        ([ONE + u32([0]).tobytes(), bytes(19)], "length"),
        ([b"", ONE + u32([0]).tobytes()], "another bucket"),
        ([HIGH + u32([0]).tobytes(), b""], "another bucket"),
        ([TWO + ONE + u32([0, 0]).tobytes(), b""], "out of order"),
        ([ONE + ONE + u32([0, 0]).tobytes(), b""], "out of order"),
        ([ONE + u32([5]).tobytes(), b""], "no owner"),
        ([ONE + u32([POSTING_BIT | 3]).tobytes(), b""], "no posting list"),
        ([ONE + u32([POSTING_BIT - 1]).tobytes(), b""], "no owner"),
        ([ONE + u32([2**32 - 1]).tobytes(), b""], "no posting list"),
    ],
)
def test_pages_that_could_answer_wrongly_are_refused(pages, fault):
    with pytest.raises(SnapshotError, match=fault):
        check_pages(pages, 0, 2, 5, 3)


@given(entries=ENTRIES.filter(lambda entries: len(entries) > 1), place=st.integers(0), flip=st.integers(1, 255))
@settings(max_examples=200)
def test_a_page_that_passes_the_check_is_probed_as_it_reads(entries, place, flip):
    """Whatever byte of a page was changed: it is refused, or every key that is read from it is found."""
    page = bytearray(pages_of(entries, 1)[0])
    page[place % len(page)] ^= flip
    try:
        check_pages([bytes(page)], 0, 1, 2**31, 2**31)
    except SnapshotError:
        return
    keys, slots = decode_page(bytes(page))
    assert [probe_page(bytes(page), key.tobytes()) for key in keys] == slots.tolist()
    assert np.array_equal(np.unique(keys, axis=0), keys)
