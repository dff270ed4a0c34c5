"""Reads the parts of an index file into memory, refusing whatever could make a wrong answer.

What belongs here: for each database, how its records become what the index answers from. The pages alone
stay in the file. They are by far the most of it: each is checked before it answers for the first time, or all of
them ahead, which takes longer than everything else together.
"""

from __future__ import annotations

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
    KEY_BYTES,
    LAST_VERSION,
    MAX_OWNERS,
    MAX_POSTINGS,
    PAGES_DATABASE,
    POSTINGS_DATABASE,
    ROAD_TAGS,
    ROADS_DATABASE,
    chunk_key,
)
from resolver_grpc.index.pages import check_pages
from resolver_grpc.index.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    if header.format_version > LAST_VERSION:
        raise SnapshotError("The index has a broken header; build the snapshot again.")
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
    """Gives the page of each bucket; the pages stay in the file and are not looked into yet.

    Raises:
        SnapshotError: a bucket or a posting list is missing.
    """
    if file.count(PAGES_DATABASE) != header.buckets or file.count(POSTINGS_DATABASE) != header.postings:
        raise SnapshotError("The index lacks pages or posting lists; build the snapshot again.")
    pages = file.numbered(PAGES_DATABASE)
    if pages is None:
        raise SnapshotError("The index lacks the page of a bucket; build the snapshot again.")
    return pages


def check_all_pages(pages: Sequence[memoryview], header: Header) -> None:
    """Looks into every page, in threads, which also brings it into memory.

    Raises:
        SnapshotError: a page could give a wrong answer.
    """

    def check(first: int) -> None:
        some = pages[first : first + _PAGES_AT_ONCE]
        check_pages(some, first, header.buckets, header.owners, header.postings)

    for _ in in_threads(check, range(0, len(pages), _PAGES_AT_ONCE)):
        pass


def read_facts(file: LmdbFile, header: Header) -> dict[str, Timeline]:
    """Reads the timeline of each fact; its changes stay in the file.

    Raises:
        SnapshotError: a name or a timeline can't be read.
    """
    try:
        records = [(bytes(name).decode(), value) for name, value in file.records(FACTS_DATABASE)]
    except UnicodeDecodeError:
        raise SnapshotError("A fact of the index has an unreadable name; build the snapshot again.") from None
    timelines = in_threads(lambda record: decode_timeline(record[1], header.owners), records)
    return {name: timeline for (name, _), timeline in zip(records, timelines, strict=True)}


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
        chunks = (file.get(COLUMNS_DATABASE, key) for key in keys)
        columns[name] = cipher.decode(name, chunks, count)
    forwarding = columns[FORWARDING_ORDINAL_COLUMN]
    if np.any(forwarding >= header.owners) or np.any(forwarding[1:] <= forwarding[:-1]):
        raise SnapshotError("A forwarding address of the index is no owner's; build the snapshot again.")
    return columns
