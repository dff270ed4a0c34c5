"""The index file: what the writer leaves on the disk, and what the reader refuses to read from it."""

from __future__ import annotations

import stat
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from index_contents import COLUMNS_KEY, SNAPSHOT_ID, all_pairs, listed, make_content, sample_content, u32
from pyroaring import BitMap
from test_index_content import shuffled

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import DATABASES, HEADER, INTEGER_KEY_DATABASES
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.pairs import HeldPairs
from resolver_grpc.index.writer import write_index


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.lmdb"


def write(path, content):
    write_index(path, content, COLUMNS_KEY, SNAPSHOT_ID)
    return path.read_bytes()


def many_rows():
    """More posting lists than go into one transaction."""
    content = sample_content(3_000)
    keys, ordinals = all_pairs(content.pairs)
    return replace(content, pairs=HeldPairs(np.concatenate([keys] * 2), np.append(ordinals, ordinals[::-1])))


@pytest.mark.parametrize("content", [make_content(), sample_content(), many_rows()], ids=["empty", "sample", "many"])
def test_the_same_rows_in_any_order_make_the_same_file(tmp_path, content):
    files = [
        write(tmp_path / f"{place}.lmdb", one)
        for place, one in enumerate((content, content, shuffled(content, 1), shuffled(content, 2)))
    ]
    assert len(set(files)) == 1


def test_another_process_makes_the_same_file(tmp_path):
    """Neither the seed of the hashes nor what stood in memory before shows in the file."""
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from test_index_file import write, sample_content; write(Path(sys.argv[2]), sample_content())"
    )
    other = tmp_path / "other.lmdb"
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent), str(other)], check=True)
    assert write(tmp_path / "one.lmdb", sample_content()) == other.read_bytes()


def test_only_its_owner_may_read_the_file(path):
    write(path, make_content())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_no_number_and_no_forwarding_address_stands_in_the_clear(path):
    content = make_content(forwarding={2: "post@advokaterne.dk"})
    content.numbers[:] = b"0101801239"
    file = write(path, content)
    assert b"0101801239" not in file
    assert b"advokaterne" not in file


def test_a_file_that_exists_is_left_alone(path):
    path.write_bytes(b"something")
    with pytest.raises(SnapshotError, match="choose a new file"):
        write(path, make_content())
    assert path.read_bytes() == b"something"


def test_a_folder_that_is_missing_is_named(path):
    with pytest.raises(SnapshotError, match="can't be created"):
        write(path.parent / "missing" / "index.lmdb", make_content())


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_snapshot_id_of_another_length_is_refused(path, length):
    with pytest.raises(SnapshotError, match="snapshot id"):
        write_index(path, make_content(), COLUMNS_KEY, bytes(length))
    assert not path.exists()


def test_what_fails_while_writing_leaves_no_file(path, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("resolver_grpc.index.writer.islice", fail)
    with pytest.raises(KeyboardInterrupt):
        write(path, make_content())
    assert not path.exists()


def test_a_full_disk_is_said(path, monkeypatch):
    """LMDB's errors become a sentence, and the half-written file goes."""
    monkeypatch.setattr("resolver_grpc.index.writer._ROOM_AT_LEAST", 0)
    monkeypatch.setattr("resolver_grpc.index.writer._ROOM_PER_BYTE", 0)
    with pytest.raises(SnapshotError, match="can't be written"):
        write(path, sample_content())
    assert not path.exists()


def test_large_values_find_room(path):
    """Every database with far more in it than the usual share: the map is made for it."""
    random = np.random.default_rng(3)
    owners = 30_000
    pairs = np.repeat(random.integers(0, 256, (owners // 2, 16), dtype=np.uint8), 2, axis=0)
    content = make_content(
        HeldPairs(pairs, np.arange(owners, dtype=np.uint32)),
        owners,
        forwarding=dict.fromkeys(range(0, owners, 10), "x" * 254),
        roads={random.bytes(16): 1 for _ in range(20_000)},
    )
    write(path, content)
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    assert index.find([pairs[8].tobytes()]) == [(8, 9)]
    index.close()


def change(path, database, key, value):
    """Writes a value into an index file as no builder would; None takes it out."""
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES), map_size=1 << 26) as environment:
        handle = environment.open_db(database, integerkey=database in INTEGER_KEY_DATABASES)
        with environment.begin(handle, write=True) as transaction:
            if value is None:
                assert transaction.delete(key)
            else:
                transaction.put(key, value)


def number(value):
    return struct.pack("=I", value)


def keys_of_several(content):
    counts = Counter(key for key, _ in listed(content.pairs))
    return [key for key, count in counts.items() if count > 1]


EMPTY = BitMap().serialize()
# Of sample_content: 2,000 owners, two posting lists, 4,000 keys in 23 buckets.
HEADER_VALUES = (1, 2_000, 23, 2, 2, SNAPSHOT_ID)


def header(**changes):
    names = ("version", "owners", "buckets", "postings", "forwardings", "snapshot_id")
    return HEADER.pack(*(dict(zip(names, HEADER_VALUES, strict=True)) | changes).values())


MALFORMED = {
    "no header": (b"header", b"header", None, "missing"),
    "a short header": (b"header", b"header", header()[:-1], "broken header"),
    "another format": (b"header", b"header", header(version=2), "format 2"),
    "another snapshot": (b"header", b"header", header(snapshot_id=bytes(16)), "another snapshot"),
    "a format that there can't be": (b"header", b"header", header(version=101801239), "broken header"),
    "no buckets": (b"header", b"header", header(buckets=0), "broken header"),
    "too many owners": (b"header", b"header", header(owners=2**31 + 1), "broken header"),
    "other buckets": (b"header", b"header", header(buckets=22), "lacks pages"),
    "other posting lists": (b"header", b"header", header(postings=3), "lacks pages"),
    "more owners": (b"header", b"header", header(owners=2_001), "deciphered"),
    "more forwardings": (b"header", b"header", header(forwardings=3), "deciphered"),
    "many more forwardings": (b"header", b"header", header(forwardings=70_000), "lacks chunks"),
    "no page": (b"pages", number(3), None, "lacks pages"),
    "a page too many": (b"pages", number(23), b"", "lacks pages"),
    "a ragged fact": (b"facts", b"consent", b"abc", "length"),
    "a fact of no owner": (b"facts", b"consent", u32([1, len(EMPTY), 5, 2_000]).tobytes() + EMPTY * 2, "no owner"),
    "a fact's name": (b"facts", b"\xff", u32([0, len(EMPTY)]).tobytes() + EMPTY * 2, "unreadable name"),
    "a road's tag": (b"roads", bytes(16), b"\3", "unknown tag"),
    "a road's long tag": (b"roads", bytes(16), b"\1\1", "unknown tag"),
    "a road's key": (b"roads", bytes(15), b"\1", "unknown tag"),
    "no chunk": (b"columns", b"number/\0\0\0\0", None, "lacks chunks"),
    "a chunk too many": (b"columns", b"number/\0\0\0\1", b"", "lacks chunks"),
    "a changed chunk": (b"columns", b"number/\0\0\0\0", bytes(20_016), "deciphered"),
}


@pytest.mark.parametrize(("database", "key", "value", "fault"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_refused(path, database, key, value, fault):
    write(path, sample_content())
    change(path, database, key, value)
    with pytest.raises(SnapshotError, match=fault):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)


MALFORMED_PAGES = {
    "a ragged page": (bytes(39), "length"),
    "a page of another bucket": (b"\xff" * 16 + u32([0]).tobytes(), "another bucket"),
    "an ordinal too high": (bytes(16) + u32([2_000]).tobytes(), "no owner"),
    "a posting list too high": (bytes(16) + u32([0x8000_0002]).tobytes(), "no posting list"),
    "keys out of order": (bytes([0] * 15 + [1] + [0] * 16) + u32([0, 0]).tobytes(), "out of order"),
}


@pytest.mark.parametrize(("value", "fault"), MALFORMED_PAGES.values(), ids=MALFORMED_PAGES)
@pytest.mark.parametrize("ask", [lambda index: index.find([b"\xff" * 16, bytes(16)]), LmdbIndex.touch])
def test_a_malformed_page_is_refused_when_it_is_asked_or_touched(path, value, fault, ask):
    """Again and again: it never answers."""
    write(path, sample_content())
    change(path, b"pages", number(0), value)
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    for _ in range(2):
        with pytest.raises(SnapshotError, match=fault):
            ask(index)
    index.close()


def test_a_touched_index_answers_as_before(path):
    content = sample_content()
    write(path, content)
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    keys = [key for key, _ in listed(content.pairs)]
    before = index.find(keys[:9])
    index.touch()
    assert index.find(keys[:9]) == before
    assert index.find(keys) == index.find(keys)
    index.close()
    with pytest.raises(SnapshotError, match="closed"):
        index.touch()


def test_a_page_under_another_number_is_refused(path):
    write(path, sample_content())
    change(path, b"pages", number(22), None)
    change(path, b"pages", number(99), b"")
    with pytest.raises(SnapshotError, match="page of a bucket"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)


@pytest.mark.parametrize(
    ("value", "fault"),
    [(b"", "unknown tag"), (b"\0" + u32([5, 2_000]).tobytes(), "no owner"), (b"\0\1", "length")],
)
def test_a_malformed_posting_list_is_refused_when_it_is_asked_for(path, value, fault):
    content = sample_content()
    write(path, content)
    change(path, b"postings", number(0), value)
    change(path, b"postings", number(1), value)
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    with pytest.raises(SnapshotError, match=fault):
        index.find(keys_of_several(content)[:1])
    index.close()


def test_a_missing_posting_list_is_refused_when_it_is_asked_for(path):
    content = sample_content()
    write(path, content)
    change(path, b"postings", number(0), None)
    change(path, b"postings", number(9), b"\0" + u32([1, 2]).tobytes())
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    with pytest.raises(SnapshotError, match="missing"):
        index.find(keys_of_several(content))
    index.close()


def test_a_missing_file_is_refused(path):
    with pytest.raises(SnapshotError, match="LMDB refuses"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"no LMDB file", bytes(8_192)])
def test_a_file_of_something_else_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match="LMDB refuses"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)


def test_a_file_without_its_databases_is_refused(path):
    lmdb.open(str(path), subdir=False, lock=False).close()
    with pytest.raises(SnapshotError, match="LMDB refuses"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)


def test_databases_of_the_wrong_kind_are_refused(path):
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=len(DATABASES)) as environment:
        for name in DATABASES:
            environment.open_db(name)
    with pytest.raises(SnapshotError, match="kind of keys"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)


def test_a_foreign_columns_key_is_refused_and_the_file_let_go(path):
    write(path, sample_content())
    with pytest.raises(SnapshotError, match="key file that the builder used"):
        LmdbIndex(path, bytes(32), SNAPSHOT_ID)
    LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID).close()


def test_a_file_may_be_opened_once_at_a_time(path):
    write(path, sample_content())
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    with pytest.raises(SnapshotError, match="already open"):
        LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    index.close()
    LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID).close()


def test_a_file_larger_than_lmdbs_usual_map_opens(path):
    """LMDB maps 10 MiB unless it is told more."""
    random = np.random.default_rng(5)
    keys = random.integers(0, 256, (600_000, 16), dtype=np.uint8)
    content = make_content(HeldPairs(keys, np.zeros(len(keys), np.uint32)))
    assert len(write(path, content)) > 11 << 20
    index = LmdbIndex(path, COLUMNS_KEY, SNAPSHOT_ID)
    assert index.find([key.tobytes() for key in keys[::20_000]]) == [(0,)] * 30
    index.close()
