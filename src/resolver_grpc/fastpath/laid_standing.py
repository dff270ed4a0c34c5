"""How owners stand at an instant with changes laid over an index: the flags of ``standing.py``, for all its owners.

What belongs here: keeping the flags up. They are written in place: a change costs its owner's flags, and not those of
millions. What a slice of a batch has looked up already doesn't change with them; the next slice asks again.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pyroaring import BitMap, FrozenBitMap

from resolver_grpc.changes.laid_sets import LaidSet, LaidSets
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.fastpath.standing import (
    MOST_SENDERS,
    ODD_SHIFT,
    Flags,
    flip,
    flip_half,
    ordinals_of,
    owner_sets,
    relation_sets,
)
from resolver_grpc.index.pages import Ordinals
from resolver_grpc.index.reader import FactSets
from resolver_grpc.model import Sender, SenderClass

LEFT_ALONE: Final = 1 << 2
"""Whose number in the index is not the current one: the plain way writes it."""

_ONE_BY_ONE: Final = 256
"""Of so many alterations each is looked at by itself; of more all who were touched are."""
_NOBODY: Final = FrozenBitMap()
_HALF: Final = 0xF


@dataclass(slots=True)
class _Held:
    """Flags, what they were made of, and how many alterations they know."""

    flags: Flags
    below: FactSets | None = None
    sets: Mapping[int, FrozenBitMap] = field(default_factory=dict)
    seen: int = 0


@dataclass(frozen=True, slots=True)
class _Writing:
    """How flags of one shape are written."""

    flip: Callable[[Flags, Ordinals, int], None]
    clear: Callable[[Flags, Ordinals], None]
    put: Callable[[Flags, int, int], None]


class LaidStanding:
    """The flags of all owners of an index with changes laid over it.

    Args:
        overlay: the changes.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._of_owners: dict[SenderClass, _Held] = {}
        self._of_relations: OrderedDict[str, _Held] = OrderedDict()

    def owner_flags(self, facts: LaidSets, sender_class: SenderClass) -> Flags:
        """What holds of each owner (room,) for senders of a class; written in place by later calls."""
        held = self._of_owners.get(sender_class)
        if held is None or len(held.flags) < self._room:
            held = self._of_owners[sender_class] = _larger(held, self._room)
        if held.below is not facts.below:
            self._carry(held, owner_sets(facts.below, sender_class), facts.below, _WHOLE)
        if held.seen < len(self._altered):
            sets = owner_sets(facts, sender_class) | {LEFT_ALONE: facts.renumbered}
            self._catch_up(held, sets, _WHOLE)
        return held.flags

    def relation_flags(self, facts: LaidSets, sender: Sender) -> Flags:
        """What stands between each owner and a sender, four bits each ((room + 1) // 2,); written in place.

        Of the senders who were asked for longest ago the flags are made anew.
        """
        held = self._of_relations.pop(sender.id, None)
        size = (self._room + 1) // 2
        if held is None or len(held.flags) < size:
            held = _larger(held, size)
        self._of_relations[sender.id] = held
        if len(self._of_relations) > MOST_SENDERS:
            self._of_relations.popitem(last=False)
        if held.below is not facts.below:
            self._carry(held, relation_sets(facts.below, sender), facts.below, _HALVES)
        if held.seen < len(self._altered):
            self._catch_up(held, relation_sets(facts, sender), _HALVES)
        return held.flags

    @property
    def _room(self) -> int:
        return self._overlay.below.owners + self._overlay.columns.room

    @property
    def _altered(self) -> array[int]:
        return self._overlay.facts.altered

    def _carry(self, held: _Held, sets: Mapping[int, FrozenBitMap], below: FactSets, writing: _Writing) -> None:
        """Takes over what the index says at another instant of those whom no change touched."""
        for flag, owners in sets.items():
            changed = owners ^ held.sets.get(flag, _NOBODY)
            writing.flip(held.flags, ordinals_of(changed - self._overlay.facts.touched), flag)
        held.sets, held.below = sets, below

    def _catch_up(self, held: _Held, sets: Mapping[int, LaidSet], writing: _Writing) -> None:
        """Takes over what was altered of those whom changes touched."""
        altered = self._altered[held.seen :]
        held.seen += len(altered)
        if len(altered) <= _ONE_BY_ONE:
            for ordinal in dict.fromkeys(altered):
                writing.put(held.flags, ordinal, sum(flag for flag, owners in sets.items() if ordinal in owners))
            return
        writing.clear(held.flags, ordinals_of(self._overlay.facts.touched))
        for flag, owners in sets.items():
            writing.flip(held.flags, ordinals_of(BitMap(owners.of_touched())), flag)


def _larger(held: _Held | None, size: int) -> _Held:
    """Flags with so much room."""
    flags = np.zeros(size, np.uint8)
    if held is None:
        return _Held(flags)
    flags[: len(held.flags)] = held.flags
    return _Held(flags, held.below, held.sets, held.seen)


def _clear(flags: Flags, owners: Ordinals) -> None:
    flags[owners] = 0


def _clear_half(flags: Flags, owners: Ordinals) -> None:
    is_odd = (owners & 1).astype(np.bool_)
    flags[owners[~is_odd] >> 1] &= np.uint8(_HALF << ODD_SHIFT)
    flags[owners[is_odd] >> 1] &= np.uint8(_HALF)


def _put(flags: Flags, owner: int, value: int) -> None:
    flags[owner] = value


def _put_half(flags: Flags, owner: int, value: int) -> None:
    shift = ODD_SHIFT * (owner & 1)
    flags[owner >> 1] = flags[owner >> 1] & ~np.uint8(_HALF << shift) | value << shift


_WHOLE: Final = _Writing(flip, _clear, _put)
_HALVES: Final = _Writing(flip_half, _clear_half, _put_half)
