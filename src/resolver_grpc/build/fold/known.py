"""What the tables' rows say of an owner, as what is known before the first change.

What belongs here: rows to a state. Rows tell of ends too which have no beginning (a consent withdrawn before it is
given): these count against what comes late.
"""

from __future__ import annotations

from resolver_grpc.build.owners import Facts, Owner, facts_of_person
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Row, bounded, parse_time_cell, read_optional
from resolver_grpc.rows.persons import Person


def known_of_owner(owner: Owner, mailbox_row: Row) -> OwnerState:
    """What is known of somebody with a mailbox.

    Args:
        owner: what the rows come to; whether others contest a claim is nothing of the owner's own.
        mailbox_row: its row of the mailboxes table, which was accepted.
    """
    facts = {fact: spans for fact, spans in owner.facts.items() if fact != Fact.CONTESTED}
    state = _state(owner.number, owner.old_numbers, owner.person, facts)
    closed, withdrawn, verified, claimed, dropped = (
        _time(mailbox_row, column)
        for column in ("closed", "address_consent_withdrawn", "email_verified", "email_claimed", "email_dropped")
    )
    ends = {Fact.MAILBOX: closed, Fact.CONSENT: withdrawn, Fact.CLAIM: dropped}
    address = owner.email_address
    return OwnerState(
        state.number,
        state.old_numbers,
        state.facts,
        {str(fact): (end,) for fact, end in ends.items() if end is not None},
        home=state.home,
        names=state.names,
        email_address=address if claimed is not None else "",
        claimed=ALWAYS if claimed is None else claimed,
        verified={address: verified} if address and verified is not None else {},
        dropped={address: (dropped,)} if address and dropped is not None else {},
        forwarding_address=owner.forwarding_address,
    )


def known_of_person(number: str, old_numbers: tuple[str, ...], person: Person | None) -> OwnerState:
    """What is known of somebody without a mailbox: what the register says."""
    return _state(number, old_numbers, person, facts_of_person(person) if person else {})


def _state(number: str, old_numbers: tuple[str, ...], person: Person | None, facts: Facts) -> OwnerState:
    held = {str(fact): tuple(spans) for fact, spans in facts.items() if spans}
    home, names = (person.home, person.names) if person else (None, None)
    return OwnerState(number, old_numbers, held, home=home, names=names)


def _time(row: Row, column: str) -> int | None:
    told = read_optional(row, column, parse_time_cell)
    return None if told is None else bounded(told)
