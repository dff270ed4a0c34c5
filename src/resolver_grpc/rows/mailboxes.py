"""Rows of the mailboxes and relations tables to what they say of an owner.

Source of the rules: domain rules, section 5, "Time". A row with a cell that can't be read is rejected whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from resolver_grpc.canonical.email import parse_email
from resolver_grpc.canonical.text import UnreadableError
from resolver_grpc.index.layout import ALWAYS, FOREVER, FORWARDING_ADDRESS_BYTES
from resolver_grpc.model import Fact, Relation
from resolver_grpc.rows.cells import (
    WHENEVER,
    BadRowError,
    Row,
    Span,
    bounded,
    is_cpr,
    parse_owner_number,
    parse_time_cell,
    read,
    read_days,
    read_optional,
    span_until,
)
from resolver_grpc.times import five_years_after

RELATIONS = {relation.name: relation for relation in Relation}
MAX_SENDER_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A row of the mailboxes table.

    Attributes:
        number: the owner's number as the row has it; an old CPR number is not yet followed.
        spans: when each fact holds that the row tells of.
        email_address: the canonical e-mail address that the row claims, if any.
        forwarding_address: where an organisation forwards to, if anywhere.
    """

    number: str
    spans: dict[Fact, Span]
    email_address: str
    forwarding_address: str


@dataclass(frozen=True, slots=True)
class RelationRow:
    """A row of the relations table: from when on a relation to a sender holds."""

    number: str
    sender_id: str
    relation: Relation
    span: Span


def parse_mailbox(row: Row) -> Mailbox:
    """Reads a row of the mailboxes table.

    Raises:
        BadRowError: a cell can't be read, or two cells don't go together.
    """
    number = read(row, "number", parse_owner_number)
    email_address = read_optional(row, "email_address", parse_email) or ""
    forwarding_address = read_optional(row, "forwarding_address", parse_forwarding_address) or ""
    spans = {
        Fact.MAILBOX: _open_span(row),
        Fact.LOGIN: _login_span(row),
        Fact.PRIVATE_CLOSED: span_until(read_optional(row, "private_closed", parse_time_cell), None),
        Fact.CONSENT: _given_span(row, "address_consent_given", "address_consent_withdrawn"),
        Fact.CLAIM: _claim_span(row, email_address),
        Fact.EXEMPT: read_days(row, "exempt_from", "exempt_to"),
        Fact.FORWARDING: _forwarding_span(row, number, forwarding_address),
    }
    held = {fact: span for fact, span in spans.items() if span is not None}
    return Mailbox(number, held, email_address, forwarding_address)


def parse_relation(row: Row) -> RelationRow:
    """Reads a row of the relations table.

    Raises:
        BadRowError: a cell can't be read.
    """
    number, sender_id = read(row, "number", parse_owner_number), row["sender_id"].strip()
    relation = RELATIONS.get(row["relation"].strip())
    if not sender_id:
        raise BadRowError("sender_id", "is empty")
    if len(sender_id) > MAX_SENDER_ID_LENGTH:
        raise BadRowError("sender_id", "is longer than a sender's id can be")
    if relation is None:
        raise BadRowError("relation", f"is none of {', '.join(RELATIONS)}")
    start = read(row, "effective_time", parse_time_cell)
    return RelationRow(number, sender_id, relation, Span(bounded(start), FOREVER))


def _open_span(row: Row) -> Span:
    """From the opening to the closing, before which, if closed first, it never was."""
    opened = read(row, "opened", parse_time_cell)
    closed = read_optional(row, "closed", parse_time_cell)
    return Span(bounded(opened), FOREVER if closed is None else bounded(closed))


def _login_span(row: Row) -> Span:
    """A login exactly five years ago still counts; without one the opening counts."""
    last_login = read_optional(row, "last_login", parse_time_cell)
    used = read(row, "opened", parse_time_cell) if last_login is None else last_login
    # Bounded first: five years from the calendar's own ends can't be counted.
    return Span(ALWAYS, bounded(five_years_after(bounded(used)) + 1))


def _given_span(row: Row, given: str, withdrawn: str) -> Span | None:
    return span_until(read_optional(row, given, parse_time_cell), read_optional(row, withdrawn, parse_time_cell))


def _claim_span(row: Row, email_address: str) -> Span | None:
    """A claim holds from when the address is both verified and claimed until it is dropped."""
    verified = read_optional(row, "email_verified", parse_time_cell)
    claim = _given_span(row, "email_claimed", "email_dropped")
    if not email_address or verified is None or claim is None:
        return None
    return Span(max(bounded(verified), claim.start), claim.end)


def parse_forwarding_address(text: str) -> str:
    """Reads an e-mail address that the index has room for.

    Raises:
        UnreadableError: it is none, or too long.
    """
    address = parse_email(text)
    if len(address.encode()) > FORWARDING_ADDRESS_BYTES:
        raise UnreadableError("longer than the index can hold")
    return address


def _forwarding_span(row: Row, number: str, forwarding_address: str) -> Span | None:
    span = read_days(row, "forwarding_from", "forwarding_to")
    if (span or forwarding_address) and is_cpr(number):
        raise BadRowError("forwarding_address", "stands beside a CPR number; only organisations forward")
    if span and not forwarding_address:
        raise BadRowError("forwarding_address", "is empty beside days of forwarding")
    return span or (WHENEVER if forwarding_address else None)
