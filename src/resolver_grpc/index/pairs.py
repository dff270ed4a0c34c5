"""Pairs of key and ordinal, sorted by key, then by ordinal, doubles dropped, in partitions.

What belongs here: where pairs wait until an index is made of them: in memory, or on the disk. Keys are hashes,
so that their leading byte spreads them evenly: each partition of spilled pairs is the pairs of one leading
byte, small enough to be sorted in memory. Only keyed hashes and ordinals go to the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ENTRY_BYTES, KEY_BYTES, SLOT_BYTES
from resolver_grpc.index.pair_counts import PairCounts, count_pairs, count_tags, no_tags
from resolver_grpc.index.sorting import (
    LEADING_BYTES,
    edges_of_leading_bytes,
    order_by_leading_byte,
    sort_pairs,
    sort_partition,
)
from resolver_grpc.index.spill import Spill
from resolver_grpc.index.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolver_grpc.index.pages import Keys, Ordinals

# So many pairs are spread over the partitions at once: within the processor's cache, yet in stretches of some KiB.
_RUN_PAIRS: Final = 1 << 18


class Pairs(Protocol):
    """Pairs of key and ordinal, in order."""

    @property
    def counts(self) -> PairCounts:
        """How many there are."""

    @property
    def highest(self) -> int:
        """The highest ordinal, -1 where there are no pairs."""

    def partitions(self) -> Iterator[tuple[Keys, Ordinals]]:
        """Yields the pairs, sorted and distinct: keys (n, 16), ascending over all partitions, and their ordinals.

        A partition holds all pairs of a leading byte or none. They may be asked for more than once.
        """


class HeldPairs:
    """Pairs that lie in memory, sorted the obvious way.

    Args:
        keys: keys (n, 16) of bytes, in any order, doubles allowed.
        ordinals: the owner of each key.

    Raises:
        SnapshotError: keys or ordinals have the wrong shape or type.
    """

    def __init__(self, keys: Keys, ordinals: Ordinals) -> None:
        _check_pairs(keys, ordinals)
        self._keys, self._ordinals = sort_pairs(keys, ordinals)
        self.counts = count_pairs(self._keys)
        self.highest = _highest(ordinals)

    def partitions(self) -> Iterator[tuple[Keys, Ordinals]]:
        """See ``Pairs``."""
        yield self._keys, self._ordinals


class _Run(NamedTuple):
    """Pairs in the order of their leading byte: where they begin in the file, and at which pair each byte does.

    First stand all keys, then their ordinals, then their tags.
    """

    offset: int
    edges: list[int]

    def pairs(self, byte: int) -> int:
        return self.edges[byte + 1] - self.edges[byte]

    def key_offset(self, byte: int) -> int:
        return self.offset + self.edges[byte] * KEY_BYTES

    def ordinal_offset(self, byte: int) -> int:
        return self.offset + self.edges[-1] * KEY_BYTES + self.edges[byte] * SLOT_BYTES

    def tag_offset(self, byte: int) -> int:
        return self.offset + self.edges[-1] * ENTRY_BYTES + self.edges[byte]


class _Partition(NamedTuple):
    """The sorted pairs of one leading byte: where their keys begin in the file, followed by their ordinals."""

    offset: int
    counts: PairCounts
    tagged: npt.NDArray[np.int64]


class SpilledPairs:
    """Pairs that are collected on the disk, and sorted there; in memory is never more than some partitions.

    Pairs are added, then sorted once, then read. Whoever is done closes them, or uses them as a context. Each pair
    has a tag, a small number that all pairs of a key share, so that keys can be counted by it.

    Args:
        folder: where there is room for 41 bytes a pair, of which half is given back once they are sorted.

    Raises:
        SnapshotError: the folder can't be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spill = Spill(folder)
        self._spilled = 0
        self._keys = np.empty((_RUN_PAIRS, KEY_BYTES), np.uint8)
        self._ordinals = np.empty(_RUN_PAIRS, np.uint32)
        self._tags = np.empty(_RUN_PAIRS, np.uint8)
        self._held = 0
        self._runs: list[_Run] = []
        self._partitions: list[_Partition] = []
        self.counts = PairCounts(0, 0, 0)
        self.highest = -1

    def add(self, keys: Keys, ordinals: Ordinals, tag: int = 0) -> None:
        """Takes more pairs: any number, in any order; they are copied.

        Args:
            keys: keys (n, 16) of bytes.
            ordinals: the owner of each key.
            tag: from 0 to 255.

        Raises:
            SnapshotError: keys or ordinals have the wrong shape or type, or the disk is full.
        """
        _check_pairs(keys, ordinals)
        self.highest = max(self.highest, _highest(ordinals))
        taken = 0
        while taken < len(ordinals):
            count = min(len(ordinals) - taken, _RUN_PAIRS - self._held)
            self._keys[self._held : self._held + count] = keys[taken : taken + count]
            self._ordinals[self._held : self._held + count] = ordinals[taken : taken + count]
            self._tags[self._held : self._held + count] = tag
            self._held += count
            taken += count
            if self._held == _RUN_PAIRS:
                self._spill_run()

    def sort(self, advance: Callable[[int], None]) -> None:
        """Sorts every partition, in threads; afterwards the pairs can be read, and no more added.

        Args:
            advance: is told after each partition how many of the added pairs it had.

        Raises:
            SnapshotError: the disk is full.
        """
        self._spill_run()
        self._keys, self._ordinals, self._tags = self._keys[:0], self._ordinals[:0], self._tags[:0]
        totals = [sum(run.pairs(byte) for run in self._runs) for byte in range(LEADING_BYTES)]
        offsets = (np.cumsum([0, *totals[:-1]]) * ENTRY_BYTES).tolist()
        unsorted, self._spill = self._spill, Spill(self._folder)
        try:
            for partition, total in zip(
                in_threads(lambda byte: self._sort_byte(unsorted, byte, offsets[byte]), range(LEADING_BYTES)),
                totals,
                strict=True,
            ):
                self._partitions.append(partition)
                advance(total)
        finally:
            unsorted.close()
        self.counts = PairCounts(*(sum(each) for each in zip(*(one.counts for one in self._partitions), strict=True)))

    def counts_of_tags(self) -> dict[int, tuple[int, int]]:
        """Tells for each tag that was used how many distinct keys have it, and how many of those several owners."""
        found: npt.NDArray[np.int64] = sum((one.tagged for one in self._partitions), no_tags())
        return {tag: (int(found[0, tag]), int(found[1, tag])) for tag in np.flatnonzero(found[0]).tolist()}

    def partitions(self) -> Iterator[tuple[Keys, Ordinals]]:
        """See ``Pairs``."""
        for offset, counts, _ in self._partitions:
            keys, ordinals = _empty(counts.pairs)
            self._spill.read_into(self._spill.read_into(offset, keys), ordinals)
            yield keys, ordinals

    def close(self) -> None:
        """Gives the room on the disk back; closing twice is fine."""
        self._spill.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spill_run(self) -> None:
        """Writes what is held, in the order of the leading byte."""
        keys, ordinals, tags = self._keys[: self._held], self._ordinals[: self._held], self._tags[: self._held]
        order = order_by_leading_byte(keys)
        self._runs.append(_Run(self._spilled, edges_of_leading_bytes(keys)))
        self._spilled = self._spill.write(self._spilled, keys.take(order, axis=0))
        self._spilled = self._spill.write(self._spilled, ordinals.take(order))
        self._spilled = self._spill.write(self._spilled, tags.take(order))
        self._held = 0

    def _sort_byte(self, unsorted: Spill, byte: int, offset: int) -> _Partition:
        """Reads the pairs of a leading byte from all runs, and writes them again in order."""
        keys, ordinals = _empty(sum(run.pairs(byte) for run in self._runs))
        tags = np.empty(len(keys), np.uint8)
        place = 0
        for run in self._runs:
            until = place + run.pairs(byte)
            unsorted.read_into(run.key_offset(byte), keys[place:until])
            unsorted.read_into(run.ordinal_offset(byte), ordinals[place:until])
            unsorted.read_into(run.tag_offset(byte), tags[place:until])
            place = until
        keys, ordinals, places = sort_partition(keys, ordinals)
        self._spill.write(self._spill.write(offset, keys), ordinals)
        return _Partition(offset, count_pairs(keys), count_tags(keys, tags[places]))


def _empty(pairs: int) -> tuple[Keys, Ordinals]:
    return np.empty((pairs, KEY_BYTES), np.uint8), np.empty(pairs, np.uint32)


def _highest(ordinals: Ordinals) -> int:
    return int(ordinals.max()) if len(ordinals) else -1


def _check_pairs(keys: Keys, ordinals: Ordinals) -> None:
    checks = (
        ("ordinals", ordinals.dtype == np.uint32 and ordinals.ndim == 1),
        ("keys", keys.dtype == np.uint8 and keys.shape == (*ordinals.shape, KEY_BYTES)),
    )
    for part, holds in checks:
        if not holds:
            raise SnapshotError(f"The index can't take these {part}; this is an error of the builder.", part=part)
