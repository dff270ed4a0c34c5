"""Sketches: how many distinct keys were met, told from a few thousand bytes.

What belongs here: the arithmetic of HyperLogLog. A sketch is an array of registers of one byte; each keeps the longest
run of zeros among the hashes that fell to it, so that a hash met again changes nothing, and two sketches are joined by
taking the larger registers. No key can be read out of one. The loops are compiled (``_budgets.pyx``) where that
could be done at installation, and numpy's elsewhere.

Source: P. Flajolet et al., HyperLogLog (2007); the estimate without a bias at either end is O. Ertl's ("New cardinality
estimation algorithms for HyperLogLog sketches", 2017, algorithm 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.keys import KEY_BYTES

Registers: TypeAlias = npt.NDArray[np.uint8]

REGISTERS: Final = 1 << 12
STANDARD_ERROR: Final = 1.04 / math.sqrt(REGISTERS)
"""Of an estimate, relative: 1.6 %."""

_RANK_BITS: Final = 52
_RANK_MASK: Final = np.uint64((1 << _RANK_BITS) - 1)
_WEIGHTS: Final = 0.5 ** np.arange(1 << 8)
_ALPHA: Final = 1 / (2 * math.log(2))


class Salt(NamedTuple):
    """What the two halves of a key are multiplied by before they are added to its hash; both are odd."""

    first: int
    second: int


@lru_cache(maxsize=1 << 10)
def salt_of(secret: bytes, sender_id: str, day: int) -> Salt:
    """Makes the salt of one sketch.

    Keys are hashed once more with it, so that neither an index nor another sender's sketch, nor another day's, can be
    held against this one. They are evenly spread already: a sum of two products does.

    Args:
        secret: 32 bytes, for this use alone.
        sender_id: whose sketch it is.
        day: the day that is counted, as ``date.toordinal``.
    """
    digest = blake2b(f"{day} {sender_id}".encode(), digest_size=KEY_BYTES, key=secret).digest()
    half = KEY_BYTES // 2
    return Salt(int.from_bytes(digest[:half], "little") | 1, int.from_bytes(digest[half:], "little") | 1)


def mark(registers: Registers, keys: Iterable[bytes], salt: Salt) -> bool:
    """Leaves the marks of keys in a sketch.

    Args:
        registers: the sketch (``REGISTERS``,), which is written to.
        keys: runs of keys of 16 bytes.
        salt: the sketch's.

    Returns:
        Whether anything changed.
    """
    return mark_keys(b"".join(keys), *salt, registers)


def estimate(registers: Registers) -> float:
    """Estimates how many distinct keys left their marks in a sketch; see ``STANDARD_ERROR``."""
    empty, held = weigh(registers)
    if empty == REGISTERS:
        return 0.0
    return _ALPHA * REGISTERS * REGISTERS / (held + REGISTERS * _sigma(empty / REGISTERS))


def _sigma(share: float) -> float:
    """What the empty registers, a share below 1, add: x + sum of x^(2^k) 2^(k-1) over k from 1 on."""
    total, power, weight, former = share, share, 1.0, -1.0
    while total != former:
        power *= power
        former, total, weight = total, total + power * weight, 2 * weight
    return total


def mark_by_numpy(keys: bytes, first: int, second: int, registers: Registers) -> bool:
    """Does what the compiled ``mark_keys`` does."""
    halves: npt.NDArray[np.uint64] = np.frombuffer(keys, "<u8")
    hashes: npt.NDArray[np.uint64] = halves[::2] * np.uint64(first) + halves[1::2] * np.uint64(second)
    _, bits = np.frexp((hashes & _RANK_MASK).astype(np.float64))
    places, ranks = (hashes >> np.uint64(_RANK_BITS)).astype(np.intp), (_RANK_BITS + 1 - bits).astype(np.uint8)
    if not (registers[places] < ranks).any():
        return False
    np.maximum.at(registers, places, ranks)
    return True


def weigh_by_numpy(registers: Registers) -> tuple[int, float]:
    """Does what the compiled ``weigh`` does."""
    empty = REGISTERS - int(np.count_nonzero(registers))
    # No register lies beyond the weights; where clipping is asked for that is not looked at, which takes half as long.
    return empty, float(_WEIGHTS.take(registers, mode="clip").sum()) - empty


try:
    from resolver_grpc._budgets import mark_keys, weigh
except ImportError:  # the package was installed without a C compiler
    mark_keys, weigh = mark_by_numpy, weigh_by_numpy
