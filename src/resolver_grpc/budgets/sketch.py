"""Sketches: how many distinct keys were met, told from a few thousand bytes.

What belongs here: the arithmetic of HyperLogLog over numpy arrays. A sketch is an array of registers of one byte; each
keeps the longest run of zeros among the hashes that fell to it, so that a hash met again changes nothing, and two
sketches are joined by taking the larger registers. No key can be read out of one.

Source: P. Flajolet et al., HyperLogLog (2007); the estimate without a bias at either end is O. Ertl's ("New cardinality
estimation algorithms for HyperLogLog sketches", 2017, algorithm 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.keys import KEY_BYTES

Registers: TypeAlias = npt.NDArray[np.uint8]

REGISTERS: Final = 1 << 12
STANDARD_ERROR: Final = 1.04 / math.sqrt(REGISTERS)
"""Of an estimate, relative: 1.6 %."""

_INDEX_BITS: Final = 12
_RANK_BITS: Final = 64 - _INDEX_BITS
_RANK_MASK: Final = np.uint64((1 << _RANK_BITS) - 1)
_WEIGHTS: Final = 0.5 ** np.arange(1 << 8)
"""What a register of each value adds."""
_ALPHA: Final = 1 / (2 * math.log(2))


class Marks(NamedTuple):
    """Where keys leave their marks in a sketch.

    Attributes:
        places: of each key the register (keys,).
        ranks: and what it is to hold at least (keys,).
    """

    places: npt.NDArray[np.intp]
    ranks: Registers


def marks_of(keys: Iterable[bytes], secret: bytes, sender_id: str, day: date) -> Marks:
    """Tells where keys leave their marks.

    They are hashed once more, under a secret and for one sender and day: neither an index nor another sender's sketch
    can be held against this one. Keys are evenly spread already, so that a sum of two products does.

    Args:
        keys: runs of keys of 16 bytes.
        secret: 32 bytes, for this use alone.
        sender_id: whose sketch it is.
        day: the day that is counted.
    """
    salt = blake2b(f"{day.isoformat()} {sender_id}".encode(), digest_size=KEY_BYTES, key=secret).digest()
    factors = np.frombuffer(salt, "<u8") | np.uint64(1)
    halves = np.frombuffer(b"".join(keys), "<u8")
    hashes = halves[::2] * factors[0] + halves[1::2] * factors[1]
    _, bits = np.frexp((hashes & _RANK_MASK).astype(np.float64))
    ranks = (_RANK_BITS + 1 - bits).astype(np.uint8)
    return Marks((hashes >> np.uint64(_RANK_BITS)).astype(np.intp), ranks)


def mark(registers: Registers, marks: Marks) -> bool:
    """Leaves marks in a sketch.

    Args:
        registers: the sketch (``REGISTERS``,), which is written to.
        marks: as ``marks_of`` tells them.

    Returns:
        Whether anything changed.
    """
    if not (registers[marks.places] < marks.ranks).any():
        return False
    np.maximum.at(registers, marks.places, marks.ranks)
    return True


def estimate(registers: Registers) -> float:
    """Estimates how many distinct keys left their marks in a sketch; see ``STANDARD_ERROR``."""
    empty = REGISTERS - int(np.count_nonzero(registers))
    if empty == REGISTERS:
        return 0.0
    # No register lies beyond the weights; where clipping is asked for that is not looked at, which takes half as long.
    held = float(_WEIGHTS.take(registers, mode="clip").sum()) - empty
    return _ALPHA * REGISTERS * REGISTERS / (held + REGISTERS * _sigma(empty / REGISTERS))


def _sigma(share: float) -> float:
    """What the empty registers, a share below 1, add: x + sum of x^(2^k) 2^(k-1) over k from 1 on."""
    total, power, weight, former = share, share, 1.0, -1.0
    while total != former:
        power *= power
        former, total, weight = total, total + power * weight, 2 * weight
    return total
