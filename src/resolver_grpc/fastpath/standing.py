"""How owners stand at an instant, as the kernel looks it up: one byte for each, and four bits of relations.

What belongs here: from sets of owners to flags. The sets change by few owners from one instant to the next, so that
what changed is flipped in a copy; a batch under way keeps the flags that it began with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from pyroaring import AbstractBitMap, FrozenBitMap

from resolver_grpc.index.pages import Ordinals
from resolver_grpc.index.reader import FactSets, OwnerSet, Sets
from resolver_grpc.model import Fact, Kind, Relation, Sender, SenderClass
from resolver_grpc.policy import compiled
from resolver_grpc.policy.reach import condition, reachable

Flags: TypeAlias = npt.NDArray[np.uint8]
Owners = TypeVar("Owners", bound=OwnerSet)

CONTESTED: Final = 1 << 1
BY_ADDRESS: Final = 1 << 5
BY_EMAIL: Final = 1 << 6
OPEN: Final = 1 << 7
POLICY_FLAGS: Final = compiled.EXEMPT | compiled.FORWARDING
"""The flags of an owner that the policy's code takes as they are; those of relations have their own array."""

REACH: Final = {
    Kind.FULL_NAME: BY_ADDRESS,
    Kind.FIRST_NAME: BY_ADDRESS,
    Kind.ADDRESS: BY_ADDRESS,
    Kind.EMAIL: BY_EMAIL,
    Kind.CPR: OPEN,
    Kind.CVR: OPEN,
}
"""The flag that a candidate of each kind has; the kinds with one condition share it."""

_ONE_OF: Final = {flag: kind for kind, flag in REACH.items()}
_RELATIONS: Final = {
    Relation.OPTED_OUT: compiled.OPTED_OUT >> 1,
    Relation.BOUND: compiled.BOUND >> 1,
    Relation.SUBSCRIBED: compiled.SUBSCRIBED >> 1,
}
ODD_SHIFT: Final = 4
_NOBODY: Final = FrozenBitMap()
MOST_SENDERS: Final = 32
"""Of so many senders the flags are kept."""


class _Flagged(NamedTuple):
    """Flags, the sets that they were made of, and the facts that those come from."""

    flags: Flags
    sets: Mapping[int, FrozenBitMap]
    facts: FactSets | None


class Standing:
    """The flags of all owners of an index, carried from instant to instant.

    Args:
        owners: how many owners there are.
    """

    def __init__(self, owners: int) -> None:
        self._owners = owners
        self._of_owners: dict[SenderClass, _Flagged] = {}
        self._of_relations: OrderedDict[str, _Flagged] = OrderedDict()

    def owner_flags(self, facts: FactSets, sender_class: SenderClass) -> Flags:
        """What holds of each owner (owners,) for senders of a class; not to be written to."""
        held = self._of_owners.get(sender_class) or _Flagged(np.zeros(self._owners, np.uint8), {}, None)
        if held.facts is facts:
            return held.flags
        sets = owner_sets(facts, sender_class)
        self._of_owners[sender_class] = found = _carried(held, sets, facts, flip)
        return found.flags

    def relation_flags(self, facts: FactSets, sender: Sender) -> Flags:
        """What stands between each owner and a sender, four bits each ((owners + 1) // 2,); not to be written to.

        Of the senders who were asked for longest ago the flags are made anew.
        """
        held = self._of_relations.pop(sender.id, None) or _Flagged(
            np.zeros((self._owners + 1) // 2, np.uint8), {}, None
        )
        # Each slice of a batch asks for them, and the sets of millions take milliseconds to compare.
        found = held if held.facts is facts else _carried(held, relation_sets(facts, sender), facts, flip_half)
        self._of_relations[sender.id] = found
        if len(self._of_relations) > MOST_SENDERS:
            self._of_relations.popitem(last=False)
        return found.flags


def owner_sets(facts: Sets[Owners], sender_class: SenderClass) -> dict[int, Owners]:
    """Of whom each flag of owners holds, for senders of a class."""
    sets = {flag: reachable(condition(kind, sender_class), facts) for flag, kind in _ONE_OF.items()}
    return sets | {
        compiled.EXEMPT: facts[Fact.EXEMPT],
        compiled.FORWARDING: facts[Fact.FORWARDING],
        CONTESTED: facts[Fact.CONTESTED],
    }


def relation_sets(facts: Sets[Owners], sender: Sender) -> dict[int, Owners]:
    """Of whom each flag of relations to a sender holds."""
    return {flag: facts[relation.to(sender.id)] for relation, flag in _RELATIONS.items()}


def _carried(
    held: _Flagged,
    sets: Mapping[int, FrozenBitMap],
    facts: FactSets,
    flip: Callable[[Flags, Ordinals, int], None],
) -> _Flagged:
    """Makes the flags of other sets, in a copy where anything changed."""
    changes = {flag: owners ^ held.sets.get(flag, _NOBODY) for flag, owners in sets.items()}
    if not any(changes.values()):
        return _Flagged(held.flags, sets, facts)
    flags = held.flags.copy()
    for flag, owners in changes.items():
        flip(flags, ordinals_of(owners), flag)
    return _Flagged(flags, sets, facts)


def ordinals_of(owners: AbstractBitMap) -> Ordinals:
    """A set's ordinals, ascending."""
    return np.frombuffer(owners.to_array(), np.uint32)


def flip(flags: Flags, owners: Ordinals, flag: int) -> None:
    """Flips a bit of whole bytes."""
    flags[owners] ^= np.uint8(flag)


def flip_half(flags: Flags, owners: Ordinals, flag: int) -> None:
    """Flips a bit of half a byte; two owners who share a byte are never flipped at once."""
    is_odd = (owners & 1).astype(np.bool_)
    flags[owners[~is_odd] >> 1] ^= np.uint8(flag)
    flags[owners[is_odd] >> 1] ^= np.uint8(flag << ODD_SHIFT)
