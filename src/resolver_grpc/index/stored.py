"""The pairs of an index file, as its pages and posting lists hold them.

What belongs here: how slots and posting lists become pairs again, a partition at a time. Keys, slots and lists
lie in memory, about 22 bytes a key; the pairs themselves never do all at once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import POSTING_BIT
from resolver_grpc.index.lists import stretches
from resolver_grpc.index.pair_counts import PairCounts
from resolver_grpc.index.sorting import edges_of_leading_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver_grpc.index.lists import Lists
    from resolver_grpc.index.pages import Keys, Ordinals


class StoredPairs:
    """Pairs made of keys, slots and posting lists; see ``Pairs``.

    Args:
        keys: the keys (n, 16), ascending and distinct.
        slots: the slot of each key; every list is one of ``lists``.
        lists: the posting lists, each ascending.

    Raises:
        SnapshotError: a posting list is not used at all, or leads to one owner only.
    """

    def __init__(self, keys: Keys, slots: Ordinals, lists: Lists) -> None:
        self._keys, self._slots, self._lists = keys, slots, lists
        self._lengths = np.diff(lists.edges)
        used = np.bincount(_numbers(slots[slots >= POSTING_BIT]), minlength=len(self._lengths))
        if not np.all(used):
            raise SnapshotError("A posting list of the index is not used at all; build the snapshot again.")
        if np.any(self._lengths == 1):
            raise SnapshotError("A posting list of the index leads to one owner only; build the snapshot again.")
        shared = int(used.sum())
        alone = slots[slots < POSTING_BIT]
        self.counts = PairCounts(len(alone) + int((used * self._lengths).sum()), len(keys), shared)
        self.highest = max(int(alone.max(initial=0)), int(lists.ordinals.max(initial=0))) if len(keys) else -1

    def partitions(self) -> Iterator[tuple[Keys, Ordinals]]:
        """See ``Pairs``."""
        for first, last in pairwise(edges_of_leading_bytes(self._keys)):
            if first < last:
                yield self._pairs(self._keys[first:last], self._slots[first:last])

    def _pairs(self, keys: Keys, slots: Ordinals) -> tuple[Keys, Ordinals]:
        """Puts the ordinals of its posting list in the place of each slot that leads to one."""
        in_list = slots >= POSTING_BIT
        numbers = _numbers(slots[in_list])
        counts = np.ones(len(slots), np.int64)
        counts[in_list] = self._lengths[numbers]
        ordinals = np.repeat(slots, counts)
        places = stretches(self._lists.edges[numbers], self._lengths[numbers])
        ordinals[np.repeat(in_list, counts)] = self._lists.ordinals[places]
        return np.repeat(keys, counts, axis=0), ordinals


def _numbers(slots: Ordinals) -> np.typing.NDArray[np.int64]:
    return (slots ^ np.uint32(POSTING_BIT)).astype(np.int64)
