"""Reads an index file back to the content that it was written from.

What belongs here: the inverse of ``writer.py``, which shares the format with it and no code: pages and posting
lists become pairs again, timelines intervals, columns their plain values. Whoever names the content again
learns whether the file is the one that was built.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher
from resolver_grpc.index.content import Content
from resolver_grpc.index.intervals import Intervals, Timeline
from resolver_grpc.index.layout import (
    ADDRESS_NUMBER_COLUMN,
    ALWAYS,
    FOREVER,
    FORWARDING_ADDRESS_COLUMN,
    FORWARDING_ORDINAL_COLUMN,
    INTEGER_KEY,
    NUMBER_COLUMN,
    POSTING_BIT,
    POSTINGS_DATABASE,
)
from resolver_grpc.index.lmdb_file import LmdbFile
from resolver_grpc.index.opening import read_columns, read_facts, read_header, read_pages, read_roads
from resolver_grpc.index.pages import decode_page
from resolver_grpc.index.postings import decode_posting

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from resolver_grpc.index.columns import Values
    from resolver_grpc.index.opening import Header
    from resolver_grpc.index.pages import Keys, Ordinals


class Restored(NamedTuple):
    """A content that was read back, and what of the file it doesn't show.

    Attributes:
        content: its pairs are sorted by key, then by ordinal.
        buckets: how many pages the file has.
        postings: how many posting lists.
        keys: how many distinct keys.
    """

    content: Content
    buckets: int
    postings: int
    keys: int


def read_content(path: Path, columns_key: bytes, snapshot_id: bytes) -> Restored:
    """Reads everything that an index file holds.

    Args:
        path: the file, whose digest was checked: LMDB is not safe on a damaged one.
        columns_key: the secret of the columns, 32 bytes.
        snapshot_id: the id of the snapshot that the file is to hold, 16 bytes.

    Raises:
        SnapshotError: a page is out of order, a key in another's bucket, a slot, posting list, fact or road out
            of range, a column can't be deciphered, or a posting list is not used exactly once.
    """
    file = LmdbFile(path)
    try:
        header = read_header(file, snapshot_id)
        keys, slots = _read_entries(file, header)
        distinct = len(keys)
        keys, ordinals = _pairs(keys, slots, *_read_postings(file, header))
        columns = read_columns(file, header, ColumnCipher(columns_key, snapshot_id))
        content = Content(
            owners=header.owners,
            keys=keys,
            ordinals=ordinals,
            facts={name: intervals_of(timeline) for name, timeline in read_facts(file, header).items()},
            numbers=columns[NUMBER_COLUMN],
            address_numbers=columns[ADDRESS_NUMBER_COLUMN].astype(np.uint32),
            forwarding=_forwarding(columns),
            roads=read_roads(file),
        )
    finally:
        file.close()
    return Restored(content, header.buckets, header.postings, distinct)


def intervals_of(timeline: Timeline) -> Intervals:
    """Gives the intervals that a timeline came from, overlapping ones joined; the inverse of ``timeline_of``."""
    first = np.array(timeline.first.to_array(), np.uint32)
    changing, changes = np.unique(np.concatenate([first, timeline.changed]), return_counts=True)
    # Whoever changed an odd number of times, the beginning included, goes on for ever.
    open_ended = changing[changes % 2 == 1]
    owners = np.concatenate([first, timeline.changed, open_ended])
    times = np.concatenate(
        [np.full(len(first), ALWAYS, np.uint32), timeline.instants, np.full(len(open_ended), FOREVER, np.uint32)]
    )
    order = np.lexsort((times, owners))
    owners, times = owners[order], times[order]
    return Intervals(owners[0::2], times[0::2], times[1::2])


def _read_entries(file: LmdbFile, header: Header) -> tuple[Keys, Ordinals]:
    """Gives all keys, ascending over all pages, and their slots; copies, for the file is closed soon."""
    decoded = [decode_page(page) for page in read_pages(file, header)]
    return np.concatenate([keys for keys, _ in decoded]), np.concatenate([slots for _, slots in decoded])


def _read_postings(file: LmdbFile, header: Header) -> tuple[Ordinals, npt.NDArray[np.int64]]:
    """Gives the ordinals of all posting lists, one after the other, and where each begins and the last ends."""
    ordinals = array("I")
    edges = array("q", [0])
    for number, (key, value) in enumerate(file.records(POSTINGS_DATABASE)):
        if key != INTEGER_KEY.pack(number):
            raise SnapshotError("The index lacks a posting list; build the snapshot again.")
        ordinals.extend(decode_posting(value, header.owners))
        edges.append(len(ordinals))
    return np.array(ordinals, np.uint32), np.array(edges, np.int64)


def _pairs(keys: Keys, slots: Ordinals, ordinals: Ordinals, edges: npt.NDArray[np.int64]) -> tuple[Keys, Ordinals]:
    """Puts the ordinals of its posting list in the place of each slot that leads to one."""
    in_list = slots >= POSTING_BIT
    lists = (slots[in_list] ^ np.uint32(POSTING_BIT)).astype(np.int64)
    lengths = np.diff(edges)
    if not np.array_equal(np.bincount(lists, minlength=len(lengths)), np.ones(len(lengths), np.int64)):
        raise SnapshotError("A posting list of the index is not used exactly once; build the snapshot again.")
    if np.any(lengths == 1):
        raise SnapshotError("A posting list of the index leads to one owner only; build the snapshot again.")
    counts = np.ones(len(slots), np.int64)
    counts[in_list] = lengths[lists]
    paired = np.repeat(slots, counts)
    paired[np.repeat(in_list, counts)] = ordinals[_places(edges[lists], lengths[lists])]
    return np.repeat(keys, counts, axis=0), paired


def _places(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Gives the places of several stretches, one stretch after the other."""
    before = np.cumsum(lengths) - lengths
    places: npt.NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return places


def _forwarding(columns: dict[str, Values]) -> dict[int, str]:
    ordinals, addresses = columns[FORWARDING_ORDINAL_COLUMN].tolist(), columns[FORWARDING_ADDRESS_COLUMN].tolist()
    try:
        return {ordinal: address.decode() for ordinal, address in zip(ordinals, addresses, strict=True)}
    except UnicodeDecodeError:
        raise SnapshotError("A forwarding address of the index is no text; build the snapshot again.") from None
