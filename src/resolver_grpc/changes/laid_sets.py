"""Sets of owners with changes laid over them, which cost nothing to make.

What belongs here: who is in them. A snapshot's sets are of millions, and after each change another one differs by one
owner; so a laid set keeps the parts that it is made of, and asks them when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.index.reader import FactSets

_NOBODY = FrozenBitMap()


class _Layers(NamedTuple):
    """What a snapshot says of all, and the overlay of those whom changes touched."""

    below: AbstractBitMap
    over: AbstractBitMap


@dataclass(frozen=True, slots=True)
class LaidSet:
    """The owners who are in some sets and not in others; see ``index.reader.OwnerSet``.

    Attributes:
        touched: whom changes touched: of them the overlay's sets count, of the others the snapshot's.
    """

    touched: BitMap
    _among: tuple[_Layers, ...]
    _without: tuple[_Layers, ...] = ()

    def __contains__(self, ordinal: int) -> bool:
        if ordinal in self.touched:
            return all(ordinal in one.over for one in self._among) and not any(
                ordinal in one.over for one in self._without
            )
        return all(ordinal in one.below for one in self._among) and not any(
            ordinal in one.below for one in self._without
        )

    def __and__(self, other: LaidSet) -> LaidSet:
        return LaidSet(self.touched, (*self._among, *other._among), (*self._without, *other._without))

    def __sub__(self, other: LaidSet) -> LaidSet:
        """Less what is one set itself, and no difference or intersection of sets."""
        (only,) = other._among
        assert not other._without
        return LaidSet(self.touched, self._among, (*self._without, only))

    def of_touched(self) -> BitMap:
        """Those of them whom changes touched."""
        over = BitMap.intersection(*(BitMap(one.over) for one in self._among))
        return over.difference(*(one.over for one in self._without))

    def __iter__(self) -> Iterator[int]:
        below = BitMap.intersection(*(BitMap(one.below) for one in self._among))
        others = below.difference(self.touched, *(one.below for one in self._without))
        return iter(others | self.of_touched())


@dataclass(frozen=True, eq=False, slots=True)
class LaidSets:
    """Sets that hold until the next change, and no longer than their window; see ``index.reader.Sets``.

    Attributes:
        below: the snapshot's.
    """

    start: int
    until: int
    below: FactSets = field(repr=False)
    _overlay: Overlay = field(repr=False)
    _version: int

    def __getitem__(self, name: str) -> LaidSet:
        """Tells of whom a fact holds; of use until the next change."""
        layers = _Layers(self.below[name], self._overlay.holding(name))
        return LaidSet(self._overlay.facts.touched, (layers,))

    @property
    def renumbered(self) -> LaidSet:
        """The owners of the snapshot whose number is another one by now, or not the only one."""
        return LaidSet(self._overlay.facts.touched, (_Layers(_NOBODY, self._overlay.renumbered),))

    @property
    def names(self) -> frozenset[str]:
        """The facts that snapshot and overlay know."""
        return self.below.names | self._overlay.fact_names

    def hold_at(self, instant: int) -> bool:
        """See ``FactSets``."""
        return self._version == self._overlay.version and self.start <= instant < self.until


def lay_over(overlay: Overlay, below: FactSets, instant: int) -> LaidSets:
    """Lays the overlay's sets at an instant over the snapshot's."""
    overlay.facts.carry(instant)
    start, until = overlay.facts.window
    return LaidSets(max(below.start, start), min(below.until, until), below, overlay, overlay.version)
