"""The LMDB index: the answers from an index file.

What belongs here: the lookups. Every page was asked of LMDB once, at opening, under a read transaction that
lives as long as the index: the file never changes, so that a lookup walks no tree. A page is checked before its
first answer, or ahead by ``touch``. Facts, columns and roads lie in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher
from resolver_grpc.index.facts import Facts
from resolver_grpc.index.layout import (
    ADDRESS_NUMBER_COLUMN,
    FORWARDING_ADDRESS_COLUMN,
    FORWARDING_ORDINAL_COLUMN,
    INTEGER_KEY,
    NUMBER_COLUMN,
    POSTING_BIT,
    POSTINGS_DATABASE,
    STREET_SHARED,
    bucket_of,
)
from resolver_grpc.index.lmdb_file import LmdbFile
from resolver_grpc.index.opening import check_all_pages, read_columns, read_facts, read_header, read_pages, read_roads
from resolver_grpc.index.pages import check_pages, probe_page
from resolver_grpc.index.postings import decode_posting
from resolver_grpc.index.reader import check_ordinal
from resolver_grpc.index.spans import OwnerSpans, RawSpans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resolver_grpc.index.reader import FactSets


class RawIndex(NamedTuple):
    """Where an index lies in memory, for a machine that reads bytes; void once the index is closed.

    Attributes:
        pages: the page of each bucket.
        owners: ordinals lie below.
        postings: numbers of posting lists lie below.
        checked: for each page whether it was checked: the others may not be answered from.
        shared_streets: the keys of the streets that several roads share.
        numbers: the owners' numbers, ``NUMBER_BYTES`` each, shorter ones with zeros behind them.
        address_numbers: the numbers of the owners' addresses.
    """

    pages: list[memoryview]
    owners: int
    postings: int
    checked: bytearray
    shared_streets: list[bytes]
    numbers: npt.NDArray[np.uint8]
    address_numbers: npt.NDArray[np.uint32]


class LmdbIndex:
    """An index file, open for reading; see ``Index``.

    Args:
        path: the file, whose digest was checked: LMDB is not safe on a damaged one.
        columns_key: the secret of the columns, 32 bytes.
        snapshot_id: the id of the snapshot that the file is to hold, 16 bytes.

    Raises:
        SnapshotError: the file is missing, damaged, of another format, snapshot or key, or open already in
            this process.
    """

    def __init__(self, path: Path, columns_key: bytes, snapshot_id: bytes) -> None:
        self._file = LmdbFile(path)
        try:
            self._header = read_header(self._file, snapshot_id)
            self._pages = read_pages(self._file, self._header)
            self._checked = bytearray(len(self._pages))
            timelines = read_facts(self._file, self._header)
            self._facts, self._spans = Facts(timelines), OwnerSpans(timelines, self._header.owners)
            self._roads = read_roads(self._file)
            columns = read_columns(self._file, self._header, ColumnCipher(columns_key, snapshot_id))
        except BaseException:
            self._file.close()
            raise
        self._numbers = columns[NUMBER_COLUMN]
        self._address_numbers = columns[ADDRESS_NUMBER_COLUMN]
        forwarding = (columns[name].tolist() for name in (FORWARDING_ORDINAL_COLUMN, FORWARDING_ADDRESS_COLUMN))
        self._forwarding: dict[int, bytes] = dict(zip(*forwarding, strict=True))

    @property
    def owners(self) -> int:
        """See ``Index``."""
        return self._header.owners

    @property
    def raw(self) -> RawIndex:
        """Where the index lies in memory.

        Raises:
            SnapshotError: the index is closed.
        """
        self._check_open()
        streets = [key for key, tag in self._roads.items() if tag == STREET_SHARED]
        numbers = np.ascontiguousarray(self._numbers).view(np.uint8)
        addresses = self._address_numbers.astype(np.uint32, copy=False)
        return RawIndex(self._pages, self.owners, self._header.postings, self._checked, streets, numbers, addresses)

    @property
    def raw_spans(self) -> RawSpans:
        """Where the facts of owners lie in memory; makes their order where nobody asked about an owner yet.

        Raises:
            SnapshotError: the index is closed.
        """
        self._check_open()
        return self._spans.raw

    def posting(self, number: int) -> memoryview:
        """Gives the bytes of a posting list, checked; void once the index is closed.

        Raises:
            SnapshotError: it could give a wrong answer, or the index is closed.
        """
        self._check_open()
        value = self._file.get(POSTINGS_DATABASE, INTEGER_KEY.pack(number))
        decode_posting(value, self.owners)
        return value

    def touch(self) -> None:
        """Brings every page into memory and checks it, so that no query waits for either.

        Raises:
            SnapshotError: a page could give a wrong answer, or the index is closed.
        """
        self._check_open()
        check_all_pages(self._pages, self._header)
        self._checked[:] = b"\1" * len(self._checked)

    def find(self, keys: Sequence[bytes]) -> list[tuple[int, ...]]:
        """See ``Index``."""
        self._check_open()
        return [self._find(key) for key in keys]

    def _find(self, key: bytes) -> tuple[int, ...]:
        bucket = bucket_of(key, self._header.buckets)
        page = self._pages[bucket]
        if not self._checked[bucket]:
            check_pages([page], bucket, self._header.buckets, self.owners, self._header.postings)
            self._checked[bucket] = True
        slot = probe_page(page, key)
        if slot is None:
            return ()
        if slot < POSTING_BIT:
            return (slot,)
        value = self._file.get(POSTINGS_DATABASE, INTEGER_KEY.pack(slot ^ POSTING_BIT))
        return decode_posting(value, self.owners)

    def road(self, key: bytes) -> int:
        """See ``Index``."""
        self._check_open()
        return self._roads.get(key, 0)

    def facts_at(self, instant: int) -> FactSets:
        """See ``Index``."""
        self._check_open()
        return self._facts.at(instant)

    def spans_of(self, ordinal: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """See ``SpannedIndex``."""
        self._check_owner(ordinal)
        return self._spans.of(ordinal)

    def number(self, ordinal: int) -> str:
        """See ``Index``."""
        self._check_owner(ordinal)
        return bytes(self._numbers[ordinal]).decode("ascii")

    def address_number(self, ordinal: int) -> int:
        """See ``Index``."""
        self._check_owner(ordinal)
        return int(self._address_numbers[ordinal])

    def forwarding_address(self, ordinal: int) -> str:
        """See ``Index``."""
        self._check_owner(ordinal)
        return self._forwarding.get(ordinal, b"").decode()

    def close(self) -> None:
        """See ``Index``."""
        # What points into the file goes first: once that is unmapped, reading it would end the process.
        self._pages = []
        self._facts, self._spans = Facts({}), OwnerSpans({}, 0)
        self._file.close()

    def _check_owner(self, ordinal: int) -> None:
        self._check_open()
        check_ordinal(ordinal, self.owners)

    def _check_open(self) -> None:
        if not self._pages:
            raise SnapshotError("The index is closed; open the snapshot again.")
