"""Queries about one block of a population: mostly right, some wrong, some malformed.

What belongs here: what is asked about whom, by which sender, in which spelling. What the answer should be is
the brute force's business.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from resolver_grpc.build.population import names
from resolver_grpc.build.population.judging import may_be_found_by_address
from resolver_grpc.build.population.malformed import WAYS, spoil
from resolver_grpc.build.population.number_making import unknown_cpr, unknown_cvr
from resolver_grpc.build.population.number_reading import CPR_LENGTH
from resolver_grpc.build.population.senders import SENDERS
from resolver_grpc.build.population.spelling import (
    misspell,
    vary,
    vary_street,
    write_kvhx,
    write_line,
    write_unit,
)
from resolver_grpc.model import Kind, QueryRow, Sender

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from resolver_grpc.build.population.places import Block, Road
    from resolver_grpc.build.population.world import World

Row = dict[str, str]
SENDER_WEIGHTS = (25, 25, 12, 15, 10, 13)
KIND_WEIGHTS = {
    Kind.FULL_NAME: 50,
    Kind.FIRST_NAME: 8,
    Kind.ADDRESS: 14,
    Kind.EMAIL: 10,
    Kind.CPR: 13,
    Kind.CVR: 4,
    Kind.HANDLE: 1,
}
MISTAKES = ("name", "stranger", "house", "unit", "postal code", "road code", "street", "town")
NOWHERE = "nowhere.example"
UNKNOWN_ROAD_CODE = "9899"
_AIMED, _MALFORMED, _MISTAKEN, _PERSONAL, _UNALLOWED, _HALF = 0.88, 0.03, 0.06, 0.12, 0.04, 0.5
_KVHX, _LINE, _TOWN = 0.2, 0.5, 0.6


class AskedBy(NamedTuple):
    """A query with its sender and its request's flag."""

    sender: Sender
    personal_content: bool
    query: QueryRow


class QueryMaker:
    """Makes queries about one block after the other.

    Args:
        rng: what everything is drawn from.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._ways = cycle(range(WAYS))
        self._roads: dict[tuple[str, str], Road] = {}
        self._persons: Sequence[Row] = []
        self._mailboxes: Sequence[Row] = []
        self._reachable: Sequence[Row] = []

    def turn_to(self, block: Block, world: World, instant: int) -> None:
        """Ask about a block from now on.

        Args:
            block: the block with its roads.
            world: the block's rows.
            instant: the instant of judging, in UTC seconds.
        """
        self._roads = {(road.municipality, road.code): road for road in block.roads}
        self._persons = [dict(row) for row in world.persons if "full_name" in row]
        self._mailboxes = [dict(row) for row in world.mailboxes]
        reachable = {owner.number for owner in world.owners if may_be_found_by_address(owner, SENDERS[0], instant)}
        self._reachable = [row for row in self._persons if row["number"] in reachable]

    def make(self, reference: str) -> AskedBy:
        """Make one query; the ways of being malformed take turns."""
        rng = self._rng
        sender = rng.choices(SENDERS, SENDER_WEIGHTS)[0]
        personal_content = rng.random() < _PERSONAL
        if rng.random() < _MALFORMED:
            good = replace(self._good_query(), reference=reference)
            return AskedBy(sender, personal_content, spoil(good, next(self._ways)))
        kinds = sorted(sender.kinds if rng.random() > _UNALLOWED else KIND_WEIGHTS)
        kind = rng.choices(kinds, [KIND_WEIGHTS[kind] for kind in kinds])[0]
        return AskedBy(sender, personal_content, replace(self._query(kind), reference=reference))

    def _person(self) -> Row:
        rows = self._reachable if self._reachable and self._rng.random() < _AIMED else self._persons
        return self._rng.choice(rows)

    def _mailbox(self, *, of_organisation: bool) -> Row | None:
        rows = [row for row in self._mailboxes if (len(row["number"]) != CPR_LENGTH) == of_organisation]
        return self._rng.choice(rows) if rows else None

    def _road(self, row: Row) -> Road:
        code = (row.get("municipality_code", ""), row.get("road_code", ""))
        return self._roads.get(code) or next(iter(self._roads.values()))

    def _good_query(self) -> QueryRow:
        road = self._road(self._persons[0])
        return QueryRow(
            kind=Kind.FULL_NAME,
            full_name="Anne Hansen",
            street_name=road.name,
            house_number="1",
            postal_code=road.postal_code,
        )

    def _query(self, kind: Kind) -> QueryRow:
        rng = self._rng
        has_postal_address = rng.random() < _HALF
        if kind == Kind.HANDLE:
            return QueryRow(kind=kind, handle=rng.randbytes(16), has_postal_address=has_postal_address)
        if kind == Kind.EMAIL:
            return QueryRow(kind=kind, email_address=self._email(), has_postal_address=has_postal_address)
        if kind in {Kind.CPR, Kind.CVR}:
            return QueryRow(kind=kind, number=self._number(kind), has_postal_address=has_postal_address)
        row = dict(self._person())
        mistake = rng.choice(MISTAKES) if rng.random() < _MISTAKEN else ""
        if mistake:
            self._mistake(row, mistake)
        fields: dict[str, Any] = {**self._name(kind, row), **self._address(row, mistake)}
        return QueryRow(kind=kind, **fields)

    def _email(self) -> str:
        rng = self._rng
        emails = [row["email_address"] for row in self._mailboxes if row.get("email_address")]
        if not emails or rng.random() < _MISTAKEN:
            return f"{rng.choice(('anne', 'post', 'søren'))}.{rng.randrange(1000)}@{NOWHERE}"
        # Contested addresses are asked for more often than chance would have it.
        contested = [email for email in emails if emails.count(email) > 1]
        email = rng.choice(contested if contested and rng.random() < _MISTAKEN else emails)
        return rng.choice((email, email, email.upper(), f" {email} "))

    def _number(self, kind: Kind) -> str:
        rng = self._rng
        row = self._mailbox(of_organisation=kind == Kind.CVR)
        if row is None or rng.random() < _MISTAKEN:
            return unknown_cvr(rng) if kind == Kind.CVR else unknown_cpr(rng)
        number = row["number"]
        if kind == Kind.CPR and rng.random() < 1 - _AIMED:
            old = [person["number"] for person in self._persons if "current_number" in person]
            number = rng.choice(old) if old else self._person()["number"]
        dashed = kind == Kind.CPR and rng.random() < _HALF
        return f"{number[:6]}-{number[6:]}" if dashed else number

    def _mistake(self, row: Row, mistake: str) -> None:
        """Change a copied row of persons to what a mistaken sender would believe."""
        rng = self._rng
        if mistake == "name":
            row["full_name"] = misspell(rng, row["full_name"])
        elif mistake == "stranger":
            row["full_name"] = f"{names.draw_first_names(rng)} {names.draw(rng, names.LAST)}"
        elif mistake == "house":
            row["house_number"] = str(rng.randint(1, 999))
        elif mistake == "unit":
            row.update(floor=rng.choice(("st", "1", "2", "9", "")), door=rng.choice(("tv", "th", "mf", "12", "")))
        elif mistake == "postal code":
            row["postal_code"] = str(rng.randint(1050, 9990))
        elif mistake == "road code":
            row["road_code"] = UNKNOWN_ROAD_CODE

    def _name(self, kind: Kind, row: Row) -> Row:
        rng = self._rng
        words = row["full_name"].split()
        if kind == Kind.ADDRESS:
            return {}
        if kind == Kind.FIRST_NAME:
            return {"first_name": vary(rng, " ".join(words[:-1]))}
        if rng.random() < _HALF:
            return {"first_name": vary(rng, " ".join(words[:-1])), "last_name": vary(rng, " ".join(words[-1:]))}
        return {"full_name": vary(rng, rng.choice((" ".join(words), " ".join(words[:1] + words[-1:]))))}

    def _address(self, row: Row, mistake: str) -> Row:
        rng = self._rng
        road = self._road(row)
        if row.get("road_code", "") and rng.random() < _KVHX:
            return {"kvhx": write_kvhx(rng, row)}
        known = [name for name in (row.get("street_name"), row.get("short_street_name")) if name]
        street = vary_street(rng, rng.choice([road.name, *known]))
        if mistake == "street":
            street = misspell(rng, street)
        floor, door = row.get("floor", ""), row.get("door", "")
        town = vary(rng, road.town) if rng.random() < _TOWN or mistake == "town" else ""
        if mistake == "town":
            town = "Et Andet Sted"
        postal_code = row.get("postal_code", "")
        if rng.random() < _LINE:
            last = f"{postal_code} {road.district}" if rng.random() < _AIMED else f"DK-{postal_code}"
            unit = write_unit(rng, floor, door)
            return {"address_line": write_line(rng, street, row.get("house_number", ""), unit, (town, last))}
        return {
            "street_name": street,
            "house_number": vary(rng, row.get("house_number", "")),
            "floor": vary(rng, floor),
            "door": vary(rng, door),
            "postal_code": postal_code,
            "supplementary_town": town,
        }
