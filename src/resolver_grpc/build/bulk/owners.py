"""Mailboxes, persons and relations brought together to owners; the rules are those of ``build/owners.py``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.following import NOWHERE, OUT, Following, as_numbers, find, is_among, repeated
from resolver_grpc.build.bulk.mailboxes import Mailboxes, RelationRows
from resolver_grpc.build.bulk.numbers import UNREADABLE, Numbers, digits_of, text_of
from resolver_grpc.build.bulk.persons import Persons
from resolver_grpc.build.bulk.streets import Streets
from resolver_grpc.build.bulk.texts import Flags
from resolver_grpc.build.numbers import follow_numbers
from resolver_grpc.build.owners import CONTRADICTED, OWNER_OUT, STATED_TWICE
from resolver_grpc.build.roads import SharedStreets
from resolver_grpc.build.sources import TWICE
from resolver_grpc.bulk_keys import Part, Texts, bulk_keys
from resolver_grpc.index.sorting import order_of_keys
from resolver_grpc.index.threads import aside
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import WHENEVER, Span
from resolver_grpc.rows.persons import REPLACED

Rows: TypeAlias = npt.NDArray[np.int64]
Contests: TypeAlias = dict[int, list[Span]]


@dataclass(frozen=True, eq=False, slots=True)
class Owners:
    """Everybody with a mailbox.

    Attributes:
        numbers: the current CPR or CVR numbers.
        old_numbers: for each owner that has any, by place, the numbers that lead to the current one.
        mailboxes: the owners' rows of the mailboxes table.
        persons: the owners' rows of the persons table, ``NOWHERE`` for organisations and those outside it.
        contests: when others claim the owners' e-mail addresses, by rows of the mailboxes table.
        following: which number leads to which.
    """

    numbers: Numbers
    old_numbers: dict[int, list[str]]
    mailboxes: Rows
    persons: Rows
    contests: Contests
    following: Following

    def in_order(self, order: Rows) -> Owners:
        """The same owners in another order: first the one whose place comes first in it."""
        place_of = np.empty(len(order), np.int64)
        place_of[order] = np.arange(len(order))
        olds = {int(place_of[place]): numbers for place, numbers in self.old_numbers.items()}
        return replace(
            self,
            numbers=self.numbers[order],
            old_numbers=olds,
            mailboxes=self.mailboxes[order],
            persons=self.persons[order],
        )


@dataclass(frozen=True, eq=False, slots=True)
class Tables:
    """All tables; of the roads the texts of each combination of the homes, and the streets that several share."""

    persons: Persons
    mailboxes: Mailboxes
    relations: RelationRows
    streets: Streets
    shared: SharedStreets


def join_owners(tables: Tables, keys: IndexKeys) -> Owners:
    """Brings all rows together, and notes those whose owner can't be known for sure.

    Returns:
        One owner for each current number that a mailbox leads to, in the order of the keyed hash of the number, so
        that an ordinal tells nothing about its owner.
    """
    mailboxes, relations = tables.mailboxes, tables.relations
    following, out = _follow(tables.persons)
    unread = [
        following.current(rows.numbers[~rows.problems.accepted & (rows.numbers != UNREADABLE)])
        for rows in (mailboxes, relations)
    ]
    joined = aside(lambda: _join_mailboxes(mailboxes, following))
    out_by_relations = _note_relations(relations, following)
    owner_of, out_by_mailboxes, contests = joined.result()
    out = np.concatenate([out, *unread, out_by_mailboxes, out_by_relations])
    mailboxes.problems.note(is_among(owner_of, out), OWNER_OUT)
    rows = np.flatnonzero(mailboxes.problems.accepted)
    numbers = owner_of[rows]
    persons = aside(lambda: _rows_of(tables.persons, numbers))
    order = order_of_keys(bulk_keys(keys, KeyKind.OWNER, [number_part(numbers)]))
    owners = Owners(numbers, _old_numbers(following, numbers), rows, persons.result(), contests, following)
    return owners.in_order(order)


def number_part(numbers: Numbers) -> Part:
    """Numbers as the only part of a key, each a text of its own."""
    data, edges = digits_of(numbers)
    return Part(Texts(data, edges), np.arange(len(numbers), dtype=np.uint32))


def _join_mailboxes(mailboxes: Mailboxes, following: Following) -> tuple[Numbers, Numbers, Contests]:
    """Tells whose each row is, notes the doubles, and gives their owners, who are out, and all contests."""
    owner_of = following.owner(mailboxes.numbers)
    was_read = mailboxes.problems.accepted
    doubled = _note_doubles(mailboxes, owner_of)
    return owner_of, owner_of[doubled], _contests(mailboxes, owner_of, was_read, doubled)


def _follow(persons: Persons) -> tuple[Following, Numbers]:
    """Works out which numbers lead where, and notes the persons who are out; gives all numbers that are."""
    linked = sorted({number for link in persons.links for number in link})
    kept = persons.problems.accepted & ~persons.statuses.flags(REPLACED.__contains__)
    used = is_among(as_numbers(linked), persons.numbers[kept]).tolist()
    rules = follow_numbers(
        persons.links, {number for number, held in zip(linked, used, strict=True) if held}, persons.bad
    )
    persons.problems.note(is_among(persons.numbers, as_numbers(rules.contradicted)), CONTRADICTED)
    persons.problems.note(is_among(persons.numbers, as_numbers(rules.out)), OWNER_OUT)
    return Following.by(rules), as_numbers(rules.out)


def _note_doubles(mailboxes: Mailboxes, owner_of: Numbers) -> Flags:
    """Notes the mailboxes of owners who have more than one row, unread ones included."""
    read = mailboxes.problems.accepted
    unread = owner_of[~read & (mailboxes.numbers != UNREADABLE)]
    doubled = np.zeros(len(read), np.bool_)
    doubled[read] = repeated(owner_of[read]) | is_among(owner_of[read], unread)
    mailboxes.problems.note(doubled, TWICE)
    return doubled


def _note_relations(relations: RelationRows, following: Following) -> Numbers:
    """Notes the relations of nobody and those that stand twice, whose owners it gives: they are out."""
    owner_of = following.current(relations.numbers)
    relations.problems.note(owner_of == OUT, OWNER_OUT)
    read = relations.problems.accepted
    twice = np.zeros(len(read), np.bool_)
    facts = relations.facts.indices[read].astype(np.int64)
    twice[read] = repeated(owner_of[read] * len(relations.facts.values) + facts)
    relations.problems.note(twice, STATED_TWICE)
    return owner_of[twice]


def _contests(mailboxes: Mailboxes, owner_of: Numbers, was_read: Flags, doubled: Flags) -> Contests:
    """When others claim the same e-mail address, for each row that claims one which they do.

    A row that could not be read, and a doubled one, claims for always.
    """
    addresses = mailboxes.emails.indices
    claims = mailboxes.spans[Fact.CLAIM]
    claiming = np.flatnonzero(was_read[claims.ordinals])
    always = np.unique(addresses[(~was_read | doubled) & (addresses > 0)])
    claimed = addresses[claims.ordinals[claiming]]
    held = np.bincount(claimed, minlength=len(mailboxes.emails.texts))
    held[always] += 1
    several = claiming[(held[claimed] > 1)]
    by_address: defaultdict[int, list[tuple[int, Span]]] = defaultdict(list)
    rows = claims.ordinals[several].tolist()
    spans = zip(claims.starts[several].tolist(), claims.ends[several].tolist(), strict=True)
    for row, span in zip(rows, spans, strict=True):
        by_address[int(addresses[row])].append((int(owner_of[row]), Span(*span)))
    for address in always.tolist():
        by_address[address].append((NOWHERE, WHENEVER))
    found = {row: [span for owner, span in by_address[int(addresses[row])] if owner != owner_of[row]] for row in rows}
    return {row: spans for row, spans in found.items() if spans}


def _old_numbers(following: Following, numbers: Numbers) -> dict[int, list[str]]:
    """The numbers that lead to others, by the place of the owner whom they lead to."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    led = following.currents != following.special
    places = find(numbers, following.currents[led])
    for old, place in zip(following.special[led].tolist(), places.tolist(), strict=True):
        if place != NOWHERE:
            found[place].append(text_of(old))
    return dict(found)


def _rows_of(persons: Persons, numbers: Numbers) -> Rows:
    """The accepted rows of the persons table that are about some numbers."""
    rows = np.flatnonzero(persons.problems.accepted)
    known = persons.numbers[rows]
    places = find(known, numbers)
    return np.where(places == NOWHERE, NOWHERE, rows[places] if len(rows) else NOWHERE)
