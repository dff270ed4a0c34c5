"""Enciphered chunks in an index file: one that was changed, moved or taken from another snapshot is refused."""

from __future__ import annotations

import shutil

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_contents import COLUMNS_KEY, SNAPSHOT_ID, make_content

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import CHUNK_VALUES, COLUMNS_DATABASE, DATABASES, NUMBER_COLUMN, chunk_key
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.writer import write_index

OTHER_SNAPSHOT = bytes(16)
FIRST, SECOND, LAST = (chunk_key(NUMBER_COLUMN, number) for number in range(3))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two files of the same content, of three chunks to a column, each of a snapshot of its own."""
    folder = tmp_path_factory.mktemp("chunks")
    content = make_content(owners=2 * CHUNK_VALUES + 3)
    for name, snapshot_id in (("one", SNAPSHOT_ID), ("other", OTHER_SNAPSHOT)):
        write_index(folder / name, content, COLUMNS_KEY, snapshot_id)
    return folder


def chunks_of(path, changes=None):
    """Reads the chunks of a file, having put some others there."""
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES)) as environment:
        database = environment.open_db(COLUMNS_DATABASE)
        with environment.begin(database, write=True) as transaction:
            for key, chunk in (changes or {}).items():
                transaction.put(key, chunk)
            return dict(transaction.cursor())


def fault_of(path):
    """Why a file is not opened; empty where it is."""
    try:
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID).close()
    except SnapshotError as error:
        return error.message
    return ""


@pytest.fixture(scope="module")
def path(written):
    return shutil.copy(written / "one", written / "changed")


@pytest.fixture(scope="module")
def chunks(written):
    return chunks_of(written / "one")


def test_the_file_as_it_was_written_opens(path, chunks):
    assert chunks_of(path, chunks) == chunks
    assert not fault_of(path)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_chunk_with_any_bit_changed_is_refused(path, chunks, data):
    key = data.draw(st.sampled_from(sorted(chunks)))
    place = data.draw(st.integers(0, len(chunks[key]) - 1))
    changed = bytearray(chunks[key])
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    chunks_of(path, chunks | {key: bytes(changed)})
    assert "can't be deciphered" in fault_of(path)


@pytest.mark.parametrize(("one", "another"), [(FIRST, SECOND), (SECOND, FIRST), (LAST, FIRST)])
@pytest.mark.parametrize("is_swapped", [True, False], ids=["changed places", "stands twice"])
def test_a_chunk_that_was_moved_is_refused(path, chunks, one, another, is_swapped):
    moved = {one: chunks[another]} | ({another: chunks[one]} if is_swapped else {})
    chunks_of(path, chunks | moved)
    assert "can't be deciphered" in fault_of(path)


@pytest.mark.parametrize("keys", [[FIRST], [FIRST, SECOND, LAST]], ids=["one chunk", "the whole column"])
def test_a_chunk_of_another_snapshot_is_refused(written, path, chunks, keys):
    """Of the same key, the same place and the same content."""
    others = chunks_of(written / "other")
    chunks_of(path, chunks | {key: others[key] for key in keys})
    assert "can't be deciphered" in fault_of(path)
