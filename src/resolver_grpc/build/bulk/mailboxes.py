"""The mailboxes and the relations table as columns; the rules are those of ``rows/mailboxes.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np

from resolver_grpc.build.bulk.emails import Addresses, read_emails
from resolver_grpc.build.bulk.numbers import UNREADABLE, Numbers, is_person, read_owner_numbers
from resolver_grpc.build.bulk.problems import Problems
from resolver_grpc.build.bulk.reading import read_each
from resolver_grpc.build.bulk.texts import Column, Encoded, Flags, Indices, joint
from resolver_grpc.build.bulk.times import Times, five_years_later, read_days, read_times
from resolver_grpc.index.intervals import Intervals
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span, span_of_days
from resolver_grpc.rows.mailboxes import MAX_SENDER_ID_LENGTH, RELATIONS, parse_forwarding_address

ColumnOf: TypeAlias = Callable[[str], Column]
Spans: TypeAlias = Intervals
"""Intervals whose ordinals are rows of the table."""


@dataclass(frozen=True, eq=False, slots=True)
class Mailboxes:
    """The mailboxes table, row by row; of a rejected row only its number and its e-mail address mean anything.

    Attributes:
        problems: which rows were rejected, and why.
        numbers: the owner's number as the row has it; an old CPR number is not yet followed.
        spans: when each fact holds of which rows.
        emails: the e-mail addresses that are claimed.
        forwardings: where organisations forward to.
    """

    problems: Problems
    numbers: Numbers
    spans: dict[Fact, Spans]
    emails: Addresses
    forwardings: Addresses


@dataclass(frozen=True, eq=False, slots=True)
class RelationRows:
    """The relations table, row by row; of a rejected row only the number means anything.

    Attributes:
        problems: which rows were rejected, and why.
        numbers: the owner's number as the row has it.
        facts: the name of the relation to its sender; equal names have equal places.
        starts: from when on it holds.
    """

    problems: Problems
    numbers: Numbers
    facts: Encoded[str]
    starts: Indices


def read_mailboxes(column: ColumnOf, rows: int) -> Mailboxes:
    """Reads the mailboxes table.

    Args:
        column: gives a column by its name.
        rows: how many rows there are.
    """
    problems = Problems("mailboxes", rows)
    numbers = read_owner_numbers(column("number"))
    problems.note_unreadable(numbers == UNREADABLE, "number")
    emails = read_emails(column("email_address"))
    problems.note_unreadable(emails.unreadable, "email_address")
    forwardings = read_emails(column("forwarding_address"), parse_forwarding_address)
    problems.note_unreadable(forwardings.unreadable, "forwarding_address")
    spans = dict(_spans(column, problems, emails.indices > 0))
    spans[Fact.FORWARDING] = _forwarding(column, problems, is_person(numbers), forwardings.indices > 0)
    return Mailboxes(problems, numbers, spans, emails, forwardings)


def read_relations(column: ColumnOf, rows: int) -> RelationRows:
    """Reads the relations table; arguments as for the mailboxes."""
    problems = Problems("relations", rows)
    numbers = read_owner_numbers(column("number"))
    problems.note_unreadable(numbers == UNREADABLE, "number")
    senders, _ = read_each(column("sender_id"), str.strip)
    problems.note(senders.flags(lambda sender: not sender), "sender_id is empty")
    too_long = senders.flags(lambda sender: len(sender) > MAX_SENDER_ID_LENGTH)
    problems.note(too_long, "sender_id is longer than a sender's id can be")
    relations, unknown = read_each(column("relation"), lambda text: RELATIONS.get(text.strip()))
    problems.note(unknown, f"relation is none of {', '.join(RELATIONS)}")
    times = read_times(column("effective_time"))
    problems.note_unreadable(times.unreadable | ~times.given, "effective_time")
    examples, fact_of = joint(senders.indices, relations.indices)
    pairs = zip(relations.taken(examples), senders.taken(examples), strict=True)
    # Cells that differ in blanks say the same: a fact is told by its name, which must stand there once.
    places: dict[str, int] = {}
    found = [places.setdefault(relation.to(sender) if relation else "", len(places)) for relation, sender in pairs]
    facts = Encoded(list(places), np.array(found, np.uint32)[fact_of])
    return RelationRows(problems, numbers, facts, times.bounded.astype(np.uint32))


def _spans(column: ColumnOf, problems: Problems, has_email: Flags) -> Iterator[tuple[Fact, Spans]]:
    """Gives when each fact but the forwarding holds, reading the columns in the plain way's order."""

    def read(name: str) -> Times:
        times = read_times(column(name))
        problems.note_unreadable(times.unreadable, name)
        return times

    opened = read("opened")
    problems.note_unreadable(~opened.given, "opened")
    yield Fact.MAILBOX, _span(opened.given, opened.bounded, _or_forever(read("closed")))
    last_login = read("last_login")
    used = np.where(last_login.given, last_login.bounded, opened.bounded)
    login_ends = np.clip(five_years_later(used) + 1, ALWAYS, FOREVER)
    yield Fact.LOGIN, _span(opened.given, np.full(len(used), ALWAYS), login_ends)
    private_closed = read("private_closed")
    yield Fact.PRIVATE_CLOSED, _span(private_closed.given, private_closed.bounded, np.full(len(used), FOREVER))
    yield Fact.CONSENT, _until(read("address_consent_given"), read("address_consent_withdrawn"))
    verified = read("email_verified")
    claim = _until(read("email_claimed"), read("email_dropped"))
    rows = claim.ordinals[(verified.given & has_email)[claim.ordinals]]
    kept = (verified.given & has_email)[claim.ordinals]
    starts = np.maximum(verified.bounded[rows].astype(np.uint32), claim.starts[kept])
    yield Fact.CLAIM, Intervals(rows, starts, claim.ends[kept])
    yield Fact.EXEMPT, _days(column, problems, "exempt_from", "exempt_to")


def _or_forever(times: Times) -> np.typing.NDArray[np.int64]:
    return np.where(times.given, times.bounded, FOREVER)


def _until(given: Times, withdrawn: Times) -> Spans:
    """While something given and withdrawn holds: the later counts, at a tie the withdrawal."""
    ends = np.where(withdrawn.given & (withdrawn.seconds >= given.seconds), withdrawn.bounded, FOREVER)
    return _span(given.given, given.bounded, ends)


def _span(held: Flags, starts: np.typing.NDArray[np.int64], ends: np.typing.NDArray[np.int64]) -> Spans:
    rows = np.flatnonzero(held)
    return Intervals(rows.astype(np.uint32), starts[rows].astype(np.uint32), ends[rows].astype(np.uint32))


def _days(column: ColumnOf, problems: Problems, first: str, last: str) -> Spans:
    """Reads a span of days from the columns of its first and last day."""
    firsts, lasts = read_days(column(first)), read_days(column(last))
    problems.note_unreadable(firsts.flags(_is_error), first)
    problems.note_unreadable(lasts.flags(_is_error), last)
    examples, pair_of = joint(firsts.indices, lasts.indices)
    pairs = zip(firsts.taken(examples), lasts.taken(examples), strict=True)
    spans = Encoded([_span_of_days(*pair) for pair in pairs], pair_of)
    problems.note(spans.flags(_is_error), f"{last} comes before {first}")
    held = [(span.start, span.end) if isinstance(span, Span) else (0, 0) for span in spans.values]
    rows = np.flatnonzero(spans.flags(lambda span: isinstance(span, Span)))
    edges = np.array(held, np.uint32).reshape(-1, 2)[spans.indices[rows]]
    return Intervals(rows.astype(np.uint32), edges[:, 0], edges[:, 1])


def _is_error(value: object) -> bool:
    return isinstance(value, ValueError)


def _span_of_days(first: date | ValueError | None, last: date | ValueError | None) -> Span | ValueError | None:
    """The span of two days; None where there is none, an error where the last comes before the first."""
    if isinstance(first, ValueError) or isinstance(last, ValueError) or (first is None and last is None):
        return None
    try:
        return span_of_days(first, last)
    except ValueError as error:
        return error


def _forwarding(column: ColumnOf, problems: Problems, person: Flags, has_address: Flags) -> Spans:
    """When organisations forward: on the days that are given, or always where an address stands alone."""
    spans = _days(column, problems, "forwarding_from", "forwarding_to")
    has_days = np.zeros(len(person), np.bool_)
    has_days[spans.ordinals] = True
    problems.note(
        (has_days | has_address) & person, "forwarding_address stands beside a CPR number; only organisations forward"
    )
    problems.note(has_days & ~has_address, "forwarding_address is empty beside days of forwarding")
    always = np.flatnonzero(has_address & ~has_days)
    return Intervals(
        np.append(spans.ordinals, always.astype(np.uint32)),
        np.append(spans.starts, np.full(len(always), ALWAYS, np.uint32)),
        np.append(spans.ends, np.full(len(always), FOREVER, np.uint32)),
    )
