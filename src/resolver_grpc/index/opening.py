"""Reads the parts of an index file into memory, refusing whatever could make a wrong answer.

What belongs here: for each database, how its records become what the index answers from. The pages alone
stay in the file; they are checked, so that a lookup needs no checks.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import chunk_count
from resolver_grpc.index.intervals import decode_timeline
from resolver_grpc.index.layout import (
    COLUMN_TYPES,
    COLUMNS_DATABASE,
    FACTS_DATABASE,
    FORMAT_VERSION,
    FORWARDING_ADDRESS_COLUMN,
    FORWARDING_ORDINAL_COLUMN,
    HEADER,
    HEADER_DATABASE,
    HEADER_KEY,
    INTEGER_KEY,
    KEY_BYTES,
    MAX_OWNERS,
    MAX_POSTINGS,
    PAGES_DATABASE,
    POSTINGS_DATABASE,
    ROAD_TAGS,
    ROADS_DATABASE,
    chunk_key,
)
from resolver_grpc.index.pages import check_pages

if TYPE_CHECKING:
    from resolver_grpc.index.columns import ColumnCipher, Values
    from resolver_grpc.index.intervals import Timeline
    from resolver_grpc.index.lmdb_file import LmdbFile

_PAGES_AT_ONCE: Final = 1_024


class Header(NamedTuple):
    """What an index file says of itself, in the order of ``layout.HEADER``."""

    format_version: int
    owners: int
    buckets: int
    postings: int
    forwardings: int
    snapshot_id: bytes


def read_header(file: LmdbFile, snapshot_id: bytes) -> Header:
    """Reads the header of an index that is to hold a certain snapshot.

    Raises:
        SnapshotError: it is of another format or snapshot, or its numbers can't be.
    """
    value = bytes(file.get(HEADER_DATABASE, HEADER_KEY))
    if len(value) != HEADER.size:
        raise SnapshotError("The index has a broken header; build the snapshot again.")
    header = Header(*HEADER.unpack(value))
    if header.format_version != FORMAT_VERSION:
        raise SnapshotError(
            f"The index has format {header.format_version}, this program reads format {FORMAT_VERSION}; "
            "build the snapshot again with this version."
        )
    if header.snapshot_id != snapshot_id:
        raise SnapshotError("The index belongs to another snapshot than its manifest; publish the snapshot again.")
    if header.owners > MAX_OWNERS or header.postings > MAX_POSTINGS or not header.buckets:
        raise SnapshotError("The index has a broken header; build the snapshot again.")
    return header


def read_pages(file: LmdbFile, header: Header) -> list[memoryview]:
    """Gives the page of each bucket, checked; the pages stay in the file.

    Raises:
        SnapshotError: a bucket or a posting list is missing, or a page could give a wrong answer.
    """
    if file.count(PAGES_DATABASE) != header.buckets or file.count(POSTINGS_DATABASE) != header.postings:
        raise SnapshotError("The index lacks pages or posting lists; build the snapshot again.")
    pages: list[memoryview] = []
    records = file.records(PAGES_DATABASE)
    while batch := list(islice(records, _PAGES_AT_ONCE)):
        numbers = [key == INTEGER_KEY.pack(number) for number, (key, _) in enumerate(batch, len(pages))]
        if not all(numbers):
            raise SnapshotError("The index lacks the page of a bucket; build the snapshot again.")
        values = [value for _, value in batch]
        check_pages(values, len(pages), header.buckets, header.owners, header.postings)
        pages += values
    return pages


def read_facts(file: LmdbFile, header: Header) -> dict[str, Timeline]:
    """Reads the timeline of each fact.

    Raises:
        SnapshotError: a name or a timeline can't be read.
    """
    try:
        return {
            bytes(name).decode(): decode_timeline(value, header.owners) for name, value in file.records(FACTS_DATABASE)
        }
    except UnicodeDecodeError:
        raise SnapshotError("A fact of the index has an unreadable name; build the snapshot again.") from None


def read_roads(file: LmdbFile) -> dict[bytes, int]:
    """Reads the roads that share their text.

    Raises:
        SnapshotError: a road has no key of 16 bytes or no known tag.
    """
    roads = {bytes(key): bytes(value) for key, value in file.records(ROADS_DATABASE)}
    if any(len(key) != KEY_BYTES or len(value) != 1 or value[0] not in ROAD_TAGS for key, value in roads.items()):
        raise SnapshotError("A road of the index has an unknown tag; build the snapshot again.")
    return {key: value[0] for key, value in roads.items()}


def read_columns(file: LmdbFile, header: Header, cipher: ColumnCipher) -> dict[str, Values]:
    """Reads and deciphers every column.

    Raises:
        SnapshotError: a chunk is missing, superfluous, damaged or foreign, or a forwarding is no owner's.
    """
    sparse = (FORWARDING_ORDINAL_COLUMN, FORWARDING_ADDRESS_COLUMN)
    counts = {name: header.forwardings if name in sparse else header.owners for name in COLUMN_TYPES}
    if file.count(COLUMNS_DATABASE) != sum(chunk_count(count) for count in counts.values()):
        raise SnapshotError("The index lacks chunks of a column; build the snapshot again.")
    columns: dict[str, Values] = {}
    for name, count in counts.items():
        keys = (chunk_key(name, number) for number in range(chunk_count(count)))
        chunks = (bytes(file.get(COLUMNS_DATABASE, key)) for key in keys)
        columns[name] = cipher.decode(name, chunks, count)
    forwarding = columns[FORWARDING_ORDINAL_COLUMN]
    if np.any(forwarding >= header.owners) or np.any(forwarding[1:] <= forwarding[:-1]):
        raise SnapshotError("A forwarding address of the index is no owner's; build the snapshot again.")
    return columns
