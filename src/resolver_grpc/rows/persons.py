"""Rows of the persons table to persons.

Source of the rules: domain rules, sections 4 and 5. A row with a cell that can't be read is rejected whole,
but for a protection: one that can't be read holds always.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from resolver_grpc.canonical.address import Address, parse_door, parse_floor, parse_house_number, parse_postal_code
from resolver_grpc.canonical.kvhx import Kvhx, is_real_street
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.canonical.text import UnreadableError
from resolver_grpc.rows.cells import WHENEVER, BadRowError, Row, Span, parse_day_cell, read, read_optional, span_of_days

STATUSES = frozenset({"01", "03", "05", "07", "20", "30", "50", "60", "70", "80", "90"})
LIVING_THERE = frozenset({"01", "03", "05", "07"})
OUT_OF_EMAIL = frozenset({"30", "50", "60", "70", "80", "90"})
REPLACED = frozenset({"50", "60"})

_CODE = re.compile(r"[0-9]{4}|")
_MEMORY = 1 << 18


@dataclass(frozen=True, slots=True)
class Home:
    """Where a person is registered; any part may be empty where the register does not give it.

    Attributes:
        road: municipality and road code.
        streets: the canonical spellings of the street's name.
        postal_code: canonical, as are all that follow.
        town: the supplementary town.
        house_number: with it, floor and door.
    """

    road: tuple[str, str]
    streets: frozenset[str]
    postal_code: str
    town: str
    house_number: str = ""
    floor: str = ""
    door: str = ""

    @property
    def has_road(self) -> bool:
        """Whether it stands on a real street whose codes are known."""
        return all(self.road) and is_real_street(self.road[1])

    @property
    def has_key(self) -> bool:
        """Whether it can be addressed at all: a house number, and no road code that names no street."""
        return bool(self.house_number) and is_real_street(self.road[1] or "0000")

    @property
    def kvhx(self) -> Kvhx:
        """The address by its codes, of a home that has a road."""
        return Kvhx(*self.road, self.house_number, self.floor, self.door)

    def text(self, street: str, town: str = "") -> Address:
        """The address by one spelling of its street, with a supplementary town where it is needed."""
        return Address(self.postal_code, street, self.house_number, self.floor, self.door, town)


@dataclass(frozen=True, slots=True)
class Person:
    """A person in the register; which numbers lead to which stands in ``numbers.py``.

    Attributes:
        number: the person's CPR number.
        status: the register's two digits.
        names: the canonical words of the name that count: none, the first, or first and last.
        home: where the person is registered.
        protections: when the person is under name-and-address protection.
    """

    number: str
    status: str
    names: tuple[str, ...]
    home: Home
    protections: tuple[Span, ...]


def parse_person(row: Row) -> Person:
    """Reads a row of the persons table.

    Raises:
        BadRowError: a cell can't be read.
    """
    number, status = read(row, "number", parse_cpr), read_status(row["status"])
    # Who replaced whom is read from all rows alike, but a cell that can't be read rejects this one.
    read_optional(row, "current_number", parse_cpr)
    read_optional(row, "old_numbers", parse_cpr_list)
    return Person(
        number=number,
        status=status,
        names=name_words(row["full_name"]),
        home=parse_home(row),
        protections=parse_protections(row["protections"]),
    )


def read_status(text: str) -> str:
    """Reads the register's two digits.

    Raises:
        BadRowError: they are none of the register's.
    """
    status = text.strip()
    if status not in STATUSES:
        raise BadRowError("status", "is not one of the register's")
    return status


def parse_home(row: Row) -> Home:
    """Reads the address of a row of the persons table.

    Raises:
        BadRowError: a cell that is not blank can't be read.
    """
    return replace(
        parse_road_of_home(row),
        house_number=read(row, "house_number", read_house_number),
        floor=read(row, "floor", read_floor),
        door=read(row, "door", read_door),
    )


def read_home(  # noqa: PLR0913, PLR0917 - the cells of an address
    municipality_code: str,
    road_code: str,
    street_name: str,
    short_street_name: str,
    postal_code: str,
    supplementary_town: str,
    unit: tuple[str, str, str],
) -> Home:
    """Reads what ``parse_home`` does, faster, without telling which cell can't be read.

    Args:
        municipality_code: as are all that follow, the cell of that name.
        road_code: .
        street_name: .
        short_street_name: .
        postal_code: .
        supplementary_town: .
        unit: the cells of house number, floor and door.

    Raises:
        ValueError: a cell that is not blank can't be read.
    """
    house_number, floor, door = unit
    return Home(
        (read_code(municipality_code), read_code(road_code)),
        frozenset(read_street(name) for name in (street_name, short_street_name) if name.strip()),
        read_postal_code(postal_code),
        street_of(supplementary_town),
        read_house_number(house_number),
        read_floor(floor),
        read_door(door),
    )


def parse_road_of_home(row: Row) -> Home:
    """Reads only the road of an address, for a row whose other cells may be unreadable.

    Raises:
        BadRowError: a cell that is not blank can't be read.
    """
    return Home(
        road=(read(row, "municipality_code", parse_code), read(row, "road_code", parse_code)),
        streets=frozenset(
            read(row, column, read_street) for column in ("street_name", "short_street_name") if row[column].strip()
        ),
        postal_code=read(row, "postal_code", read_postal_code),
        town=street_of(row["supplementary_town"]),
    )


def parse_cpr_list(text: str) -> tuple[str, ...]:
    """Reads CPR numbers separated by ``;``."""
    return tuple(parse_cpr(part) for part in text.split(";"))


def parse_protections(text: str) -> tuple[Span, ...]:
    """Reads intervals ``FIRST_DAY/LAST_DAY`` separated by ``;``; total.

    One without a first day, unreadable or inverted, holds always (domain rules, section 5, "Time").
    """
    return tuple(parse_protection(part) for part in text.split(";")) if text.strip() else ()


@lru_cache(_MEMORY)
def parse_protection(text: str) -> Span:
    """Reads one interval ``FIRST_DAY/LAST_DAY``; total, as ``parse_protections`` is."""
    first, slash, last = text.strip().partition("/")
    try:
        span = span_of_days(parse_day_cell(first), parse_day_cell(last) if last.strip() else None)
    except ValueError:
        return WHENEVER
    return span if slash else WHENEVER


def name_words(full_name: str) -> tuple[str, ...]:
    """The canonical words of a name that count: none, the first, or the first and the last."""
    words = canonical_name_words(full_name)
    return (words[0], words[-1]) if len(words) > 1 else tuple(words)


def parse_code(text: str) -> str:
    """Reads a municipality's or a road's code of four digits; a blank cell is ``""``.

    Raises:
        UnreadableError: it is something else.
    """
    code = text.strip()
    if not _CODE.fullmatch(code):
        raise UnreadableError("not a code of four digits")
    return code


def _blank_or(parse: Callable[[str], str]) -> Callable[[str], str]:
    """Remembers readings, for a register repeats its streets and house numbers; a blank cell is ``""``."""
    return lru_cache(_MEMORY)(lambda text: parse(text) if text.strip() else "")


@lru_cache(_MEMORY)
def street_of(text: str) -> str:
    """The canonical form of a street's or a town's name, remembered; ``""`` where nothing of it can be read."""
    return canonical_street(text)


def _parse_street(text: str) -> str:
    street = street_of(text)
    if not street:
        raise UnreadableError("not a street")
    return street


read_street = _blank_or(_parse_street)
read_house_number = _blank_or(parse_house_number)
read_floor = _blank_or(parse_floor)
read_door = _blank_or(parse_door)
read_postal_code = _blank_or(parse_postal_code)

read_code = lru_cache(_MEMORY)(parse_code)
