"""The register's roads: their spellings, and which text belongs to several of them.

Source of the rules: domain rules, section 4, "Two spellings" and "One text, two roads".
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

from resolver_grpc.canonical.address import parse_postal_code
from resolver_grpc.rows.cells import BadRowError, Row, read
from resolver_grpc.rows.persons import Home, street_of

Road = tuple[str, str]
"""Municipality code and road code, four digits each."""

CODE_DIGITS = 4
_MEMORY = 1 << 16

_postal_code = lru_cache(_MEMORY)(parse_postal_code)


def parse_road(row: Row) -> Home:
    """Reads a row of the roads table, as a home without a house.

    Raises:
        BadRowError: a cell can't be read.
    """
    home = parse_nameless_road(row)
    if not street_of(row["name"]):
        raise BadRowError("name", "can't be read")
    return home


def parse_nameless_road(row: Row) -> Home:
    """Reads where a road lies, and those of its names that can be read.

    Raises:
        BadRowError: another cell than a name can't be read.
    """
    road = (row["municipality_code"].strip(), row["road_code"].strip())
    for column, code in zip(("municipality_code", "road_code"), road, strict=True):
        if len(code) != CODE_DIGITS or not code.isascii() or not code.isdecimal():
            raise BadRowError(column, "can't be read")
    names = [street_of(row["name"]), street_of(row["short_name"])]
    postal_code = read(row, "postal_code", _postal_code)
    town = street_of(row["supplementary_town"])
    return Home(road, frozenset(name for name in names if name), postal_code, town)


@dataclass(slots=True)
class Roads:
    """What the persons and the roads table say of the register's roads, taken together."""

    _spellings: defaultdict[Road, set[str]] = field(default_factory=lambda: defaultdict(set))
    _names: defaultdict[Road, set[str]] = field(default_factory=lambda: defaultdict(set))
    _places: defaultdict[Road, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))

    def add(self, home: Home) -> None:
        """Notes what one row says of its road; a road code that names no street is none."""
        if home.has_road:
            self._spellings[home.road] |= home.streets
            if home.postal_code:
                self._places[home.road].add((home.postal_code, home.town))

    def add_named(self, home: Home) -> None:
        """Notes a row of the roads table: its names are those of everyone's home on that road."""
        self.add(home)
        self._names[home.road] |= home.streets

    def spellings(self, home: Home) -> set[str]:
        """The canonical spellings of a home's street: its own row's and the roads table's.

        Not those of a neighbour's row: one wrong road code there would lend a whole road a strange name.
        """
        return self._names.get(home.road, set()) | home.streets

    def shared(self) -> SharedStreets:
        """Works out the streets that several roads of one postal code share."""
        roads: defaultdict[tuple[str, str], set[Road]] = defaultdict(set)
        towns: defaultdict[tuple[str, str, str], set[Road]] = defaultdict(set)
        for road, places in self._places.items():
            for street in self._spellings[road]:
                for postal_code, town in places:
                    roads[postal_code, street].add(road)
                    towns[postal_code, street, town].add(road)
        streets = frozenset(street for street, found in roads.items() if len(found) > 1)
        telling: defaultdict[tuple[str, str, Road], list[str]] = defaultdict(list)
        for (postal_code, street, town), found in sorted(towns.items()):
            if (postal_code, street) in streets and town and len(found) == 1:
                telling[postal_code, street, min(found)].append(town)
        return SharedStreets(streets, dict(telling))


@dataclass(frozen=True, slots=True)
class SharedStreets:
    """Texts that belong to several roads, and the towns that tell these apart.

    Attributes:
        streets: postal code and canonical street.
        telling: for postal code, canonical street and one road, the towns that lead to it alone.
    """

    streets: frozenset[tuple[str, str]]
    telling: dict[tuple[str, str, Road], list[str]]
