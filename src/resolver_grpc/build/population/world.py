"""The slow reading of the tables together: who is an owner, who is out, which roads share a text.

What belongs here: what several rows mean at once (old numbers, doubles, rejected rows, roads). Everything is
a scan over all rows; nothing is hashed, nothing is judged by time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.build.population.address_reading import read_postal_code
from resolver_grpc.build.population.folding import fold_street
from resolver_grpc.build.population.number_reading import read_cpr, read_email, read_owner_number
from resolver_grpc.build.population.rows import (
    Mailbox,
    Person,
    Relation,
    Row,
    cell,
    read_code,
    read_current_links,
    read_mailbox,
    read_person,
    read_relation,
    read_streets,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

REPLACED_STATUSES = frozenset({"50", "60"})
NO_REAL_STREET = "99"
RoadCode = tuple[str, str]


class Owner(NamedTuple):
    """Someone known by a current number, with their rows; none of the rows was rejected."""

    number: str
    person: Person | None
    mailbox: Mailbox | None
    relations: tuple[Relation, ...]
    streets: tuple[str, ...]


class Claim(NamedTuple):
    """One owner's claim of an e-mail address; without a mailbox its row was rejected, and it always holds."""

    owner: str
    email: str
    mailbox: Mailbox | None


class RoadText(NamedTuple):
    """One road as one row spells it."""

    road: RoadCode
    postal_code: str
    streets: tuple[str, ...]
    town: str


@dataclass(frozen=True)
class World:
    """The rows of the four tables, whole or narrowed to what a query may meet, and the register's day.

    Attributes:
        persons: rows of persons, as ``build/schema.py`` has them.
        mailboxes: rows of mailboxes.
        relations: rows of relations.
        roads: rows of roads.
        register_date: the day before which nothing is answered.
    """

    persons: Sequence[Row]
    mailboxes: Sequence[Row]
    relations: Sequence[Row]
    roads: Sequence[Row]
    register_date: date

    @cached_property
    def links(self) -> list[tuple[str, str]]:
        """Every stated pair (old number, current number)."""
        return sorted({link for row in self.persons for link in read_current_links(row)})

    def current_number(self, number: str) -> str:
        """Follow old numbers to the current one; only for numbers that are not out."""
        for old, current in self.links:
            if old == number:
                return self.current_number(current)
        return number

    @cached_property
    def _read_persons(self) -> list[tuple[Row, Person | None]]:
        return [(row, read_person(row)) for row in self.persons]

    @cached_property
    def _read_mailboxes(self) -> list[tuple[Row, Mailbox | None]]:
        return [(row, read_mailbox(row)) for row in self.mailboxes]

    @cached_property
    def _read_relations(self) -> list[tuple[Row, Relation | None]]:
        return [(row, read_relation(row)) for row in self.relations]

    @cached_property
    def _broken(self) -> frozenset[str]:
        return self._with_linked(self._conflicting() | self._of_rejected_persons())

    @cached_property
    def out(self) -> frozenset[str]:
        """The numbers of the owners that a rejected row takes out, their old and newer numbers too."""
        return self._with_linked(self._broken | self._of_other_rejected_rows() | self._doubled())

    def _with_linked(self, numbers: Iterable[str]) -> frozenset[str]:
        linked = set(numbers)
        grown = True
        while grown:
            more = {end for link in self.links if linked.intersection(link) for end in link}
            grown = not more <= linked
            linked |= more
        return frozenset(linked)

    def _conflicting(self) -> set[str]:
        old_numbers = Counter(old for old, _ in self.links)
        numbers = {old for old, count in old_numbers.items() if count > 1}
        for old in old_numbers:
            statuses = {cell(row, "status") for row in self.persons if read_cpr(cell(row, "number")) == old}
            if statuses - REPLACED_STATUSES:
                numbers.add(old)
            reached = {old}
            while (more := {current for start, current in self.links if start in reached}) - reached:
                reached |= more
            if any((start, old) in self.links for start in reached):
                numbers.add(old)
        return numbers

    def _of_rejected_persons(self) -> set[str]:
        numbers = {
            read_cpr(text)
            for row, person in self._read_persons
            if person is None
            for text in (cell(row, "number"), cell(row, "current_number"), *cell(row, "old_numbers").split(";"))
        }
        return {number for number in numbers if number is not None}

    def _of_other_rejected_rows(self) -> set[str]:
        numbers = {_number(row) for row, mailbox in self._read_mailboxes if mailbox is None}
        numbers |= {_number(row) for row, relation in self._read_relations if relation is None}
        return {number for number in numbers if number is not None}

    def _doubled(self) -> set[str]:
        """Return the owners with two rows where one is allowed."""
        persons = Counter(read_cpr(cell(row, "number")) for row, _ in self._read_persons)
        relations = Counter(
            (self._owner_of(row), relation.sender_id, relation.relation)
            for row, relation in self._read_relations
            if relation is not None
        )
        doubled = {number for number, count in persons.items() if count > 1}
        doubled |= {number for (number, _, _), count in relations.items() if count > 1}
        return {number for number in doubled if number is not None} | self._doubled_mailboxes

    @cached_property
    def _doubled_mailboxes(self) -> set[str]:
        owners = Counter(self._owner_of(row) for row, _ in self._read_mailboxes)
        return {owner for owner, count in owners.items() if count > 1 and owner is not None}

    def _owner_of(self, row: Row) -> str | None:
        """Return the current number of a row's owner; the row's own number where it can't be followed."""
        number = _number(row)
        return number if number is None or number in self._broken else self.current_number(number)

    @cached_property
    def owners(self) -> list[Owner]:
        """Everyone who is not out and has a row of persons or mailboxes, by current number."""
        persons = {person.number: person for _, person in self._read_persons if person}
        mailboxes = {
            self.current_number(mailbox.number): mailbox
            for _, mailbox in self._read_mailboxes
            if mailbox and mailbox.number not in self.out
        }
        relations: dict[str, list[Relation]] = {}
        for _, relation in self._read_relations:
            if relation and relation.number not in self.out:
                relations.setdefault(self.current_number(relation.number), []).append(relation)
        return [
            Owner(
                number,
                person := persons.get(number),
                mailboxes.get(number),
                tuple(relations.get(number, ())),
                self._spellings(person) if person else (),
            )
            for number in sorted({*persons, *mailboxes} - self.out)
            if self.current_number(number) == number
        ]

    def _spellings(self, person: Person) -> tuple[str, ...]:
        """Return the canonical streets of a person's road, by the person's row and the table of roads."""
        road = (person.kvhx.municipality, person.kvhx.road)
        readable = [row for row in self.roads if fold_street(cell(row, "name"))]
        texts = [text for row in readable if (text := _road_text(row, "name", "short_name")) and text.road == road]
        return tuple(sorted({*person.streets, *(street for text in texts for street in text.streets)}))

    @cached_property
    def claims(self) -> list[Claim]:
        """Every claim of an e-mail address, in force or not; those of rejected rows hold always."""
        claims = []
        for row, mailbox in self._read_mailboxes:
            email, owner = read_email(cell(row, "email_address")), self._owner_of(row)
            if email is not None:
                is_rejected = mailbox is None or owner in self._doubled_mailboxes
                claims.append(Claim(owner or "", email, None if is_rejected else mailbox))
        return claims

    @cached_property
    def road_texts(self) -> list[RoadText]:
        """Every road as persons and the table of roads spell it, rejected rows too; special road codes are no roads."""
        texts = [_road_text(row, "street_name", "short_street_name") for row in self.persons]
        texts += [_road_text(row, "name", "short_name") for row in self.roads]
        return sorted({text for text in texts if text and not text.road[1].startswith(NO_REAL_STREET)})

    @cached_property
    def streets_by_road(self) -> dict[RoadCode, set[str]]:
        """The canonical streets that any row gives a road."""
        streets: dict[RoadCode, set[str]] = {}
        for text in self.road_texts:
            streets.setdefault(text.road, set()).update(text.streets)
        return streets


def _number(row: Row) -> str | None:
    return read_owner_number(cell(row, "number"))


def _road_text(row: Row, *columns: str) -> RoadText | None:
    municipality, road = read_code(cell(row, "municipality_code")), read_code(cell(row, "road_code"))
    postal_code = read_postal_code(cell(row, "postal_code"))
    if not cell(row, "postal_code"):
        postal_code = ""  # what the road is called counts all the same
    if municipality is None or road is None or postal_code is None:
        return None
    return RoadText(
        (municipality, road),
        postal_code,
        read_streets(*(cell(row, column) for column in columns)),
        fold_street(cell(row, "supplementary_town")),
    )
