from __future__ import annotations

import json
import shutil
from dataclasses import replace

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snapshot_files import CANONICAL_VERSION, COLUMNS_KEY, KEY, KEY_ID, make_manifest, write_snapshot

from resolver_grpc.errors import SnapshotError
from resolver_grpc.snapshot.manifest import decode_manifest, encode_manifest
from resolver_grpc.snapshot.publish import publish
from resolver_grpc.snapshot.store import open_snapshot


@pytest.fixture
def directory(tmp_path):
    publish(tmp_path / "snapshot", write_snapshot)
    return tmp_path / "snapshot"


def open_it(directory, columns_key=COLUMNS_KEY, key_id=KEY_ID, canonical_version=CANONICAL_VERSION):
    return open_snapshot(directory, columns_key, key_id, canonical_version)


def rewrite(directory, **changes):
    """Writes another manifest, one with a digest of its own that is right."""
    path = directory / "manifest.json"
    path.write_bytes(encode_manifest(replace(decode_manifest(path.read_bytes()), **changes)))


def test_a_published_snapshot_opens_and_answers(directory):
    snapshot = open_it(directory)
    assert snapshot.manifest.owners == snapshot.index.owners == 3
    assert list(snapshot.index.find([KEY])[0]) == [2]
    assert snapshot.index.number(2) == "00000002"
    snapshot.index.close()


def test_the_manifest_can_be_read_back_as_it_was_written(directory):
    snapshot = open_it(directory)
    assert encode_manifest(snapshot.manifest) == (directory / "manifest.json").read_bytes()
    snapshot.index.close()


@pytest.mark.parametrize("name", ["manifest.json", "index.lmdb"])
def test_a_missing_file_is_named(directory, name):
    (directory / name).unlink()
    with pytest.raises(SnapshotError, match=rf"{directory} has no {name}; publish"):
        open_it(directory)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(SnapshotError, match=f"no snapshot at {tmp_path / 'nowhere'}; name"):
        open_it(tmp_path / "nowhere")


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "snapshot").write_bytes(b"")
    with pytest.raises(SnapshotError, match="no snapshot at"):
        open_it(tmp_path / "snapshot")


def test_an_unreadable_manifest_is_named(directory):
    (directory / "manifest.json").write_bytes(b"{")
    with pytest.raises(SnapshotError, match=rf"{directory}/manifest\.json: The manifest is no JSON object; publish"):
        open_it(directory)


def test_another_format_is_refused(directory):
    (directory / "manifest.json").write_text(json.dumps({"format_version": 2, "shards": 4}))
    with pytest.raises(SnapshotError, match=r"manifest\.json: The snapshot has format 2, this program reads format 1"):
        open_it(directory)


def test_a_number_that_is_no_format_is_not_quoted(directory):
    (directory / "manifest.json").write_text(json.dumps({"format_version": 101801239}))
    with pytest.raises(SnapshotError, match="states a format that there can't be; publish") as refused:
        open_it(directory)
    assert "101801239" not in str(refused.value) + str(refused.value.metadata)


def test_another_canonical_version_is_refused(directory):
    with pytest.raises(SnapshotError, match="canonical forms have version 3, this program's 4; build the snapshot"):
        open_it(directory, canonical_version=4)


def test_another_key_is_refused_with_what_to_do(directory):
    with pytest.raises(SnapshotError, match="built under another key; pass the key file that the builder used"):
        open_it(directory, key_id="9e20")


def test_another_columns_key_under_the_same_name_is_refused(directory):
    with pytest.raises(SnapshotError, match=r"index.lmdb: .* key file that the builder used"):
        open_it(directory, columns_key=bytes(32))


def test_a_truncated_index_is_refused(directory):
    index = directory / "index.lmdb"
    content = index.read_bytes()
    for length in (0, 1, 4_096, len(content) - 1):
        index.write_bytes(content[:length])
        with pytest.raises(SnapshotError, match=f"has {length} bytes instead of {len(content)}, .* publish"):
            open_it(directory)


def test_a_longer_index_is_refused(directory):
    with (directory / "index.lmdb").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SnapshotError, match="truncated or foreign"):
        open_it(directory)


@given(place=st.integers(0), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_refused_wherever_it_is(directory, place, bit):
    index = directory / "index.lmdb"
    content = index.read_bytes()
    damaged = bytearray(content)
    damaged[place % len(damaged)] ^= 1 << bit
    index.write_bytes(damaged)
    with pytest.raises(SnapshotError, match=r"damaged, its digest is another; publish"):
        open_it(directory)
    index.write_bytes(content)


def test_lmdb_never_sees_a_damaged_file(directory, monkeypatch):
    """LMDB is not safe on damaged files: a broken one may end the process."""

    def fail(*arguments, **options):
        pytest.fail("LMDB was asked")

    monkeypatch.setattr(lmdb, "open", fail)
    index = directory / "index.lmdb"
    index.write_bytes(index.read_bytes()[::-1])
    with pytest.raises(SnapshotError, match="damaged"):
        open_it(directory)


@given(place=st.integers(0), flip=st.integers(1, 255))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_of_the_manifest_is_refused_wherever_it_is(directory, place, flip):
    path = directory / "manifest.json"
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[place % len(damaged)] ^= flip
    path.write_bytes(damaged)
    with pytest.raises(SnapshotError, match=str(directory)):
        open_it(directory)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"snapshot_id": "00" * 16}, "another snapshot than its manifest"),
        ({"owners": 4}, "another number of owners"),
        ({"file_digest": "00" * 32}, "damaged"),
    ],
)
def test_a_manifest_of_something_else_is_refused_and_the_file_let_go(directory, changes, fault):
    content = (directory / "manifest.json").read_bytes()
    rewrite(directory, **changes)
    with pytest.raises(SnapshotError, match=fault) as caught:
        open_it(directory)
    (directory / "manifest.json").write_bytes(content)
    open_it(directory).index.close()
    # Until here the error kept all that it went through alive: the file was closed, not collected.
    assert caught.value.__traceback__


def test_the_checks_come_in_their_order(directory):
    """Of several faults the first is told, and setting one right brings the next."""
    index, manifest = directory / "index.lmdb", directory / "manifest.json"
    whole = index.read_bytes()
    stated = decode_manifest(manifest.read_bytes())
    foreign = encode_manifest(replace(stated, file_digest="00" * 32))
    asked = {"columns_key": bytes(32), "key_id": "9e20", "canonical_version": 4}
    steps = [
        ("no manifest.json", lambda: manifest.write_bytes(b"{")),
        ("no index.lmdb", lambda: index.write_bytes(whole[:-1])),
        ("no JSON object", lambda: manifest.write_text('{"format_version": 2}')),
        ("has format 2", lambda: manifest.write_bytes(foreign.replace(b'"owners": 3', b'"owners": 4'))),
        ("manifest is damaged", lambda: manifest.write_bytes(foreign)),
        ("canonical forms", lambda: asked.update(canonical_version=CANONICAL_VERSION)),
        ("another key", lambda: asked.update(key_id=KEY_ID)),
        ("truncated", lambda: index.write_bytes(whole)),
        ("index.lmdb is damaged", lambda: manifest.write_bytes(encode_manifest(stated))),
        ("deciphered", lambda: asked.update(columns_key=COLUMNS_KEY)),
    ]
    manifest.unlink()
    index.unlink()
    for fault, mend in steps:
        with pytest.raises(SnapshotError, match=fault):
            open_it(directory, **asked)
        mend()
    open_it(directory, **asked).index.close()


def test_a_directory_that_a_builder_left_behind_is_refused(directory, tmp_path):
    left = tmp_path / ".snapshot.abc.unpublished"
    shutil.copytree(directory, left)
    link = tmp_path / "link"
    link.symlink_to(left)
    for path in (left, link):
        with pytest.raises(SnapshotError, match="did not finish; remove it"):
            open_it(path)


def test_a_manifest_has_no_personal_data():
    """Its fields are all named here, so that a new one is thought about."""
    assert set(json.loads(encode_manifest(make_manifest()))) == {
        "format_version", "canonical_version", "key_id", "snapshot_id", "file_size", "file_digest", "owners",
        "counts", "sources", "register_date", "change_sequence", "build_time", "report", "manifest_digest",
    }  # fmt: skip
