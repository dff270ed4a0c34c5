"""Pairs, held and spilled: both against a set, and what is made of them, which must not show where they lay."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_contents import (
    COLUMNS_KEY,
    KEYS,
    SNAPSHOT_ID,
    all_pairs,
    contents,
    held_pairs,
    keys_of,
    listed,
    make_content,
    sample_content,
    u32,
)

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index import pairs as pairs_module
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.pairs import HeldPairs, SpilledPairs
from resolver_grpc.index.sorting import sort_pairs, sort_partition
from resolver_grpc.index.writer import write_index

PAIRS = st.lists(st.tuples(KEYS, st.integers(0, 9) | st.integers(0, 2**31 - 1)), max_size=60)
ONE_BYTE = PAIRS.map(lambda pairs: [(b"\7" + key[1:], ordinal) for key, ordinal in pairs])
CUTS = st.lists(st.integers(0, 60), max_size=5)


def spilled_pairs(folder, pairs, cuts=()):
    """Spills pairs (key, ordinal), added in several goes."""
    pairs = list(pairs)
    spilled = SpilledPairs(folder)
    for first, last in pairwise([0, *sorted(min(cut, len(pairs)) for cut in cuts), len(pairs)]):
        some = pairs[first:last]
        spilled.add(keys_of(key for key, _ in some), u32(ordinal for _, ordinal in some))
    spilled.sort(lambda _pairs: None)
    return spilled


@pytest.fixture(params=[3, 1 << 18], ids=["short runs", "long runs"])
def run_pairs(request, monkeypatch):
    monkeypatch.setattr(pairs_module, "_RUN_PAIRS", request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spill")


def check_against_a_set(held, pairs):
    expected = sorted(set(pairs))
    assert listed(held) == expected
    assert listed(held) == expected
    keys = {key for key, _ in expected}
    several = sum(sum(one == key for one, _ in expected) > 1 for key in keys)
    assert held.counts == (len(expected), len(keys), several)
    assert held.highest == max((ordinal for _, ordinal in pairs), default=-1)
    leading = [set(keys[:, 0].tolist()) for keys, _ in held.partitions()]
    assert sum(map(len, leading)) == len({key[0] for key in keys})


@given(pairs=PAIRS)
def test_held_pairs_are_a_sorted_set(pairs):
    check_against_a_set(held_pairs(pairs), pairs)


@pytest.mark.usefixtures("run_pairs")
@given(pairs=PAIRS | ONE_BYTE, cuts=CUTS)
@settings(deadline=None, max_examples=60)
def test_spilled_pairs_are_a_sorted_set(folder, pairs, cuts):
    with spilled_pairs(folder, pairs, cuts) as spilled:
        check_against_a_set(spilled, pairs)


@given(pairs=PAIRS | ONE_BYTE)
def test_the_fast_way_to_sort_is_the_obvious_one(pairs):
    keys, ordinals = keys_of(key for key, _ in pairs), u32(ordinal for _, ordinal in pairs)
    *fast, places = sort_partition(keys, ordinals)
    for one, other in zip(fast, sort_pairs(keys, ordinals), strict=True):
        assert np.array_equal(one, other)
    assert [key.tobytes() for key in keys[places]] == sorted({key for key, _ in pairs})


@pytest.mark.usefixtures("run_pairs")
@given(pairs=PAIRS | ONE_BYTE, cuts=CUTS)
@settings(deadline=None, max_examples=60)
def test_keys_are_counted_by_their_tag(folder, pairs, cuts):
    """A key's tag is its last byte here: the same for all its pairs."""
    owners = defaultdict(set)
    for key, ordinal in pairs:
        owners[key].add(ordinal)
    expected = defaultdict(lambda: [0, 0])
    for key, held in owners.items():
        expected[key[-1]][0] += 1
        expected[key[-1]][1] += len(held) > 1
    with SpilledPairs(folder) as spilled:
        for key, ordinal in pairs:
            spilled.add(keys_of([key]), u32([ordinal]), key[-1])
        spilled.sort(lambda _: None)
        assert spilled.counts_of_tags() == {tag: tuple(counts) for tag, counts in expected.items()}


@pytest.mark.parametrize(
    "tail", [lambda random, count: random.bytes(15 * count), lambda _random, count: bytes(15 * count)]
)
def test_many_pairs_of_one_leading_byte_come_out_as_of_all(folder, tail):
    """One partition far larger than the others, with many owners of one key and with none."""
    random = np.random.default_rng(4)
    count = 30_000
    keys = np.full((count, 16), 9, np.uint8)
    keys[:, 1:] = np.frombuffer(tail(random, count), np.uint8).reshape(count, 15)
    keys[::7] = random.integers(0, 256, (len(keys[::7]), 16), dtype=np.uint8)
    keys = np.concatenate([keys, keys[:5_000]])
    ordinals = random.integers(0, 20_000, len(keys), dtype=np.uint32)
    with SpilledPairs(folder) as spilled:
        spilled.add(keys, ordinals)
        done = []
        spilled.sort(done.append)
        held = HeldPairs(keys, ordinals)
        for found, expected in zip(all_pairs(spilled), all_pairs(held), strict=True):
            assert np.array_equal(found, expected)
        assert (spilled.counts, spilled.highest) == (held.counts, held.highest)
        assert sum(done) == len(keys)


@pytest.mark.usefixtures("run_pairs")
@given(content=contents(), cuts=CUTS, seed=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_no_digest_and_no_file_shows_where_the_pairs_lay(content, cuts, seed):
    pairs = listed(content.pairs) * 2
    seed.shuffle(pairs)
    with tempfile.TemporaryDirectory() as name, spilled_pairs(Path(name), pairs, cuts) as spilled:
        files = [Path(name) / "held.lmdb", Path(name) / "spilled.lmdb"]
        digests = []
        for path, one in zip(files, (content, replace(content, pairs=spilled)), strict=True):
            digests.append(content_digest(one, b"key", b"context"))
            write_index(path, one, COLUMNS_KEY, SNAPSHOT_ID)
        assert digests[0] == digests[1]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_file_of_many_partitions_is_the_one_of_held_pairs(tmp_path):
    content = sample_content()
    laid_out = []
    with spilled_pairs(tmp_path, listed(content.pairs)[::-1]) as spilled:
        write_index(tmp_path / "spilled", replace(content, pairs=spilled), COLUMNS_KEY, SNAPSHOT_ID, laid_out.append)
    write_index(tmp_path / "held", content, COLUMNS_KEY, SNAPSHOT_ID)
    assert (tmp_path / "spilled").read_bytes() == (tmp_path / "held").read_bytes()
    assert sum(laid_out) == content.pairs.counts.pairs
    assert len(laid_out) > 200


def test_zero_pairs(tmp_path):
    with SpilledPairs(tmp_path) as spilled:
        spilled.add(keys_of([]), u32([]))
        spilled.sort(lambda _pairs: None)
        assert listed(spilled) == listed(held_pairs([])) == []
        assert (spilled.counts, spilled.highest) == ((0, 0, 0), -1)
        assert content_digest(make_content(spilled), b"k", b"") == content_digest(make_content(), b"k", b"")


def test_what_was_added_may_change_afterwards(tmp_path):
    keys, ordinals = keys_of([bytes(16)]), u32([3])
    keys = keys.copy()
    with SpilledPairs(tmp_path) as spilled:
        spilled.add(keys, ordinals)
        keys[:], ordinals[:] = 1, 1
        spilled.sort(lambda _pairs: None)
        assert listed(spilled) == [(bytes(16), 3)]


def test_the_spill_has_no_name(tmp_path, monkeypatch):
    """Whatever ends the program, nothing is left behind: there never was anything to see."""
    monkeypatch.setattr(pairs_module, "_RUN_PAIRS", 2)
    with SpilledPairs(tmp_path) as spilled:
        spilled.add(keys_of(bytes([byte]) * 16 for byte in range(9)), u32(range(9)))
        assert list(tmp_path.iterdir()) == []
        spilled.sort(lambda _pairs: None)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "ordinals", "part"),
    [
        (np.zeros((1, 15), np.uint8), u32([1]), "keys"),
        (np.zeros((2, 16), np.uint8), u32([1]), "keys"),
        (u32(range(16)), u32([1]), "keys"),
        (np.zeros((1, 16), np.uint8), np.array([1]), "ordinals"),
        (np.zeros((1, 16), np.uint8), u32([1]).reshape(1, 1), "ordinals"),
    ],
)
def test_arrays_of_another_shape_are_refused(tmp_path, keys, ordinals, part):
    with pytest.raises(SnapshotError, match=f"these {part};"):
        HeldPairs(keys, ordinals)
    with SpilledPairs(tmp_path) as spilled, pytest.raises(SnapshotError, match=f"these {part};"):
        spilled.add(keys, ordinals)


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(SnapshotError, match="can't be spilled"):
        SpilledPairs(tmp_path / "missing")


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    with SpilledPairs(tmp_path) as spilled:
        spilled.add(keys_of([bytes(16)]), u32([1]))
        monkeypatch.setattr(os, "pwrite", fail)
        with pytest.raises(SnapshotError, match=r"No space left on device.*make room"):
            spilled.sort(lambda _pairs: None)


def test_writing_and_reading_in_small_bites(tmp_path, monkeypatch):
    """The system may write or read less than it was asked to."""
    write, read = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda file, part, offset: write(file, part[:7], offset))
    monkeypatch.setattr(os, "preadv", lambda file, parts, offset: read(file, [parts[0][:5]], offset))
    pairs = [(bytes([byte]) * 16, byte) for byte in (5, 3, 200, 3)]
    with spilled_pairs(tmp_path, pairs) as spilled:
        assert listed(spilled) == sorted(set(pairs))
