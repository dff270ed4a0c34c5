"""Which table says what of an owner: so that of a change only that is taken which its table doesn't say yet.

Source of the rule: domain rules, section 10: each table states the change sequence it was exported at, so that later
changes, and only those, are laid over it. A change may bear on several tables: an owner consents (mailboxes) and comes
with the record of the register (persons).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.model import Fact

Told = TypeVar("Told")

_OF_PERSONS: Final = frozenset({Fact.RESIDENT, Fact.REGISTERED, Fact.PROTECTION})
_OF_MAILBOXES: Final = frozenset(Fact) - _OF_PERSONS
_FIELDS: Final = {
    PERSONS.name: ("number", "old_numbers", "recorded", "home", "names"),
    MAILBOXES.name: ("email_address", "claimed", "verified", "dropped", "forwarding_address"),
}


def table_of(fact: str) -> str:
    """The name of the table that tells of a fact."""
    if fact in _OF_PERSONS:
        return PERSONS.name
    return MAILBOXES.name if fact in _OF_MAILBOXES else RELATIONS.name


def taken_in_part(before: OwnerState, after: OwnerState, tables: Container[str]) -> OwnerState:
    """What is known of an owner after a change of which only some tables' parts are taken.

    Args:
        before: what is known without it.
        after: what would be known with all of it.
        tables: the names of the tables whose parts are taken.
    """
    fields = {name: getattr(after, name) for table, names in _FIELDS.items() if table in tables for name in names}
    return replace(
        before,
        **fields,
        facts=_mixed(before.facts, after.facts, tables),
        ended=_mixed(before.ended, after.ended, tables),
        stated=_mixed(before.stated, after.stated, tables),
    )


def _mixed(before: Mapping[str, Told], after: Mapping[str, Told], tables: Container[str]) -> dict[str, Told]:
    kept = {fact: told for fact, told in before.items() if table_of(fact) not in tables}
    return kept | {fact: told for fact, told in after.items() if table_of(fact) in tables}
