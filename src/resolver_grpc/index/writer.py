"""Writes an index file.

What belongs here: the way from a content to the bytes of one LMDB file. The values come from the codecs; here
they are appended in the order of their keys, some thousands to a transaction, and synced to the disk once at
the end. Equal contents make equal files: nothing depends on the order of the rows, on time or on chance.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import lmdb
import numpy as np

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher
from resolver_grpc.index.content import check_content, first_of_each_key, sorted_pairs
from resolver_grpc.index.intervals import encode_timeline, timeline_of
from resolver_grpc.index.layout import (
    ADDRESS_NUMBER_COLUMN,
    COLUMNS_DATABASE,
    DATABASES,
    ENTRY_BYTES,
    FACTS_DATABASE,
    FORMAT_VERSION,
    FORWARDING_ADDRESS_COLUMN,
    FORWARDING_ORDINAL_COLUMN,
    HEADER,
    HEADER_DATABASE,
    HEADER_KEY,
    INTEGER_KEY,
    INTEGER_KEY_DATABASES,
    NUMBER_COLUMN,
    PAGES_DATABASE,
    POSTING_BIT,
    POSTINGS_DATABASE,
    ROADS_DATABASE,
    SNAPSHOT_ID_BYTES,
    bucket_count,
    chunk_key,
)
from resolver_grpc.index.pages import encode_pages
from resolver_grpc.index.postings import encode_posting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from resolver_grpc.index.columns import Values
    from resolver_grpc.index.content import Content
    from resolver_grpc.index.pages import Keys, Ordinals

_FILE_MODE: Final = 0o600
_RECORDS_PER_TRANSACTION: Final = 4_096

# What LMDB needs at most: a value of its own pages rounds up to at most three times its length, one within a
# leaf leaves at most as much unused again, and each record has its key and its place in leaf and branch.
_ROOM_PER_BYTE: Final = 4
_ROOM_PER_RECORD: Final = 256
_ROOM_AT_LEAST: Final = 1 << 20


class _Part(NamedTuple):
    """What goes into one database: records in the order of their keys, their number, the bytes of their values."""

    database: bytes
    records: Iterable[tuple[bytes, bytes]]
    entries: int
    value_bytes: int


def write_index(path: Path, content: Content, columns_key: bytes, snapshot_id: bytes) -> None:
    """Writes the index of a content to a new file, readable by its owner alone, and syncs it.

    Args:
        path: the file; it must not exist yet, and is removed again if the writing fails.
        content: what the index is to hold.
        columns_key: the secret of the columns, 32 bytes.
        snapshot_id: what ``content_digest`` said of this content, 16 bytes; the columns' ciphers are safe only
            as long as no two contents share an id.

    Raises:
        SnapshotError: no index could hold the content, the file exists, or it can't be written.
    """
    check_content(content)
    if len(snapshot_id) != SNAPSHOT_ID_BYTES:
        raise SnapshotError(f"A snapshot id has {SNAPSHOT_ID_BYTES} bytes; this is an error of the builder.")
    parts = _parts(content, ColumnCipher(columns_key, snapshot_id))
    try:
        path.touch(_FILE_MODE, exist_ok=False)
    except OSError as error:
        raise SnapshotError(f"The index {path} can't be created: {error.strerror}; choose a new file.") from error
    try:
        _write_file(path, parts)
    except lmdb.Error as error:
        path.unlink()
        raise SnapshotError(f"The index {path} can't be written ({error}); make room and build again.") from error
    except BaseException:
        path.unlink()
        raise


def _write_file(path: Path, parts: list[_Part]) -> None:
    room = sum(_ROOM_PER_BYTE * part.value_bytes + _ROOM_PER_RECORD * part.entries for part in parts)
    with lmdb.open(
        str(path),
        subdir=False,
        map_size=room + _ROOM_AT_LEAST,
        max_dbs=len(DATABASES),
        mode=_FILE_MODE,
        lock=False,
        sync=False,
    ) as environment:
        for part in parts:
            database = environment.open_db(part.database, integerkey=part.database in INTEGER_KEY_DATABASES)
            records = iter(part.records)
            while batch := list(islice(records, _RECORDS_PER_TRANSACTION)):
                with environment.begin(database, write=True) as transaction:
                    transaction.cursor().putmulti(batch, append=True)
        environment.sync(True)  # noqa: FBT003 - LMDB's own signature


def _parts(content: Content, cipher: ColumnCipher) -> list[_Part]:
    keys, ordinals = sorted_pairs(content)
    firsts = first_of_each_key(keys)
    slots, lists = _slots(ordinals, firsts)
    buckets = bucket_count(len(firsts))
    header = HEADER.pack(
        FORMAT_VERSION, content.owners, buckets, len(lists), len(content.forwarding), cipher.snapshot_id
    )
    facts = [
        (name, encode_timeline(timeline_of(intervals)))
        for name, intervals in sorted((name.encode(), intervals) for name, intervals in content.facts.items())
    ]
    return [
        _part(HEADER_DATABASE, [(HEADER_KEY, header)]),
        _pages(keys[firsts], slots, buckets),
        _part(POSTINGS_DATABASE, _numbered(lists)),
        _part(FACTS_DATABASE, facts),
        _part(COLUMNS_DATABASE, _columns(content, cipher)),
        _part(ROADS_DATABASE, [(key, bytes((tag,))) for key, tag in sorted(content.roads.items())]),
    ]


def _part(database: bytes, records: Iterable[tuple[bytes, bytes]]) -> _Part:
    held = list(records)
    return _Part(database, held, len(held), sum(len(value) for _, value in held))


def _pages(keys: Keys, slots: Ordinals, buckets: int) -> _Part:
    """The pages are made while they are written: together they are by far the most of the file."""
    records = _numbered(encode_pages(keys, slots, buckets))
    return _Part(PAGES_DATABASE, records, buckets, len(slots) * ENTRY_BYTES)


def _numbered(values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return ((INTEGER_KEY.pack(number), value) for number, value in enumerate(values))


def _slots(ordinals: Ordinals, firsts: np.typing.NDArray[np.intp]) -> tuple[Ordinals, list[bytes]]:
    """Gives each key its slot, and encodes the posting lists of those with several owners, in order."""
    slots = ordinals[firsts]
    ends = np.append(firsts[1:], len(ordinals))
    several = np.flatnonzero(ends - firsts > 1)
    slots[several] = np.arange(len(several), dtype=np.uint32) | np.uint32(POSTING_BIT)
    spans = zip(firsts[several].tolist(), ends[several].tolist(), strict=True)
    return slots, [encode_posting(ordinals[first:end]) for first, end in spans]


def _columns(content: Content, cipher: ColumnCipher) -> Iterator[tuple[bytes, bytes]]:
    forwarding = sorted(content.forwarding.items())
    columns: dict[str, Values] = {
        NUMBER_COLUMN: content.numbers,
        ADDRESS_NUMBER_COLUMN: content.address_numbers,
        FORWARDING_ORDINAL_COLUMN: np.array([ordinal for ordinal, _ in forwarding], np.uint32),
        FORWARDING_ADDRESS_COLUMN: np.array([address.encode() for _, address in forwarding], np.bytes_),
    }
    for name, values in sorted(columns.items()):
        for number, chunk in enumerate(cipher.encode(name, values)):
            yield chunk_key(name, number), chunk
