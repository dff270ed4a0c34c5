"""Verifying a snapshot: what it finds in one that is damaged, and in one that is whole but wrong."""

from __future__ import annotations

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_snapshots import KEY, make_snapshot, some_content

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.keys import MasterKey
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.verify import verify_snapshot


@pytest.fixture
def directory(tmp_path):
    make_snapshot(tmp_path / "snapshot", 30)
    return tmp_path / "snapshot"


def test_what_was_checked_is_told_part_by_part(directory):
    found = {check.part: check.amount for check in verify_snapshot(directory, KEY)}
    assert found == {
        "manifest": 13,
        "index file": (directory / INDEX_FILE).stat().st_size,
        "pages": 1,
        "posting lists": 2,
        "facts": 1,
        "columns": 30,
        "roads": 1,
        "counts": 4,
        "snapshot id": 32,
    }


@pytest.mark.parametrize("name", [INDEX_FILE, MANIFEST_FILE])
@given(data=st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_byte_is_found(directory, name, data):
    path = directory / name
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    with pytest.raises(SnapshotError, match=str(directory)):
        verify_snapshot(directory, KEY)
    path.write_bytes(whole)


def test_every_byte_of_the_manifest_counts(directory):
    path = directory / MANIFEST_FILE
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        with pytest.raises(SnapshotError):
            verify_snapshot(directory, KEY)


def test_lmdb_never_sees_a_damaged_file(directory, monkeypatch):
    monkeypatch.setattr(lmdb, "open", lambda *_arguments, **_options: pytest.fail("LMDB was asked"))
    path = directory / INDEX_FILE
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(SnapshotError, match="damaged"):
        verify_snapshot(directory, KEY)


def test_an_index_that_is_sound_but_not_the_one_that_was_built_is_found(tmp_path):
    """Its digest is right and so is its id, but not for what it holds: one owner's consent ends."""
    content = some_content(30)
    content.facts["consent"].ends[7] = 9
    make_snapshot(tmp_path / "snapshot", 30, written=content)
    with pytest.raises(SnapshotError, match="not the one that the snapshot id names"):
        verify_snapshot(tmp_path / "snapshot", KEY)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"register_date": "2026-11-23"}, "not the one that the snapshot id names"),
        ({"change_sequence": 18}, "not the one that the snapshot id names"),
        ({"snapshot_id": "00" * 16}, "another snapshot than its manifest"),
        ({"owners": 31}, "another number of owners"),
        ({"counts": {"keys": 31}}, "counts 31 keys, the index holds 30"),
        ({"counts": {"keys_of_several_owners": 0}}, "counts 0 keys of several owners, the index holds 2"),
        ({"counts": {"persons": 29}}, "counts 29 persons"),
        ({"counts": {"organisations": 1}}, "counts 1 organisations"),
        ({"counts": {"addresses": 2}}, "counts 2 addresses"),
        ({"counts": {"shared_streets": 0}}, "counts 0 shared streets"),
        ({"canonical_version": 99}, "canonical forms"),
        ({"key_id": "9e20"}, "another key"),
    ],
)
def test_a_manifest_that_states_something_else_is_found(tmp_path, changes, fault):
    """With a digest of its own that is right, as a builder in error would write it."""
    make_snapshot(tmp_path / "snapshot", 30, **changes)
    with pytest.raises(SnapshotError, match=fault):
        verify_snapshot(tmp_path / "snapshot", KEY)


def test_another_key_is_refused(directory):
    with pytest.raises(SnapshotError, match="another key; pass the key file"):
        verify_snapshot(directory, MasterKey(bytes(32)))


def test_what_is_no_snapshot_is_refused(tmp_path):
    with pytest.raises(SnapshotError, match="no snapshot at"):
        verify_snapshot(tmp_path / "none", KEY)


def test_it_changes_nothing(directory):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}
    verify_snapshot(directory, KEY)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()} == before
    assert read_manifest(directory).owners == 30
