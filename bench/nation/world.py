"""A whole country: everything that its tables hold, as arrays, and the tables' columns part by part.

What belongs here: which part is made from which stream of randomness, and how the parts hang together. All
follows from the number of mailboxes and the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nation.mailboxes import Mailboxes, mailbox_columns, make_mailboxes
from nation.persons import Persons, make_persons, person_columns
from nation.places import ROADS_FOR_MAILBOXES, Addresses, Roads, make_roads, road_columns
from nation.relations import Relations, make_relations, relation_columns
from nation.spoiling import BAD_MAILBOXES, BAD_PERSONS, BAD_RELATIONS, BAD_ROADS, Spoiled, choose_rows
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nation.columns import Column
    from nation.drawing import Integers

SHARE_OF_PERSONS = 0.94
_FEWEST_ROADS = 100


@dataclass(frozen=True, slots=True)
class TableRows:
    """One table: what it is, how many rows it has, and their columns for any stretch of them."""

    table: Table
    rows: int
    columns: Callable[[slice], dict[str, Column]]
    spoiled: Spoiled

    def parts(self, size: int) -> Iterator[dict[str, Column]]:
        """Makes all columns, so many rows at a time."""
        for begin in range(0, self.rows, size):
            chosen = slice(begin, min(begin + size, self.rows))
            yield self.spoiled.spoil(self.columns(chosen), begin)


@dataclass(frozen=True, slots=True)
class Country:
    """A country that was made; ``spoiled`` are the bad rows by the table's name."""

    roads: Roads
    addresses: Addresses
    persons: Persons
    mailboxes: Mailboxes
    relations: Relations
    spoiled: dict[str, Spoiled]

    def tables(self) -> list[TableRows]:
        """The four tables."""
        persons, mailboxes, relations = self._with_repeated_numbers()
        counts = {
            PERSONS: (len(persons.number), lambda part: person_columns(persons, self.addresses, self.roads, part)),
            MAILBOXES: (len(mailboxes.number), lambda part: mailbox_columns(mailboxes, self.persons, part)),
            RELATIONS: (len(relations.sender), lambda part: relation_columns(relations, self.mailboxes, part)),
            ROADS: (len(self.roads.code), lambda part: road_columns(self.roads, part)),
        }
        return [TableRows(table, rows, columns, self.spoiled[table.name]) for table, (rows, columns) in counts.items()]

    def _with_repeated_numbers(self) -> tuple[Persons, Mailboxes, Relations]:
        """The tables as they are written, where a bad row may repeat the row before."""
        persons = replace(self.persons, number=self._repeated(PERSONS, self.persons.number))
        mailboxes = replace(self.mailboxes, number=self._repeated(MAILBOXES, self.mailboxes.number))
        old = self.relations
        relations = Relations(
            *(self._repeated(RELATIONS, column) for column in (old.mailbox, old.sender, old.relation, old.effective))
        )
        return persons, mailboxes, relations

    def _repeated(self, table: Table, values: Integers) -> Integers:
        rows = self.spoiled[table.name].repeating
        written = values.copy()
        written[rows] = written[rows - 1]
        return written


def make_country(mailboxes: int, seed: int) -> Country:
    """Makes a country of so many mailboxes; equal arguments give equal countries."""
    randoms = [np.random.Generator(np.random.PCG64(one)) for one in np.random.SeedSequence(seed).spawn(5)]
    roads = make_roads(randoms[0], max(mailboxes // ROADS_FOR_MAILBOXES, _FEWEST_ROADS))
    owners = round(mailboxes * SHARE_OF_PERSONS)
    persons, owning, addresses = make_persons(randoms[1], owners, len(roads.code))
    boxes = make_mailboxes(randoms[2], persons, owning, mailboxes)
    relations = make_relations(randoms[3], mailboxes)
    spoiled = {
        PERSONS.name: choose_rows(randoms[4], len(persons.number), BAD_PERSONS),
        MAILBOXES.name: choose_rows(randoms[4], mailboxes, BAD_MAILBOXES),
        RELATIONS.name: choose_rows(randoms[4], len(relations.sender), BAD_RELATIONS),
        ROADS.name: choose_rows(randoms[4], len(roads.code), BAD_ROADS),
    }
    return Country(roads, addresses, persons, boxes, relations, spoiled)
