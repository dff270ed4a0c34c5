"""The slow reading of single table rows: cells to values, or None for a row that is to be rejected.

What belongs here: one row at a time; what several rows mean together stands in ``world.py``. A row is a
``dict[str, str]`` with the columns of ``build/schema.py``, an empty cell being "".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from resolver_grpc.build.population.address_reading import (
    Kvhx,
    Place,
    read_door,
    read_floor,
    read_house_number,
    read_postal_code,
)
from resolver_grpc.build.population.dates import FOREVER, midnight, midnight_after, read_day, read_time
from resolver_grpc.build.population.folding import fold_street, name_words
from resolver_grpc.build.population.number_reading import CPR_LENGTH, read_cpr, read_email, read_owner_number

Row = Mapping[str, str]
Interval = tuple[int, int]
ALWAYS: Interval = (-FOREVER, FOREVER)
STATUSES = frozenset("01 03 05 07 20 30 50 60 70 80 90".split())
SENDER_ID_LENGTH = 64
RELATIONS = frozenset({"SUBSCRIBED", "BOUND", "OPTED_OUT"})
Value = TypeVar("Value")


class UnreadableCellError(ValueError):
    """A cell that can't be read: its row is to be rejected."""


class Person(NamedTuple):
    """A readable row of persons; what is absent is ""."""

    number: str
    status: str
    name: tuple[str, ...]
    streets: tuple[str, ...]
    place: Place
    kvhx: Kvhx
    protections: tuple[Interval, ...]


class Mailbox(NamedTuple):
    """A readable row of mailboxes, times in UTC seconds; intervals are half open."""

    number: str
    opened: int
    closed: int | None
    private_closed: int | None
    last_login: int | None
    consent_given: int | None
    consent_withdrawn: int | None
    email: str
    verified: int | None
    claimed: int | None
    dropped: int | None
    exempt: Interval | None
    forwarding_address: str
    forwarding: Interval | None


class Relation(NamedTuple):
    """A readable row of relations."""

    number: str
    sender_id: str
    relation: str
    effective: int


def cell(row: Row, column: str) -> str:
    """Return a cell's text, blanks around it dropped."""
    return row.get(column, "").strip()


def _read(row: Row, column: str, reader: Callable[[str], Value | None]) -> Value:
    value = reader(cell(row, column))
    if value is None:
        raise UnreadableCellError(column)
    return value


def _read_optional(row: Row, column: str, reader: Callable[[str], Value | None]) -> Value | None:
    return _read(row, column, reader) if cell(row, column) else None


def _part(row: Row, column: str, reader: Callable[[str], str | None]) -> str:
    return _read_optional(row, column, reader) or ""


def _street(text: str) -> str | None:
    return fold_street(text) or None


def _status(text: str) -> str | None:
    return text if text in STATUSES else None


def read_code(text: str) -> str | None:
    """Read a municipality, road or postal code: four digits; None if it can't be read."""
    return text if re.fullmatch(r"[0-9]{4}", text) else None


def read_streets(*spellings: str) -> tuple[str, ...]:
    """Return the distinct canonical streets of a road's spellings, without those that fold to nothing."""
    return tuple(sorted({fold_street(spelling) for spelling in spellings} - {""}))


def _read_protection(text: str) -> Interval:
    first, slash, last = text.strip().partition("/")
    first_day, last_day = read_day(first.strip()), read_day(last.strip())
    if not slash or first_day is None or (last.strip() and last_day is None):
        return ALWAYS
    if last_day is None:
        return midnight(first_day), FOREVER
    return ALWAYS if last_day < first_day else (midnight(first_day), midnight_after(last_day))


def read_protections(text: str) -> tuple[Interval, ...]:
    """Read the protections' intervals; what has no start, is unreadable or inverted holds always."""
    return tuple(_read_protection(interval) for interval in text.split(";")) if text else ()


def read_current_links(row: Row) -> list[tuple[str, str]]:
    """Return the pairs (old number, current number) that a row of persons states, if its number can be read."""
    number = read_cpr(cell(row, "number"))
    if number is None:
        return []
    links = [(read_cpr(old), number) for old in cell(row, "old_numbers").split(";") if old.strip()]
    current = read_cpr(cell(row, "current_number"))
    if current is not None:
        links.append((number, current))
    return [(old, new) for old, new in links if old is not None]


def read_person(row: Row) -> Person | None:
    """Read a row of persons; None if it is to be rejected."""
    try:
        _read_optional(row, "current_number", read_cpr)
        if cell(row, "old_numbers") and None in map(read_cpr, cell(row, "old_numbers").split(";")):
            return None
        house_number = _part(row, "house_number", read_house_number)
        floor, door = _part(row, "floor", read_floor), _part(row, "door", read_door)
        streets = tuple(_part(row, column, _street) for column in ("street_name", "short_street_name"))
        town = fold_street(cell(row, "supplementary_town"))
        place = Place(_part(row, "postal_code", read_postal_code), "", house_number, floor, door, town)
        codes = _part(row, "municipality_code", read_code), _part(row, "road_code", read_code)
        return Person(
            _read(row, "number", read_cpr),
            _read(row, "status", _status),
            tuple(name_words(cell(row, "full_name"))),
            read_streets(*streets),
            place,
            Kvhx(*codes, house_number, floor, door),
            read_protections(cell(row, "protections")),
        )
    except UnreadableCellError:
        return None


def _read_interval(row: Row, first_column: str, last_column: str) -> Interval | None:
    first, last = _read_optional(row, first_column, read_day), _read_optional(row, last_column, read_day)
    if first is None and last is None:
        return None
    if first is not None and last is not None and last < first:
        raise UnreadableCellError(last_column)
    return (midnight(first) if first else -FOREVER, midnight_after(last) if last else FOREVER)


def read_mailbox(row: Row) -> Mailbox | None:
    """Read a row of mailboxes; None if it is to be rejected."""
    try:
        number = _read(row, "number", read_owner_number)
        forwarding_address = _part(row, "forwarding_address", read_email)
        forwarding = _read_interval(row, "forwarding_from", "forwarding_to")
        if forwarding and not forwarding_address:
            return None
        if len(number) == CPR_LENGTH and (forwarding_address or forwarding):
            return None
        return Mailbox(
            number,
            _read(row, "opened", read_time),
            _read_optional(row, "closed", read_time),
            _read_optional(row, "private_closed", read_time),
            _read_optional(row, "last_login", read_time),
            _read_optional(row, "address_consent_given", read_time),
            _read_optional(row, "address_consent_withdrawn", read_time),
            _part(row, "email_address", read_email),
            _read_optional(row, "email_verified", read_time),
            _read_optional(row, "email_claimed", read_time),
            _read_optional(row, "email_dropped", read_time),
            _read_interval(row, "exempt_from", "exempt_to"),
            forwarding_address,
            (forwarding or ALWAYS) if forwarding_address else None,
        )
    except UnreadableCellError:
        return None


def _relation(text: str) -> str | None:
    return text if text in RELATIONS else None


def _sender_id(text: str) -> str | None:
    return text if text and len(text) <= SENDER_ID_LENGTH else None


def read_relation(row: Row) -> Relation | None:
    """Read a row of relations; None if it is to be rejected."""
    try:
        return Relation(
            _read(row, "number", read_owner_number),
            _read(row, "sender_id", _sender_id),
            _read(row, "relation", _relation),
            _read(row, "effective_time", read_time),
        )
    except UnreadableCellError:
        return None
