"""Reads an index file back to the content that it was written from.

What belongs here: the inverse of ``writer.py``, which shares the format with it: pages and posting lists become
pairs again, columns their plain values. Whoever names the content again learns whether the file is the one that
was built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import check_timeline
from resolver_grpc.index.layout import (
    ADDRESS_NUMBER_COLUMN,
    ENTRY_BYTES,
    FORWARDING_ADDRESS_COLUMN,
    FORWARDING_ORDINAL_COLUMN,
    KEY_BYTES,
    NUMBER_COLUMN,
    POSTINGS_DATABASE,
)
from resolver_grpc.index.lists import Lists, decode_lists
from resolver_grpc.index.lmdb_file import LmdbFile
from resolver_grpc.index.opening import check_all_pages, read_columns, read_facts, read_header, read_pages, read_roads
from resolver_grpc.index.pages import decode_page
from resolver_grpc.index.stored import StoredPairs
from resolver_grpc.index.threads import in_threads

if TYPE_CHECKING:
    from pathlib import Path

    from resolver_grpc.index.columns import Values
    from resolver_grpc.index.intervals import Timeline
    from resolver_grpc.index.opening import Header
    from resolver_grpc.index.pages import Keys, Ordinals


class Restored(NamedTuple):
    """A content that was read back, and what of the file it doesn't show.

    Attributes:
        content: its pairs lie in memory, as the file holds them.
        buckets: how many pages the file has.
        postings: how many posting lists; several keys may share one.
    """

    content: Content
    buckets: int
    postings: int


def read_content(path: Path, columns_key: bytes, snapshot_id: bytes) -> Restored:
    """Reads everything that an index file holds.

    Args:
        path: the file, whose digest was checked: LMDB is not safe on a damaged one.
        columns_key: the secret of the columns, 32 bytes.
        snapshot_id: the id of the snapshot that the file is to hold, 16 bytes.

    Raises:
        SnapshotError: a page is out of order, a key in another's bucket, a slot, posting list, fact or road out
            of range, a column can't be deciphered, or a posting list is not used at all.
    """
    file = LmdbFile(path)
    try:
        header = read_header(file, snapshot_id)
        pairs = StoredPairs(*_read_entries(file, header), _read_postings(file, header))
        columns = read_columns(file, header, ColumnCipher(columns_key, snapshot_id))
        content = Content(
            owners=header.owners,
            pairs=pairs,
            facts=_read_timelines(file, header),
            numbers=columns[NUMBER_COLUMN],
            address_numbers=columns[ADDRESS_NUMBER_COLUMN].astype(np.uint32),
            forwarding=_forwarding(columns),
            roads=read_roads(file),
        )
    finally:
        file.close()
    return Restored(content, header.buckets, header.postings)


def _read_entries(file: LmdbFile, header: Header) -> tuple[Keys, Ordinals]:
    """Gives all keys, ascending over all pages, and their slots; copies, for the file is closed soon."""
    pages = read_pages(file, header)
    check_all_pages(pages, header)
    total = sum(map(len, pages)) // ENTRY_BYTES
    keys, slots = np.empty((total, KEY_BYTES), np.uint8), np.empty(total, np.uint32)
    place = 0
    for page in pages:
        until = place + len(page) // ENTRY_BYTES
        keys[place:until], slots[place:until] = decode_page(page)
        place = until
    return keys, slots


def _read_postings(file: LmdbFile, header: Header) -> Lists:
    values = file.numbered(POSTINGS_DATABASE)
    if values is None:
        raise SnapshotError("The index lacks a posting list; build the snapshot again.")
    return decode_lists(values, header.owners)


def _read_timelines(file: LmdbFile, header: Header) -> dict[str, Timeline]:
    timelines = read_facts(file, header)
    for _ in in_threads(check_timeline, timelines.values()):
        pass
    return {name: timeline.copy() for name, timeline in timelines.items()}


def _forwarding(columns: dict[str, Values]) -> dict[int, str]:
    ordinals, addresses = columns[FORWARDING_ORDINAL_COLUMN].tolist(), columns[FORWARDING_ADDRESS_COLUMN].tolist()
    try:
        return {ordinal: address.decode() for ordinal, address in zip(ordinals, addresses, strict=True)}
    except UnicodeDecodeError:
        raise SnapshotError("A forwarding address of the index is no text; build the snapshot again.") from None
