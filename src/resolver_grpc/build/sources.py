"""The rows of all tables as they are read: accepted, or rejected with whom they concern.

Nothing is brought together here yet, for that needs all rows; ``owners.py`` does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from resolver_grpc.build.numbers import Link
from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.roads import Roads, parse_nameless_road, parse_road
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.rows.cells import BadRowError, Row, parse_owner_number
from resolver_grpc.rows.mailboxes import Mailbox, RelationRow, parse_mailbox, parse_relation
from resolver_grpc.rows.persons import Home, Person, parse_person, parse_road_of_home

TWICE = "its number stands in more than one row"
_STREETLESS = {"street_name": "", "short_street_name": ""}


@dataclass(slots=True)
class Sources:
    """Everything that the tables say, row by row.

    Attributes:
        rejects: the rejected rows.
        roads: what is known of the register's roads, rejected persons' included.
        rows_read: how many rows each table had.
        persons: accepted persons by number, each with its row.
        mailboxes: accepted rows of the mailboxes table.
        relations: accepted rows of the relations table.
        links: old numbers with the numbers that took their place, rejected rows' included.
        bad_persons: numbers that rejected rows of the persons table speak for.
        bad_owners: numbers that rejected rows of the other tables belong to; old ones not yet followed.
        bad_mailboxes: those among them that rejected rows of the mailboxes table belong to.
        bad_claims: e-mail addresses that rejected rows claim; they go on contesting these.
    """

    rejects: Rejects = field(default_factory=Rejects)
    roads: Roads = field(default_factory=Roads)
    rows_read: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    persons: dict[str, tuple[int, Person]] = field(default_factory=dict)
    mailboxes: list[tuple[int, Mailbox]] = field(default_factory=list)
    relations: list[tuple[int, RelationRow]] = field(default_factory=list)
    links: set[Link] = field(default_factory=set)
    bad_persons: set[str] = field(default_factory=set)
    bad_owners: set[str] = field(default_factory=set)
    bad_mailboxes: set[str] = field(default_factory=set)
    bad_claims: set[str] = field(default_factory=set)
    _met: set[str] = field(default_factory=set)

    def add_person(self, row_number: int, row: Row) -> None:
        """Takes a row of the persons table."""
        self.rows_read["persons"] += 1
        self.links.update(_readable_links(row))
        try:
            person = parse_person(row)
        except BadRowError as error:
            self.rejects.add("persons", row_number, str(error))
            # With its own number unreadable, those that the row mentions are all that is known of its owner.
            self.bad_persons.update(readable(row["current_number"], parse_cpr), _readable_olds(row))
            self._leave_out(readable(row["number"], parse_cpr))
            for street in ("street_name", "short_street_name"):
                self._add_readable_road(parse_road_of_home, {**row, **_STREETLESS, street: row[street]})
            return
        self.roads.add(person.home)
        if person.number in self._met:
            self.rejects.add("persons", row_number, TWICE)
            self._leave_out([person.number])
            return
        self._met.add(person.number)
        self.persons[person.number] = row_number, person

    def add_mailbox(self, row_number: int, row: Row) -> None:
        """Takes a row of the mailboxes table."""
        self.rows_read["mailboxes"] += 1
        try:
            self.mailboxes.append((row_number, parse_mailbox(row)))
        except BadRowError as error:
            self.rejects.add("mailboxes", row_number, str(error))
            numbers = readable(row["number"], parse_owner_number)
            self.bad_mailboxes.update(numbers)
            self.bad_owners.update(numbers)
            self.bad_claims.update(readable(row["email_address"], parse_email))

    def add_relation(self, row_number: int, row: Row) -> None:
        """Takes a row of the relations table."""
        self.rows_read["relations"] += 1
        try:
            self.relations.append((row_number, parse_relation(row)))
        except BadRowError as error:
            self.rejects.add("relations", row_number, str(error))
            self.bad_owners.update(readable(row["number"], parse_owner_number))

    def add_road(self, row_number: int, row: Row) -> None:
        """Takes a row of the roads table."""
        self.rows_read["roads"] += 1
        try:
            self.roads.add_named(parse_road(row))
        except BadRowError as error:
            self.rejects.add("roads", row_number, str(error))
            # Where a road lies tells that a street or a town is not another road's alone.
            self._add_readable_road(parse_nameless_road, row)

    def _leave_out(self, numbers: list[str]) -> None:
        """Takes a person out, and rejects an earlier row of theirs too."""
        self.bad_persons.update(numbers)
        self._met.update(numbers)
        for number in numbers:
            if number in self.persons:
                self.rejects.add("persons", self.persons.pop(number)[0], TWICE)

    def _add_readable_road(self, parse: Callable[[Row], Home], row: Row) -> None:
        with suppress(BadRowError):
            self.roads.add(parse(row))


def readable(cell: str, parse: Callable[[str], str]) -> list[str]:
    """What a parser makes of a cell; nothing where it refuses it."""
    try:
        return [parse(cell)]
    except ValueError:
        return []


def _readable_links(row: Row) -> list[Link]:
    """What a row says of replaced numbers, as far as it can be read, even where the row is rejected."""
    links: list[Link] = []
    if not (row["current_number"] or row["old_numbers"]):
        return links
    for number in readable(row["number"], parse_cpr):
        links.extend((number, current) for current in readable(row["current_number"], parse_cpr))
        links.extend((old, number) for old in _readable_olds(row))
    return links


def _readable_olds(row: Row) -> list[str]:
    return [old for cell in row["old_numbers"].split(";") for old in readable(cell, parse_cpr)]
