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
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher, chunk_count, enciphered_bytes
from resolver_grpc.index.content import check_content
from resolver_grpc.index.intervals import encode_timeline, encoded_bytes
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
from resolver_grpc.index.lists import Lists, encode_lists, lists_bytes, share_equal
from resolver_grpc.index.pages import encode_pages
from resolver_grpc.index.sorting import begins_of_keys
from resolver_grpc.index.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from resolver_grpc.index.columns import Values
    from resolver_grpc.index.content import Content
    from resolver_grpc.index.lists import Places
    from resolver_grpc.index.pages import Keys, Ordinals
    from resolver_grpc.index.pairs import Pairs

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


def write_index(
    path: Path,
    content: Content,
    columns_key: bytes,
    snapshot_id: bytes,
    advance: Callable[[int], None] = lambda _pairs: None,
) -> dict[str, int]:
    """Writes the index of a content to a new file, readable by its owner alone, and syncs it.

    Args:
        path: the file; it must not exist yet, and is removed again if the writing fails.
        content: what the index is to hold.
        columns_key: the secret of the columns, 32 bytes.
        snapshot_id: what ``content_digest`` said of this content, 16 bytes; the columns' ciphers are safe only
            as long as no two contents share an id.
        advance: is told how many pairs more are laid out for the file, ``content.pairs.counts.pairs`` in all.

    Returns:
        By database, how many bytes of the file it takes.

    Raises:
        SnapshotError: no index could hold the content, the file exists, or it can't be written.
    """
    check_content(content)
    if len(snapshot_id) != SNAPSHOT_ID_BYTES:
        raise SnapshotError(f"A snapshot id has {SNAPSHOT_ID_BYTES} bytes; this is an error of the builder.")
    parts = _parts(content, ColumnCipher(columns_key, snapshot_id), advance)
    try:
        path.touch(_FILE_MODE, exist_ok=False)
    except OSError as error:
        raise SnapshotError(f"The index {path} can't be created: {error.strerror}; choose a new file.") from error
    try:
        return _write_file(path, parts)
    except lmdb.Error as error:
        path.unlink()
        raise SnapshotError(f"The index {path} can't be written ({error}); make room and build again.") from error
    except BaseException:
        path.unlink()
        raise


def _write_file(path: Path, parts: list[_Part]) -> dict[str, int]:
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
        return {part.database.decode(): _bytes_taken(environment, part.database) for part in parts}


def _bytes_taken(environment: lmdb.Environment, name: bytes) -> int:
    with environment.begin() as transaction:
        # The flags of an open database are those that it was made with.
        found = transaction.stat(environment.open_db(name, transaction, create=False))
    pages: int = found["branch_pages"] + found["leaf_pages"] + found["overflow_pages"]
    return pages * int(found["psize"])


def _parts(content: Content, cipher: ColumnCipher, advance: Callable[[int], None]) -> list[_Part]:
    lists, numbers = share_equal(_lists(content.pairs))
    count, buckets = len(lists.edges) - 1, bucket_count(content.pairs.counts.keys)
    header = HEADER.pack(FORMAT_VERSION, content.owners, buckets, count, len(content.forwarding), cipher.snapshot_id)
    columns = _columns(content)
    timelines = {name.encode(): timeline for name, timeline in content.timelines().items()}
    pages = encode_pages(_entries(content.pairs, numbers, advance), buckets)
    return [
        _Part(HEADER_DATABASE, [(HEADER_KEY, header)], 1, HEADER.size),
        _Part(PAGES_DATABASE, _numbered(pages), buckets, content.pairs.counts.keys * ENTRY_BYTES),
        _Part(POSTINGS_DATABASE, _numbered(encode_lists(lists)), count, lists_bytes(lists)),
        _Part(
            FACTS_DATABASE,
            ((name, encode_timeline(timeline)) for name, timeline in timelines.items()),
            len(timelines),
            sum(encoded_bytes(timeline) for timeline in timelines.values()),
        ),
        _Part(
            COLUMNS_DATABASE,
            _chunks(columns, cipher),
            sum(chunk_count(len(values)) for values in columns.values()),
            sum(enciphered_bytes(name, len(values)) for name, values in columns.items()),
        ),
        _Part(
            ROADS_DATABASE,
            ((key, bytes((tag,))) for key, tag in sorted(content.roads.items())),
            len(content.roads),
            len(content.roads),
        ),
    ]


def _numbered(values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return ((INTEGER_KEY.pack(number), value) for number, value in enumerate(values))


def _lists(pairs: Pairs) -> Lists:
    """Gives the owners of each key that has several, in the order of the keys."""
    found = list(in_threads(_lists_of, pairs.partitions()))
    lengths = np.concatenate([np.empty(0, np.int64), *(lengths for _, lengths in found)])
    ordinals = np.concatenate([np.empty(0, np.uint32), *(ordinals for ordinals, _ in found)])
    return Lists(ordinals, np.append(0, np.cumsum(lengths)))


def _lists_of(partition: tuple[Keys, Ordinals]) -> tuple[Ordinals, Places]:
    keys, ordinals = partition
    lengths = _owners_of_keys(begins_of_keys(keys))
    return ordinals[np.repeat(lengths > 1, lengths)], lengths[lengths > 1]


def _owners_of_keys(begins: npt.NDArray[np.bool_]) -> Places:
    """Counts the owners of each key, where those pairs are known that begin a new one."""
    return np.diff(np.append(np.flatnonzero(begins), len(begins)))


def _entries(pairs: Pairs, numbers: Ordinals, advance: Callable[[int], None]) -> Iterator[tuple[Keys, Ordinals]]:
    """Yields the distinct keys of each partition and their slots; the lists were numbered in the keys' order."""
    taken = 0
    for keys, slots, several, count in in_threads(_slots_of, pairs.partitions()):
        slots[several] = numbers[taken : taken + len(several)] | np.uint32(POSTING_BIT)
        taken += len(several)
        yield keys, slots
        advance(count)


def _slots_of(partition: tuple[Keys, Ordinals]) -> tuple[Keys, Ordinals, Places, int]:
    """Gives the distinct keys, the first owner of each, and which keys have several; and how many pairs it were."""
    keys, ordinals = partition
    begins = begins_of_keys(keys)
    several = np.flatnonzero(_owners_of_keys(begins) > 1)
    return keys[begins], ordinals[begins], several, len(keys)


def _columns(content: Content) -> dict[str, Values]:
    forwarding = sorted(content.forwarding.items())
    columns: dict[str, Values] = {
        NUMBER_COLUMN: content.numbers,
        ADDRESS_NUMBER_COLUMN: content.address_numbers,
        FORWARDING_ORDINAL_COLUMN: np.array([ordinal for ordinal, _ in forwarding], np.uint32),
        FORWARDING_ADDRESS_COLUMN: np.array([address.encode() for _, address in forwarding], np.bytes_),
    }
    return dict(sorted(columns.items()))


def _chunks(columns: dict[str, Values], cipher: ColumnCipher) -> Iterator[tuple[bytes, bytes]]:
    for name, values in columns.items():
        for number, chunk in enumerate(cipher.encode(name, values)):
            yield chunk_key(name, number), chunk
