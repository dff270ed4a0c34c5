"""What is known of an owner after the changes, as rows of the tables and as facts.

What belongs here: a state to rows. A row has no room for all that a state knows of when something holds; so rows tell
what keys are made of (numbers, home, names, the e-mail address that is claimed, and while it is), and the facts stand
beside them. Canonical forms are idempotent: written into a cell they are read as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resolver_grpc.build.schema import MAILBOXES, PERSONS, Table
from resolver_grpc.changes.state import OwnerState, Spans
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import Home
from resolver_grpc.times import format_instant

_NOBODYS_STATUS: Final = "80"
"""Of a row whose facts stand beside it: by itself it reaches nobody."""
_REPLACED_STATUS: Final = "60"
_AS_ROWS_TELL: Final = frozenset({Fact.MAILBOX, Fact.LOGIN, Fact.PRIVATE_CLOSED, Fact.CONSENT, Fact.CLAIM})
_WITHOUT_A_BEGINNING: Final = frozenset({Fact.RESIDENT, Fact.REGISTERED})


def settled_facts(state: OwnerState, start: int) -> dict[str, Spans]:
    """When each fact holds, as far as a snapshot that answers from an instant on needs it.

    What was over by then is left out, where a row would not have it any more; and of who lives there by then it isn't
    kept since when, for a row does not tell either.

    Args:
        state: the owner.
        start: the first instant at which the snapshot answers.
    """
    settled = {fact: _settled(fact, spans, start) for fact, spans in state.facts.items()}
    return {fact: spans for fact, spans in settled.items() if spans}


def mailbox_row(state: OwnerState) -> dict[str, str] | None:
    """The row of an owner's mailbox; None where there is none any more."""
    mailboxes, claims = state.facts.get(Fact.MAILBOX, ()), state.facts.get(Fact.CLAIM, ())
    if not mailboxes:
        return None
    row = _row(MAILBOXES, number=state.number, **_times(mailboxes[-1], "opened", "closed"))
    row["forwarding_address"] = state.forwarding_address
    if state.email_address and claims and claims[-1].start < claims[-1].end:
        row |= {"email_address": state.email_address, **_times(claims[-1], "email_claimed", "email_dropped")}
        row["email_verified"] = row["email_claimed"]
    return row


def person_row(state: OwnerState, home: Home) -> dict[str, str]:
    """The row of a person whose record or number changed."""
    municipality, road = home.road
    street, short_street = [*sorted(home.streets), "", ""][:2]
    return _row(
        PERSONS,
        number=state.number,
        status=_NOBODYS_STATUS,
        full_name=" ".join(state.names or ()),
        municipality_code=municipality,
        road_code=road,
        street_name=street,
        short_street_name=short_street,
        house_number=home.house_number,
        floor=home.floor,
        door=home.door,
        supplementary_town=home.town,
        postal_code=home.postal_code,
    )


def replaced_row(number: str, current_number: str, old_numbers: str) -> dict[str, str]:
    """The row of a number that another one took the place of.

    Args:
        number: the old number.
        current_number: the one that took its place.
        old_numbers: the cell of the row that the old number had.
    """
    links = {"current_number": current_number, "old_numbers": old_numbers}
    return _row(PERSONS, number=number, status=_REPLACED_STATUS, **links)


def _settled(fact: str, spans: Spans, start: int) -> Spans:
    if fact in _AS_ROWS_TELL:
        return spans
    kept = tuple(span for span in spans if span.end > start)
    if fact in _WITHOUT_A_BEGINNING:
        return tuple(Span(ALWAYS, span.end) if span.start <= start else span for span in kept)
    return kept


def _times(span: Span, begin: str, end: str) -> Mapping[str, str]:
    ends = {end: format_instant(span.end)} if span.end < FOREVER else {}
    return {begin: format_instant(span.start), **ends}


def _row(table: Table, **cells: str) -> dict[str, str]:
    return dict.fromkeys(table.column_names, "") | cells
