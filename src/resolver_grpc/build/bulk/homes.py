"""Where persons live, as columns; and the texts under which their street can be asked for.

Roads are few beside their residents: what a row says of its road is worked out once for each distinct
combination, by the rules of ``rows/persons.py`` and ``build/roads.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resolver_grpc.build.bulk.problems import Problems
from resolver_grpc.build.bulk.reading import read_noting
from resolver_grpc.build.bulk.texts import Column, Encoded, Flags, Indices, joint
from resolver_grpc.canonical.kvhx import is_real_street
from resolver_grpc.rows.persons import (
    Home,
    parse_code,
    read_door,
    read_floor,
    read_house_number,
    read_postal_code,
    read_street,
    street_of,
)

_NO_ROAD_CODE = "0000"
_NO_ROAD = Home(("", ""), frozenset(), "", "")
# In the order in which the plain way reads them, which decides what problem a row is rejected for.
_ROAD_READERS: dict[str, Callable[[str], str]] = {
    "municipality_code": parse_code,
    "road_code": parse_code,
    "street_name": read_street,
    "short_street_name": read_street,
    "postal_code": read_postal_code,
    "supplementary_town": street_of,
}


@dataclass(frozen=True, eq=False, slots=True)
class Homes:
    """Where the rows of the persons table live.

    Attributes:
        cells: of each distinct combination of cells, what they were read as, in the order of their readers.
        road_of: for each row the place of its combination.
        house_numbers: canonical; None where it can't be read, and so with floors and doors.
        floors: see there.
        doors: see there.
    """

    cells: list[Encoded[str | None]]
    road_of: Indices
    house_numbers: Encoded[str | None]
    floors: Encoded[str | None]
    doors: Encoded[str | None]

    def roads(self) -> list[Home]:
        """Gives the road of each combination, with as much of it as can be read.

        Nothing is known of those whose codes, postal code or both names can't be.
        """
        texts = [[cell.values[place] for place in cell.indices.tolist()] for cell in self.cells]
        return [_road(*parts) for parts in zip(*texts, strict=True)]

    def can_have_keys(self) -> Flags:
        """Of which combinations a home has keys if it has a house number: those whose road code names a street."""
        codes = self.cells[list(_ROAD_READERS).index("road_code")]
        return codes.flags(lambda code: is_real_street(code or _NO_ROAD_CODE))


def read_homes(column: Callable[[str], Column], problems: Problems) -> Homes:
    """Reads the columns of an address.

    Args:
        column: gives a column by its name.
        problems: where the rows are noted whose cells can't be read.
    """
    cells = {name: read_noting(column(name), parse, problems, name) for name, parse in _ROAD_READERS.items()}
    examples, road_of = joint(*(cell.indices for cell in cells.values()))
    combinations = [Encoded(cell.values, cell.indices[examples]) for cell in cells.values()]
    unit = [
        read_noting(column(name), parse, problems, name)
        for name, parse in (("house_number", read_house_number), ("floor", read_floor), ("door", read_door))
    ]
    return Homes(combinations, road_of, *unit)


def _road(*cells: str | None) -> Home:
    """Makes a road of what could be read of its cells, in the order of their readers."""
    municipality, road, street, short, postal, town = cells
    if municipality is None or road is None or postal is None or (street is None and short is None):
        return _NO_ROAD
    return Home((municipality, road), frozenset(name for name in (street, short) if name), postal, town or "")
