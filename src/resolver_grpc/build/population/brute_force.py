"""The slow, obvious reading of the decision table: loop over everyone, then one ``if`` for each row.

What belongs here: who a query leads to, and section 7 as it is written. No hashing, no index, nothing shared
with what the server decides by: this is what the server's decisions are held against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resolver_grpc.build.population.dates import midnight
from resolver_grpc.build.population.judging import (
    forwards,
    is_exempt,
    is_in_force,
    is_open,
    may_be_found_by_address,
    may_be_found_by_email,
    stands_in,
)
from resolver_grpc.build.population.query_reading import ADDRESS_KINDS, find_problem, read_query
from resolver_grpc.build.population.world import Owner, RoadCode, World
from resolver_grpc.errors import NotYetValidError
from resolver_grpc.model import Decision, Kind, QueryRow, Reason, Route, Sender, SenderClass, Target

if TYPE_CHECKING:
    from resolver_grpc.build.population.address_reading import Place
    from resolver_grpc.build.population.query_reading import Asked

__all__ = ["World", "decide"]

NUMBER_KINDS = frozenset({Kind.CPR, Kind.CVR})
NEVER_HELD = frozenset({Kind.ADDRESS, Kind.HANDLE})


def _roads_of(place: Place, world: World) -> set[RoadCode]:
    """Return the roads that share a text's postal code and street."""
    return {
        text.road
        for text in world.road_texts
        if text.postal_code == place.postal_code and place.street in world.streets_by_road[text.road]
    }


def _told_roads(place: Place, world: World) -> set[RoadCode]:
    """Return the roads that a text leads to: of several, the one that its supplementary town belongs to."""
    roads = _roads_of(place, world)
    if len(roads) == 1:
        return roads
    told = {
        text.road
        for text in world.road_texts
        if text.road in roads and text.postal_code == place.postal_code and text.town == place.town
    }
    return told if place.town and len(told) == 1 else roads


def _live_there(asked: Asked, world: World) -> list[Owner]:
    """Return everyone who lives at the address asked for, whoever may know it."""
    place = asked.place
    if place is None:
        return [owner for owner in world.owners if owner.person and owner.person.kvhx == asked.kvhx]
    roads = _told_roads(place, world)
    # Only where several roads share the text does it matter on which of them somebody lives.
    is_told = roads != _roads_of(place, world)
    return [
        owner
        for owner in world.owners
        if owner.person
        and owner.person.place.parts_of_house == place.parts_of_house
        and place.street in owner.streets
        and (not is_told or owner.person.kvhx[:2] in roads)
    ]


def _home(owner: Owner) -> object:
    """Return what tells one home from another: the codes, or all that is said of it where they are not known."""
    person = owner.person
    if person is None or all(person.kvhx[:2]):
        return person and person.kvhx
    return person.place, owner.streets


def _bears_the_name(owner: Owner, asked: Asked, kind: Kind) -> bool:
    name = owner.person.name if owner.person else ()
    if kind == Kind.ADDRESS:
        return True
    if kind == Kind.FIRST_NAME:
        return bool(name) and name[0] == asked.first_name
    return len(name) > 1 and (name[0], name[-1]) == (asked.first_name, asked.last_name)


def _find(kind: Kind, asked: Asked, sender: Sender, world: World, instant: int) -> list[Owner]:
    """Return the candidates, in the order of their numbers."""
    if kind in ADDRESS_KINDS:
        return [
            owner
            for owner in _live_there(asked, world)
            if _bears_the_name(owner, asked, kind) and may_be_found_by_address(owner, sender, instant)
        ]
    if kind == Kind.EMAIL:
        claimants = _claimants(asked.email, world, instant)
        return [
            owner
            for owner in world.owners
            if owner.number in claimants and may_be_found_by_email(owner, sender, instant)
        ]
    if kind in NUMBER_KINDS and asked.number not in world.out:
        number = world.current_number(asked.number)
        return [owner for owner in world.owners if owner.number == number and is_open(owner, sender, instant)]
    return []


def _claimants(email: str, world: World, instant: int) -> list[str]:
    return [claim.owner for claim in world.claims if claim.email == email and is_in_force(claim, instant)]


def _fallback(sender: Sender, query: QueryRow, reason: Reason) -> Decision:
    could_be_sent = query.kind in ADDRESS_KINDS or query.has_postal_address
    is_letter = sender.fallback is Route.LETTER and could_be_sent
    return Decision(Route.LETTER if is_letter else Route.REJECT, reason)


def _decide_for_owner(owner: Owner, query: QueryRow, sender: Sender, instant: int) -> Decision:
    """Apply rows 8 to 13 to one owner."""
    is_public = sender.sender_class is SenderClass.PUBLIC
    is_mandatory = is_public or sender.mandatory or stands_in(owner, "BOUND", sender, instant)
    is_subscribed = stands_in(owner, "SUBSCRIBED", sender, instant)
    is_asked_by_number = query.kind in NUMBER_KINDS
    if is_public and is_exempt(owner, instant):
        return Decision(Route.LETTER, Reason.EXEMPT)
    if stands_in(owner, "OPTED_OUT", sender, instant) and not is_mandatory:
        return _fallback(sender, query, Reason.OPTED_OUT)
    if is_asked_by_number and not is_mandatory and not is_subscribed and sender.terms_consent:
        return Decision(Route.MAILBOX, Reason.SUBSCRIBED_BY_TERMS, targets=(Target(owner.number),))
    if is_asked_by_number and not is_mandatory and not is_subscribed:
        return _fallback(sender, query, Reason.NOT_SUBSCRIBED)
    if is_public and forwards(owner, instant) and owner.mailbox is not None:
        target = Target(owner.number, owner.mailbox.forwarding_address)
        return Decision(Route.FORWARD, Reason.FORWARDED, targets=(target,))
    return Decision(Route.MAILBOX, Reason.DELIVERABLE, targets=(Target(owner.number),))


def _decide_for_candidates(
    owners: list[Owner], query: QueryRow, sender: Sender, world: World, instant: int
) -> Decision:
    """Apply rows 5 to 13."""
    if not owners and sender.hold and sender.terms_consent and query.kind not in NEVER_HELD:
        return Decision(Route.HOLD, Reason.HELD_FOR_SENDER)
    if not owners:
        return _fallback(sender, query, Reason.NOT_FOUND)
    if query.kind == Kind.ADDRESS:
        decisions = [_decide_for_owner(owner, query, sender, instant) for owner in owners]
        targets = tuple(decision.targets[0] for decision in decisions if decision.route is Route.MAILBOX)
        if not targets:
            return _fallback(sender, query, Reason.NOT_FOUND)
        return Decision(Route.MAILBOX, Reason.DELIVERABLE, targets=targets)
    claimants = _claimants(read_query(query).email, world, instant) if query.kind == Kind.EMAIL else []
    if len(owners) > 1 or len(claimants) > 1:
        return Decision(Route.REJECT, Reason.AMBIGUOUS_RECIPIENT)
    return _decide_for_owner(owners[0], query, sender, instant)


def decide(query: QueryRow, sender: Sender, world: World, instant: int, personal_content: bool) -> Decision:  # noqa: FBT001 - the flag is the request's own
    """Decide one query by looking at everyone.

    Args:
        query: what the sender wrote.
        sender: who asks.
        world: the tables' rows, whole or narrowed to all that the query may meet.
        instant: the instant of the decision, in UTC seconds.
        personal_content: whether the letter holds personal content.

    Returns:
        The decision; its targets are sorted by number.

    Raises:
        NotYetValidError: the instant lies before the register's day.

    Source: domain rules, sections 4, 5 and 7.
    """
    if instant < midnight(world.register_date):
        raise NotYetValidError("The instant lies before the register's day: judge at a later one.")
    problem = find_problem(query)
    if problem is not None:
        return Decision(Route.REJECT, problem.reason, problem.field)
    kind, asked = Kind(query.kind), read_query(query)
    if kind not in sender.kinds:
        return Decision(Route.REJECT, Reason.KIND_NOT_ALLOWED)
    if kind == Kind.ADDRESS and personal_content:
        return Decision(Route.REJECT, Reason.PERSONAL_CONTENT)
    if kind == Kind.ADDRESS and asked.place and len(_told_roads(asked.place, world)) > 1:
        return Decision(Route.REJECT, Reason.AMBIGUOUS_ADDRESS)
    owners = _find(kind, asked, sender, world, instant)
    if kind == Kind.ADDRESS and len({_home(owner) for owner in owners}) > 1:
        return Decision(Route.REJECT, Reason.AMBIGUOUS_ADDRESS)
    return _decide_for_candidates(owners, query, sender, world, instant)
