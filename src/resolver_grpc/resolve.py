"""The use case: a batch of queries in, a decision for each out, in order.

The plain way: read each query, make its key, find the owners under it, keep those who may be reached at
the instant, and ask the decision table. A batch is a loop of singles; nothing is remembered between two
queries but the day's sets of owners.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyroaring import FrozenBitMap

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.query import Addressing, BadFieldError, parse_query
from resolver_grpc.errors import NotYetValidError
from resolver_grpc.index.layout import STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.reader import FactSets, Index
from resolver_grpc.keys import KEY_BYTES, IndexKeys, KeyKind
from resolver_grpc.model import Decision, Fact, Kind, Query, Relation, Route, Sender, SenderClass, Target
from resolver_grpc.policy.reach import condition, reachable
from resolver_grpc.policy.table import Candidates, Facts, decide, reaches_resident

_NO_KEY = bytes(KEY_BYTES)
"""Leads to nobody: this version issues no handles, and looks as hard for one as for any other key."""


class _Asked(NamedTuple):
    """A query that could be read: what it says, its key, and whether its text leads to several roads."""

    addressing: Addressing
    key: bytes
    several_roads: bool = False


@dataclass(slots=True)
class _Day:
    """The sets of owners within one window of instants, and those who may be reached, as they are asked for."""

    facts: FactSets
    reach: dict[tuple[Kind, SenderClass], FrozenBitMap] = field(default_factory=dict)

    def reachable(self, kind: Kind, sender: Sender) -> FrozenBitMap:
        asked = (kind, sender.sender_class)
        if asked not in self.reach:
            self.reach[asked] = reachable(condition(*asked), self.facts)
        return self.reach[asked]


class Resolver:
    """Resolves batches against one index.

    Args:
        index: where the owners are found.
        keys: makes the index's keys; the secret must be the one that the index was built with.
        valid_from: the instant of the register date's midnight; before it the index answers nothing.
    """

    def __init__(self, index: Index, keys: IndexKeys, valid_from: int) -> None:
        self._index = index
        self._keys = keys
        self._valid_from = valid_from
        self._day: _Day | None = None

    def resolve(
        self, queries: Iterable[Query], sender: Sender, instant: int, *, personal_content: bool = False
    ) -> list[Decision]:
        """Decides each query of a batch.

        Args:
            queries: any number, in any mixture of kinds; a malformed one fails alone.
            sender: the sender whose letters these are.
            instant: seconds of UTC; all are judged at this one.
            personal_content: whether the letters hold personal content.

        Returns:
            One decision for each query, in their order.

        Raises:
            NotYetValidError: the instant lies before the index's register date.
        """
        self.check_instant(instant)
        day = self._day_at(instant)
        asked = [self._ask(query) for query in queries]
        found = iter(self._index.find([ask.key for ask in asked if isinstance(ask, _Asked)]))
        return [
            self._decide(ask, next(found), day, sender, personal_content=personal_content)
            if isinstance(ask, _Asked)
            else Decision(Route.REJECT, ask.reason, ask.field)
            for ask in asked
        ]

    def check_instant(self, instant: int) -> None:
        """Refuses an instant that nothing is answered at.

        Raises:
            NotYetValidError: it lies before the index's register date.
            SnapshotError: no index can be judged at it, or this one is closed.
        """
        if instant < self._valid_from:
            raise NotYetValidError("the snapshot's register date lies in the future; serve an older snapshot")
        self._day_at(instant)

    def _day_at(self, instant: int) -> _Day:
        if self._day is None or not self._day.facts.hold_at(instant):
            self._day = _Day(self._index.facts_at(instant))
        return self._day

    def _ask(self, query: Query) -> _Asked | BadFieldError:
        try:
            addressing = parse_query(query)
        except BadFieldError as error:
            return error
        match addressing.kind:
            case Kind.EMAIL:
                return _Asked(addressing, self._keys.key(KeyKind.EMAIL, addressing.email_address))
            case Kind.CPR:
                return _Asked(addressing, self._keys.key(KeyKind.CPR, addressing.number))
            case Kind.CVR:
                return _Asked(addressing, self._keys.key(KeyKind.CVR, addressing.number))
            case Kind.HANDLE:
                return _Asked(addressing, _NO_KEY)
        return self._ask_place(addressing)

    def _ask_place(self, addressing: Addressing) -> _Asked:
        """The town is part of the key only where two roads share the text and this town tells them apart."""
        place, several_roads = addressing.place, False
        assert place is not None
        if isinstance(place, Address):
            town = self._telling_town(place)
            several_roads = town is None
            place = place._replace(town=town or "")
        return _Asked(addressing, self._keys.place(place, addressing.first_name, addressing.last_name), several_roads)

    def _telling_town(self, address: Address) -> str | None:
        """The town that the key needs: none (``""``) on most streets; None where the text is ambiguous."""
        if self._index.road(self._keys.street(address.postal_code, address.street)) != STREET_SHARED:
            return ""
        key = self._keys.street_with_town(address.postal_code, address.street, address.town)
        return address.town if address.town and self._index.road(key) == TOWN_TELLS else None

    def _decide(
        self, asked: _Asked, ordinals: Sequence[int], day: _Day, sender: Sender, *, personal_content: bool
    ) -> Decision:
        addressing = asked.addressing
        candidates = self._candidates(addressing.kind, ordinals, day, sender)
        query_facts = Facts(
            addressing.kind,
            can_be_posted=addressing.can_be_posted,
            personal_content=personal_content,
            several_roads=asked.several_roads or self._at_several_addresses(addressing.kind, candidates),
            candidates=_count(addressing.kind, candidates, day.facts),
        )
        if addressing.kind is Kind.ADDRESS:
            return self._decide_address(query_facts, candidates, day.facts, sender)
        if query_facts.candidates is Candidates.ONE:
            query_facts = _with_owner(query_facts, candidates[0], day.facts, sender)
        outcome = decide(query_facts, sender)
        match outcome.route:
            case Route.MAILBOX:
                return Decision(*outcome, targets=(Target(self._index.number(candidates[0])),))
            case Route.FORWARD:
                number, address = self._index.number(candidates[0]), self._index.forwarding_address(candidates[0])
                return Decision(*outcome, targets=(Target(number, address),))
        return Decision(*outcome)

    def _decide_address(self, query_facts: Facts, candidates: list[int], facts: FactSets, sender: Sender) -> Decision:
        """Judges rows 8-13 for each resident; where nobody comes out as MAILBOX there is no candidate."""
        reached = [
            ordinal
            for ordinal in candidates
            if reaches_resident(_with_owner(query_facts, ordinal, facts, sender), sender)
        ]
        outcome = decide(query_facts._replace(candidates=Candidates.SEVERAL if reached else Candidates.NONE), sender)
        if outcome.route is not Route.MAILBOX:
            return Decision(*outcome)
        return Decision(*outcome, targets=tuple(sorted(Target(self._index.number(ordinal)) for ordinal in reached)))

    def _candidates(self, kind: Kind, ordinals: Sequence[int], day: _Day, sender: Sender) -> list[int]:
        if not ordinals:
            return []
        may_be_reached = day.reachable(kind, sender)
        return [ordinal for ordinal in ordinals if ordinal in may_be_reached]

    def _at_several_addresses(self, kind: Kind, candidates: list[int]) -> bool:
        """Whether an ADDRESS query met residents of more than one address, by whatever fault of the data."""
        return kind is Kind.ADDRESS and len({self._index.address_number(ordinal) for ordinal in candidates}) > 1


def _count(kind: Kind, candidates: list[int], facts: FactSets) -> Candidates:
    if not candidates:
        return Candidates.NONE
    contested = kind is Kind.EMAIL and any(ordinal in facts[Fact.CONTESTED] for ordinal in candidates)
    return Candidates.SEVERAL if len(candidates) > 1 or contested else Candidates.ONE


def _with_owner(query_facts: Facts, ordinal: int, facts: FactSets, sender: Sender) -> Facts:
    """What is known of the one owner, laid beside what is known of the query."""
    return query_facts._replace(
        candidates=Candidates.ONE,
        exempt=ordinal in facts[Fact.EXEMPT],
        opted_out=ordinal in facts[Relation.OPTED_OUT.to(sender.id)],
        bound=ordinal in facts[Relation.BOUND.to(sender.id)],
        subscribed=ordinal in facts[Relation.SUBSCRIBED.to(sender.id)],
        forwarding=ordinal in facts[Fact.FORWARDING],
    )
