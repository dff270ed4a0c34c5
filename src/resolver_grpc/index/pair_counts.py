"""How many pairs and keys there are: counted over sorted keys, which stand there once for each owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from resolver_grpc.index.sorting import begins_of_keys

if TYPE_CHECKING:
    from resolver_grpc.index.pages import Keys

TAGS: Final = 256


class PairCounts(NamedTuple):
    """How many pairs there are, how many distinct keys, and how many of those lead to several owners."""

    pairs: int
    keys: int
    shared_keys: int


def count_pairs(keys: Keys) -> PairCounts:
    """Counts the pairs of these keys, which are sorted and stand there once for each owner."""
    begins = begins_of_keys(keys)
    # A key of several owners is the first of its like, and the next one is not.
    shared = np.count_nonzero(begins[:-1] & ~begins[1:])
    return PairCounts(len(keys), int(np.count_nonzero(begins)), int(shared))


def count_tags(keys: Keys, tags: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Counts distinct keys by their tag, all of them (0) and those of several owners (1)."""
    begins = np.append(np.flatnonzero(begins_of_keys(keys)), len(keys))
    shared = np.diff(begins) > 1
    return np.array([np.bincount(tags, minlength=TAGS), np.bincount(tags[shared], minlength=TAGS)])


def no_tags() -> npt.NDArray[np.int64]:
    """The counts of no keys at all."""
    return np.zeros((2, TAGS), np.int64)
