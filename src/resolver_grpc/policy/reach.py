"""Who may be reached which way: the conditions of domain rules, section 5, as data.

An owner may be reached if every fact of ``all_of`` holds and none of ``none_of``. The sets of the facts
may be of any type that knows ``&`` and ``-``: frozensets in tests, bitmaps in the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Protocol, Self, TypeVar

from resolver_grpc.model import Fact, Kind, SenderClass


class OrdinalSet(Protocol):
    """A set of ordinals, as far as these rules need it."""

    def __and__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __contains__(self, ordinal: int, /) -> bool: ...


Ordinals = TypeVar("Ordinals", bound=OrdinalSet)
Ordinals_co = TypeVar("Ordinals_co", bound=OrdinalSet, covariant=True)


class SetsByFact(Protocol[Ordinals_co]):
    """Of whom each fact holds at one instant."""

    def __getitem__(self, fact: str, /) -> Ordinals_co: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """Facts that must hold, and facts that must not."""

    all_of: tuple[Fact, ...]
    none_of: tuple[Fact, ...] = ()


OPEN = Condition(all_of=(Fact.MAILBOX, Fact.LOGIN))
BY_ADDRESS = Condition(all_of=(*OPEN.all_of, Fact.RESIDENT, Fact.CONSENT), none_of=(Fact.PROTECTION,))
BY_EMAIL = Condition(all_of=(*OPEN.all_of, Fact.REGISTERED, Fact.CLAIM), none_of=(Fact.PROTECTION,))

CONDITIONS: dict[Kind, Condition] = {
    Kind.FULL_NAME: BY_ADDRESS,
    Kind.FIRST_NAME: BY_ADDRESS,
    Kind.ADDRESS: BY_ADDRESS,
    Kind.EMAIL: BY_EMAIL,
    Kind.CPR: OPEN,
    Kind.CVR: OPEN,
}
"""The condition of each kind that leads to candidates. HANDLE has none of its own: a handle's is that of the kind it
came from, which for the address kinds says that the owner lives somewhere according to the register, not where.
"""


def condition(kind: Kind, sender_class: SenderClass) -> Condition:
    """The condition under which an owner is a candidate: an owner who left private post has, for PRIVATE
    senders, no open mailbox.
    """
    common = CONDITIONS[kind]
    if sender_class is SenderClass.PRIVATE:
        return Condition(common.all_of, (*common.none_of, Fact.PRIVATE_CLOSED))
    return common


def reachable(condition: Condition, facts: SetsByFact[Ordinals]) -> Ordinals:
    """The owners who fulfil a condition, of sets that hold at one instant."""
    among = reduce(lambda left, right: left & right, (facts[fact] for fact in condition.all_of))
    return reduce(lambda left, right: left - right, (facts[fact] for fact in condition.none_of), among)
