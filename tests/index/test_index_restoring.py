"""Reading an index file back: the inverse of the writer, held to the plain content, and what it refuses."""

from __future__ import annotations

from itertools import groupby

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_contents import (
    COLUMNS_KEY,
    SNAPSHOT_ID,
    TIMES,
    contents,
    intervals,
    listed,
    make_content,
    sample_content,
    u32,
)
from pyroaring import BitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.intervals import intervals_of, timeline_of
from resolver_grpc.index.layout import DATABASES, ENTRY_BYTES, INTEGER_KEY, INTEGER_KEY_DATABASES, POSTING_BIT
from resolver_grpc.index.restoring import read_content
from resolver_grpc.index.writer import write_index


def restored(folder, content):
    path = folder / "index.lmdb"
    path.unlink(missing_ok=True)
    write_index(path, content, COLUMNS_KEY, SNAPSHOT_ID)
    return read_content(path, COLUMNS_KEY, SNAPSHOT_ID)


def check_same(read, written):
    found = listed(read.content.pairs)
    assert found == listed(written.pairs)
    owners = {key: tuple(ordinal for _, ordinal in held) for key, held in groupby(found, key=lambda pair: pair[0])}
    several = [held for held in owners.values() if len(held) > 1]
    assert read.content.pairs.counts == written.pairs.counts == (len(found), len(owners), len(several))
    assert read.content.pairs.highest == written.pairs.highest
    assert read.postings == len(set(several))
    assert read.content.owners == written.owners
    assert read.content.numbers.tolist() == written.numbers.tolist()
    assert read.content.address_numbers.tolist() == written.address_numbers.tolist()
    assert read.content.forwarding == dict(written.forwarding)
    assert read.content.roads == dict(written.roads)
    assert content_digest(read.content, b"k", b"c") == content_digest(written, b"k", b"c")


@given(content=contents())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read_back(tmp_path, content):
    check_same(restored(tmp_path, content), content)


@pytest.mark.parametrize("content", [make_content(owners=0), make_content(), sample_content(300)])
def test_nothing_little_and_something_of_everything_are_read_back(tmp_path, content):
    check_same(restored(tmp_path, content), content)


@given(rows=st.lists(st.tuples(st.integers(0, 3), TIMES, TIMES), max_size=12))
def test_intervals_of_a_timeline_hold_when_the_first_ones_did(rows):
    stated = intervals(*rows)
    found = intervals_of(timeline_of(stated))
    joined = list(zip(found.ordinals.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True))
    assert all(start < end for _, start, end in joined)
    times = {time for _, *both in rows for time in both}
    for instant in times | {time + 1 for time in times if time < 2**32 - 1}:
        expected = {owner for owner, start, end in rows if start <= instant < end}
        assert sorted(owner for owner, start, end in joined if start <= instant < end) == sorted(expected)


def test_another_key_is_refused_and_the_file_let_go(tmp_path):
    restored(tmp_path, sample_content(50))
    with pytest.raises(SnapshotError, match="deciphered"):
        read_content(tmp_path / "index.lmdb", bytes(32), SNAPSHOT_ID)
    assert read_content(tmp_path / "index.lmdb", COLUMNS_KEY, SNAPSHOT_ID).content.owners == 50


A, B, C = b"\1" * 16, b"\2" * 16, b"\3" * 16
TWO_LISTS = make_content([(A, 0), (A, 1), (B, 1), (B, 2), (C, 3)])


def page(*entries):
    return b"".join(key for key, _ in entries) + b"".join(slot.to_bytes(4, "little") for _, slot in entries)


LIST = POSTING_BIT
EMPTY_FACT = u32([0, len(BitMap().serialize())]).tobytes() + BitMap().serialize()
ZERO, ONE = INTEGER_KEY.pack(0), INTEGER_KEY.pack(1)


@pytest.mark.parametrize(
    ("database", "key", "value", "fault"),
    [
        (b"pages", ZERO, page((A, LIST), (B, LIST), (C, 3)), "not used at all"),
        (b"pages", ZERO, page((A, LIST), (B, 1), (C, 3)), "not used at all"),
        (b"pages", ZERO, page((A, LIST), (B, LIST + 2), (C, 3)), "no owner and no posting list"),
        (b"pages", ZERO, page((A, LIST), (B, LIST + 1), (C, 10)), "no owner and no posting list"),
        (b"pages", ZERO, page((B, LIST), (A, LIST + 1), (C, 3)), "out of order"),
        (b"pages", ZERO, page((A, LIST), (B, LIST + 1), (C, 3))[:-1], "broken length"),
        (b"postings", ONE, b"\0" + bytes((2, 0, 0, 0)), "one owner only"),
        (b"postings", ONE, b"\0" + bytes((2, 0, 0, 0, 1, 0, 0, 0)), "out of order"),
        (b"postings", ONE, b"\0" + bytes((2, 0, 0, 0, 10, 0, 0, 0)), "leads to no owner"),
        (b"postings", ONE, b"\7", "unknown tag"),
        (b"postings", ONE, None, "lacks pages or posting lists"),
        (b"roads", A, b"\7", "unknown tag"),
        (b"facts", b"consent", bytes(4), "broken length"),
        (b"facts", b"consent", EMPTY_FACT + BitMap([1]).serialize(), "ends in another set"),
        (b"facts", b"\xff", bytes(8), "name|broken|bitmap"),
    ],
)
def test_an_index_that_is_not_sound_is_refused(tmp_path, database, key, value, fault):
    """Written by LMDB itself, so that only what the records mean is wrong."""
    path = tmp_path / "index.lmdb"
    write_index(path, TWO_LISTS, COLUMNS_KEY, SNAPSHOT_ID)
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES)) as environment:
        handle = environment.open_db(database, integerkey=database in INTEGER_KEY_DATABASES)
        with environment.begin(handle, write=True) as transaction:
            if value is None:
                transaction.delete(key)
            else:
                transaction.put(key, value)
    with pytest.raises(SnapshotError, match=fault):
        read_content(path, COLUMNS_KEY, SNAPSHOT_ID)


def test_a_posting_list_under_another_number_is_refused(tmp_path):
    path = tmp_path / "index.lmdb"
    write_index(path, TWO_LISTS, COLUMNS_KEY, SNAPSHOT_ID)
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES)) as environment:
        postings = environment.open_db(b"postings", integerkey=True)
        with environment.begin(postings, write=True) as transaction:
            transaction.put(INTEGER_KEY.pack(7), transaction.pop(ONE))
    with pytest.raises(SnapshotError, match="lacks a posting list"):
        read_content(path, COLUMNS_KEY, SNAPSHOT_ID)


def test_posting_lists_may_stand_in_any_order(tmp_path):
    """The writer numbers them in the order of the keys, but the format doesn't ask for it."""
    path = tmp_path / "index.lmdb"
    write_index(path, TWO_LISTS, COLUMNS_KEY, SNAPSHOT_ID)
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES)) as environment:
        pages, postings = (environment.open_db(name, integerkey=True) for name in (b"pages", b"postings"))
        with environment.begin(write=True) as transaction:
            lists = [transaction.get(number, db=postings) for number in (ZERO, ONE)]
            for number, value in zip((ONE, ZERO), lists, strict=True):
                transaction.put(number, value, db=postings)
            transaction.put(ZERO, page((A, LIST + 1), (B, LIST), (C, 3)), db=pages)
    read = read_content(path, COLUMNS_KEY, SNAPSHOT_ID)
    assert listed(read.content.pairs) == listed(TWO_LISTS.pairs)
    assert len(page((A, 0))) == ENTRY_BYTES
