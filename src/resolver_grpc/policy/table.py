"""The decision table of domain rules, section 7: the first row that applies decides.

The rows are data: a number, the words that the documentation prints, a small pure test, a route and a
reason. Nothing else in the package decides a route.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import NamedTuple

from resolver_grpc.model import Kind, Reason, Route, Sender, SenderClass


@unique
class Candidates(IntEnum):
    """How many owners may be reached that way now; a contested e-mail address counts as several."""

    NONE = 0
    ONE = 1
    SEVERAL = 2


class Facts(NamedTuple):
    """All that the table knows of a query and, once there is one candidate, of the owner.

    Attributes:
        kind: the query's kind.
        can_be_posted: the query carries a postal address or KVHX, or says ``has_postal_address``.
        unreadable: the reason why a field can't be read, if so.
        personal_content: the request says that its letters hold personal content.
        several_roads: the address as text leads to several roads.
        candidates: none, one or several.
        exempt: the owner is exempt from digital post.
        opted_out: the owner opted out of the sender.
        bound: an agreement with the sender requires the mailbox.
        subscribed: the owner subscribes to the sender.
        forwarding: an organisation's forwarding is in force.
        came_from: of kind HANDLE, the kind of the query whose decision gave the handle.
    """

    kind: Kind
    can_be_posted: bool = True
    unreadable: Reason | None = None
    personal_content: bool = False
    several_roads: bool = False
    candidates: Candidates = Candidates.NONE
    exempt: bool = False
    opted_out: bool = False
    bound: bool = False
    subscribed: bool = False
    forwarding: bool = False
    came_from: Kind | None = None


class Outcome(NamedTuple):
    """What the table says: a route and a reason."""

    route: Route
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rule:
    """One row.

    Attributes:
        number: its place in the table.
        when: the condition in words.
        applies: the condition.
        route: the route; none where the sender's fallback decides.
        reason: the reason; none where the unreadable field decides.
    """

    number: int
    when: str
    applies: Callable[[Facts, Sender], bool]
    route: Route | None
    reason: Reason | None

    def outcome(self, facts: Facts, sender: Sender) -> Outcome:
        """The row's route and reason for these facts."""
        reason = facts.unreadable if self.reason is None else self.reason
        assert reason is not None
        return Outcome(fallback(facts, sender) if self.route is None else self.route, reason)


def fallback(facts: Facts, sender: Sender) -> Route:
    """LETTER if that is the sender's fallback and a letter could be sent, else REJECT."""
    return Route.LETTER if sender.fallback is Route.LETTER and facts.can_be_posted else Route.REJECT


def _mandatory(facts: Facts, sender: Sender) -> bool:
    return sender.mandatory or facts.bound


def _asks(facts: Facts, kinds: frozenset[Kind]) -> bool:
    """Whether the query, or the one that its handle came from, is of one of these kinds."""
    return facts.kind in kinds or facts.came_from in kinds


def _unsubscribed(facts: Facts, sender: Sender) -> bool:
    return _asks(facts, _NUMBER_KINDS) and not _mandatory(facts, sender) and not facts.subscribed


_NUMBER_KINDS = frozenset({Kind.CPR, Kind.CVR})
_EVERYONE_KINDS = frozenset({Kind.ADDRESS})
_NEVER_HELD = frozenset({Kind.ADDRESS, Kind.HANDLE})

RULES: tuple[Rule, ...] = (
    Rule(1, "a field can't be read", lambda facts, _: facts.unreadable is not None, Route.REJECT, None),
    Rule(
        2,
        "the sender may not use this kind",
        lambda facts, sender: facts.kind not in sender.kinds,
        Route.REJECT,
        Reason.KIND_NOT_ALLOWED,
    ),
    Rule(
        3,
        "kind ADDRESS and the request says `personal_content`",
        lambda facts, _: _asks(facts, _EVERYONE_KINDS) and facts.personal_content,
        Route.REJECT,
        Reason.PERSONAL_CONTENT,
    ),
    Rule(
        4,
        "kind ADDRESS, the text leads to several roads",
        lambda facts, _: facts.kind is Kind.ADDRESS and facts.several_roads,
        Route.REJECT,
        Reason.AMBIGUOUS_ADDRESS,
    ),
    Rule(
        5,
        "no candidate; sender has hold and terms_consent; kind is not ADDRESS or HANDLE",
        lambda facts, sender: (
            facts.candidates is Candidates.NONE
            and sender.hold
            and sender.terms_consent
            and facts.kind not in _NEVER_HELD
        ),
        Route.HOLD,
        Reason.HELD_FOR_SENDER,
    ),
    Rule(6, "no candidate", lambda facts, _: facts.candidates is Candidates.NONE, None, Reason.NOT_FOUND),
    Rule(
        7,
        "several candidates (or claims), kind is not ADDRESS",
        lambda facts, _: facts.candidates is Candidates.SEVERAL and facts.kind is not Kind.ADDRESS,
        Route.REJECT,
        Reason.AMBIGUOUS_RECIPIENT,
    ),
    Rule(
        8,
        "owner exempt from digital post, sender PUBLIC",
        lambda facts, sender: facts.exempt and sender.sender_class is SenderClass.PUBLIC,
        Route.LETTER,
        Reason.EXEMPT,
    ),
    Rule(
        9,
        "owner opted out of this sender, not mandatory",
        lambda facts, sender: not _mandatory(facts, sender) and facts.opted_out,
        None,
        Reason.OPTED_OUT,
    ),
    Rule(
        10,
        "kind CPR or CVR, not mandatory, not subscribed, sender has terms_consent",
        lambda facts, sender: _unsubscribed(facts, sender) and sender.terms_consent,
        Route.MAILBOX,
        Reason.SUBSCRIBED_BY_TERMS,
    ),
    Rule(
        11,
        "kind CPR or CVR, not mandatory, not subscribed",
        _unsubscribed,
        None,
        Reason.NOT_SUBSCRIBED,
    ),
    Rule(
        12,
        "organisation with forwarding in force, sender PUBLIC",
        lambda facts, sender: facts.forwarding and sender.sender_class is SenderClass.PUBLIC,
        Route.FORWARD,
        Reason.FORWARDED,
    ),
    Rule(13, "otherwise", lambda _facts, _sender: True, Route.MAILBOX, Reason.DELIVERABLE),
)

RESIDENT_RULES = tuple(rule for rule in RULES if rule.number >= 8)  # noqa: PLR2004 - rows 8-13, as the rules say
"""The rows that judge each resident of an ADDRESS query by itself."""


def decide(facts: Facts, sender: Sender) -> Outcome:
    """The outcome of the first row that applies; the last row always does.

    Every row is asked, so that the time tells nothing of which one decided.
    """
    applying = [rule for rule in RULES if rule.applies(facts, sender)]
    return applying[0].outcome(facts, sender)


def reaches_resident(facts: Facts, sender: Sender) -> bool:
    """Whether an ADDRESS query reaches this one resident: rows 8-13 come out as MAILBOX."""
    first = next(rule for rule in RESIDENT_RULES if rule.applies(facts, sender))
    return first.outcome(facts, sender).route is Route.MAILBOX


def table_markdown() -> str:
    """The table as Markdown, for the documentation."""
    lines = ["| # | when | route | reason |", "| --- | --- | --- | --- |"]
    for rule in RULES:
        route = "fallback" if rule.route is None else rule.route.name
        reason = "the field's INVALID reason" if rule.reason is None else rule.reason.name
        lines.append(f"| {rule.number} | {rule.when} | {route} | {reason} |")
    return "\n".join(lines) + "\n"
