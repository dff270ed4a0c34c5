"""The use case: a batch of queries in, a decision for each out, in order.

The plain way: read each query, make its key, find the owners under it, keep those who may be reached at
the instant, ask the decision table, and tell what the caller's role may hear. A batch is a loop of singles; nothing
is remembered between two queries but the day's sets of owners. A miss takes the steps of a hit, so that the time
does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from resolver_grpc.asking import Asked, Asking
from resolver_grpc.canonical.query import BadFieldError
from resolver_grpc.errors import NotYetValidError
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.reader import Index, OwnerSet, Sets
from resolver_grpc.keys import IndexKeys
from resolver_grpc.model import Decision, Fact, Kind, Query, Relation, Role, Route, Sender, SenderClass, Target
from resolver_grpc.policy.disclosure import MISSES, tells_numbers, tells_targets, told
from resolver_grpc.policy.reach import condition, reachable
from resolver_grpc.policy.table import Candidates, Facts, Outcome, reaches_resident

_REACHING = frozenset({Route.MAILBOX, Route.FORWARD})
_SOMEBODY = 0
"""Whom a miss looks at, as a hit looks at its owner."""


@dataclass(slots=True)
class Counted:
    """What budgets count of a batch: keys, one or several in a row, in any order and maybe twice.

    Attributes:
        misses: of the queries that intake would see as NOT_FOUND or HELD_FOR_SENDER, whoever asks.
        addresses: of the ADDRESS queries that could be read, whatever became of them.
    """

    misses: list[bytes] = field(default_factory=list)
    addresses: list[bytes] = field(default_factory=list)


class _Caller(NamedTuple):
    """Who asks, and about which letters."""

    sender: Sender
    role: Role
    personal_content: bool


class _Judged(NamedTuple):
    """What is told of a query, and of whom: owners by ordinal, reached by one of the kinds."""

    outcome: Outcome
    owners: Sequence[int] = ()
    way: Kind = Kind.UNSPECIFIED
    field: str = ""


@dataclass(slots=True)
class _Day:
    """The sets of owners within one window of instants, and those who may be reached, as they are asked for."""

    facts: Sets[Any]
    reach: dict[tuple[Kind, SenderClass], OwnerSet] = field(default_factory=dict)

    def reachable(self, kind: Kind, sender: Sender) -> OwnerSet:
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
        handles: makes and reads the handles.
    """

    def __init__(self, index: Index, keys: IndexKeys, valid_from: int, handles: Handles) -> None:
        self._index = index
        self._valid_from = valid_from
        self._handles = handles
        self._asking = Asking(index, keys, handles)
        self._day: _Day | None = None

    def resolve(  # noqa: PLR0913 - who asks, when and for what; most have a default
        self,
        queries: Iterable[Query],
        sender: Sender,
        instant: int,
        *,
        personal_content: bool = False,
        role: Role = Role.DELIVERY,
        counted: Counted | None = None,
    ) -> list[Decision]:
        """Decides each query of a batch.

        Args:
            queries: any number, in any mixture of kinds; a malformed one fails alone.
            sender: the sender whose letters these are.
            instant: seconds of UTC; all are judged at this one.
            personal_content: whether the letters hold personal content.
            role: the caller's, which decides what it is told.
            counted: takes what budgets count, where they do.

        Returns:
            One decision for each query, in their order.

        Raises:
            NotYetValidError: the instant lies before the index's register date.
        """
        self.check_instant(instant)
        day, caller = self._day_at(instant), _Caller(sender, role, personal_content)
        asked = self._asking.ask(queries, sender)
        found = iter(self._index.find([ask.key for ask in asked if isinstance(ask, Asked)]))
        judged = [
            self._judge(ask, next(found), day, caller)
            if isinstance(ask, Asked)
            else _Judged(Outcome(Route.REJECT, ask.reason), field=ask.field)
            for ask in asked
        ]
        if counted is not None:
            _count(counted, asked, judged)
        return self._tell(judged, caller)

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

    def _judge(self, asked: Asked, ordinals: Sequence[int], day: _Day, caller: _Caller) -> _Judged:
        addressing = asked.addressing
        may_be_reached = day.reachable(asked.way, caller.sender)
        candidates = [ordinal for ordinal in ordinals if ordinal in may_be_reached]
        query_facts = Facts(
            addressing.kind,
            can_be_posted=addressing.can_be_posted,
            personal_content=caller.personal_content,
            several_roads=asked.several_roads or self._at_several_addresses(addressing.kind, candidates),
            candidates=_how_many(asked.way, candidates, day.facts),
            came_from=asked.way if addressing.handle else None,
        )
        if addressing.kind is Kind.ADDRESS:
            return self._judge_everyone(query_facts, candidates, day.facts, caller)
        with_owner = _with_owner(query_facts, (*candidates, _SOMEBODY)[0], day.facts, caller.sender)
        known = with_owner if query_facts.candidates is Candidates.ONE else query_facts
        return self._judged(known, candidates[:1], asked.way, caller)

    def _judge_everyone(self, query_facts: Facts, candidates: list[int], facts: Sets[Any], caller: _Caller) -> _Judged:
        """Judges rows 8-13 for each resident; where nobody comes out as MAILBOX there is no candidate."""
        reached = [
            ordinal
            for ordinal in candidates or [_SOMEBODY]
            if reaches_resident(_with_owner(query_facts, ordinal, facts, caller.sender), caller.sender)
            and ordinal in candidates
        ]
        known = query_facts._replace(candidates=Candidates.SEVERAL if reached else Candidates.NONE)
        return self._judged(known, sorted(reached, key=self._index.number), Kind.ADDRESS, caller)

    def _judged(self, facts: Facts, owners: Sequence[int], way: Kind, caller: _Caller) -> _Judged:
        outcome = told(facts, caller.sender, caller.role)
        has_targets = outcome.route in _REACHING and tells_targets(facts.kind, caller.role)
        return _Judged(outcome, owners if has_targets else (), way)

    def _at_several_addresses(self, kind: Kind, candidates: list[int]) -> bool:
        """Whether an ADDRESS query met residents of more than one address, by whatever fault of the data."""
        return kind is Kind.ADDRESS and len({self._index.address_number(ordinal) for ordinal in candidates}) > 1

    def _tell(self, judged: list[_Judged], caller: _Caller) -> list[Decision]:
        """Words the decisions; the handles of all targets are made together."""
        owners = [NamedOwner(self._index.number(ordinal), one.way) for one in judged for ordinal in one.owners]
        handles = iter(self._handles.issue(caller.sender.id, owners))
        return [
            Decision(
                *one.outcome,
                field=one.field,
                targets=tuple(
                    self._target(ordinal, next(handles), one.outcome.route, caller.role) for ordinal in one.owners
                ),
            )
            for one in judged
        ]

    def _target(self, ordinal: int, handle: bytes, route: Route, role: Role) -> Target:
        if not tells_numbers(role):
            return Target("", handle=handle)
        address = self._index.forwarding_address(ordinal) if route is Route.FORWARD else ""
        return Target(self._index.number(ordinal), address, handle)


def _how_many(way: Kind, candidates: list[int], facts: Sets[Any]) -> Candidates:
    contested = way is Kind.EMAIL and any(ordinal in facts[Fact.CONTESTED] for ordinal in candidates or [_SOMEBODY])
    if not candidates:
        return Candidates.NONE
    return Candidates.SEVERAL if len(candidates) > 1 or contested else Candidates.ONE


def _with_owner(query_facts: Facts, ordinal: int, facts: Sets[Any], sender: Sender) -> Facts:
    """What is known of the one owner, laid beside what is known of the query."""
    return query_facts._replace(
        candidates=Candidates.ONE,
        exempt=ordinal in facts[Fact.EXEMPT],
        opted_out=ordinal in facts[Relation.OPTED_OUT.to(sender.id)],
        bound=ordinal in facts[Relation.BOUND.to(sender.id)],
        subscribed=ordinal in facts[Relation.SUBSCRIBED.to(sender.id)],
        forwarding=ordinal in facts[Fact.FORWARDING],
    )


def _count(counted: Counted, asked: Sequence[Asked | BadFieldError], judged: Sequence[_Judged]) -> None:
    """Notes the keys of what budgets count; a query that can't be read has none, and tells nothing."""
    for ask, one in zip(asked, judged, strict=True):
        if isinstance(ask, Asked):
            if one.outcome.reason in MISSES:
                counted.misses.append(ask.key)
            if ask.addressing.kind is Kind.ADDRESS:
                counted.addresses.append(ask.key)
