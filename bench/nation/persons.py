"""The persons of a country: numbers, names, households, status, protections.

What belongs here: the plan of the persons table as arrays, and its columns. The rows are in the order of
their numbers, which tells nothing of who lives with whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nation import words
from nation.columns import day_texts, digits, joined, texts
from nation.drawing import (
    NONE,
    Integers,
    Mask,
    Random,
    day_number,
    draw_between,
    draw_cpr_numbers,
    only,
    pick,
    pick_zipf,
)
from nation.places import Addresses, Roads, door_texts, floor_texts, house_number_texts, make_addresses

if TYPE_CHECKING:
    from nation.columns import Column

REGISTER_DATE = "2026-11-01"

_STATUSES = (1, 3, 5, 7, 20, 70, 80, 90, 60)
_OF_OWNERS = (0.975, 0.003, 0.004, 0.001, 0.001, 0.001, 0.008, 0.007)
_OF_OTHERS = (0.545, 0.005, 0.01, 0.003, 0.005, 0.005, 0.127, 0.3)
_REPLACED = 60
_NOWHERE = (60, 80)
_SPECIAL_ROAD, _GREENLAND = 3, (5, 7)
_PERSONS_FOR_AN_OWNER, _SHARE_REPLACED = 1.15, 0.005
_HOUSEHOLDS = (0.46, 0.33, 0.1, 0.075, 0.025, 0.01)
_FAMILY_NAME, _MIDDLE, _SECOND_MIDDLE, _ONE_WORD = 0.75, 0.72, 0.2, 0.0005
_PROTECTED, _ENDED = 0.02, 0.3
_OLDEST_PROTECTION, _NEWEST_PROTECTION = day_number("2012-01-01"), day_number("2026-10-30")


@dataclass(frozen=True, slots=True)
class Persons:
    """The persons, in the order of their numbers; names and addresses as places in their lists.

    Attributes:
        number: the CPR number.
        status: the register's status.
        current_number: of a replaced number, the number in its place; else NONE.
        old_number: the number that this one took the place of, or NONE.
        first_name: a place in ``words.first_names()``; the lists of the others likewise.
        middle_names: two columns, NONE where there is no such name.
        last_name: NONE for a name of one word.
        address: a place among the addresses, NONE for those without one.
        protected_from: a day, or NONE.
        protected_to: a day, or NONE.
    """

    number: Integers
    status: Integers
    current_number: Integers
    old_number: Integers
    first_name: Integers
    middle_names: tuple[Integers, Integers]
    last_name: Integers
    address: Integers
    protected_from: Integers
    protected_to: Integers


def make_persons(rng: Random, owners: int, roads: int) -> tuple[Persons, Integers, Addresses]:
    """Makes the persons of a country.

    Returns:
        The persons, which of them have mailboxes (in no order), and the addresses of all.
    """
    count = int(owners * _PERSONS_FOR_AN_OWNER)
    number = draw_cpr_numbers(rng, count, REGISTER_DATE)
    shuffled = rng.permutation(count).astype(np.int32)
    status = np.empty(count, np.int32)
    status[shuffled[:owners]] = np.array(_STATUSES, np.int32)[pick(rng, _OF_OWNERS, owners)]
    status[shuffled[owners:]] = np.array(_STATUSES, np.int32)[pick(rng, _OF_OTHERS, count - owners)]
    replaced = shuffled[owners : owners + int(count * _SHARE_REPLACED)]
    in_their_place = shuffled[: len(replaced)]
    status[replaced] = _REPLACED
    current_number, old_number = np.full(count, NONE, np.int64), np.full(count, NONE, np.int64)
    current_number[replaced], old_number[in_their_place] = number[in_their_place], number[replaced]
    household, households = _make_households(rng, ~np.isin(status, _NOWHERE))
    protected_from, protected_to = _make_protections(rng, count)
    persons = Persons(
        number=number,
        status=status,
        current_number=current_number,
        old_number=old_number,
        first_name=pick_zipf(rng, len(words.first_names()), count),
        middle_names=(_make_middle_names(rng, count, _MIDDLE), _make_middle_names(rng, count, _SECOND_MIDDLE)),
        last_name=_make_last_names(rng, household, households),
        address=household,
        protected_from=protected_from,
        protected_to=protected_to,
    )
    return persons, rng.permutation(shuffled[:owners]), make_addresses(rng, roads, households)


def person_columns(persons: Persons, addresses: Addresses, roads: Roads, chosen: slice) -> dict[str, Column]:
    """Rows of the persons table."""
    status = persons.status[chosen]
    return {
        "number": digits(persons.number[chosen], 10),
        "status": digits(status, 2),
        "current_number": digits(persons.current_number[chosen], 10),
        "old_numbers": digits(persons.old_number[chosen], 10),
        "full_name": full_names(persons, np.arange(chosen.start, chosen.start + len(status))),
        **_home_columns(persons.address[chosen], status, addresses, roads),
        "protections": _protection_texts(persons.protected_from[chosen], persons.protected_to[chosen]),
    }


def full_names(persons: Persons, rows: Integers) -> Column:
    """Full names, of two words for most and of up to four."""
    middle = [texts(words.middle_names(), names[rows]) for names in persons.middle_names]
    first = texts(words.first_names(), persons.first_name[rows])
    last = texts(words.last_names(), persons.last_name[rows])
    return joined([first, *middle, last], " ", skip_nulls=True)


def street_names_known(road: Integers) -> Mask:
    """Of which roads the persons table has the name in full too: of half of them, as if from two sources."""
    known: Mask = road % 2 == 0
    return known


def _home_columns(address: Integers, status: Integers, addresses: Addresses, roads: Roads) -> dict[str, Column]:
    """The address of each; a special road code has neither street nor house, Greenland's buildings no number."""
    nowhere, special = address == NONE, status == _SPECIAL_ROAD
    road = addresses.road[address]
    houseless = nowhere | special | np.isin(status, _GREENLAND)
    street = np.where(nowhere | special, NONE, roads.street[road])
    code = np.where(special, 9_900 + road % 100, roads.code[road])
    return {
        "municipality_code": digits(np.where(nowhere, NONE, roads.municipality[road]), 4),
        "road_code": digits(np.where(nowhere, NONE, code), 4),
        "street_name": texts(words.streets().full, np.where(street_names_known(road), street, NONE)),
        "short_street_name": texts(words.streets().short, street),
        "house_number": house_number_texts(np.where(houseless, NONE, addresses.house[address])),
        "floor": floor_texts(np.where(houseless, NONE, addresses.floor[address])),
        "door": door_texts(np.where(houseless, NONE, addresses.door[address])),
        "supplementary_town": texts(words.towns(), np.where(nowhere, NONE, roads.town[road])),
        "postal_code": digits(np.where(nowhere, NONE, roads.postal_code[road]), 4),
    }


def _make_households(rng: Random, housed: Mask) -> tuple[Integers, int]:
    """Puts everyone who has an address into a household of one to six; tells how many households there are."""
    residents = int(housed.sum())
    edges = np.cumsum(1 + pick(rng, _HOUSEHOLDS, residents))
    households = int(np.searchsorted(edges, residents)) + 1
    place = np.searchsorted(edges, np.arange(residents), side="right").astype(np.int32)
    # Houses and flats stand one after the other among the addresses; a household of either size lives in either.
    household = np.full(len(housed), NONE, np.int32)
    household[housed] = rng.permutation(households).astype(np.int32)[rng.permutation(place)]
    return household, households


def _make_last_names(rng: Random, household: Integers, households: int) -> Integers:
    """Last names, which most share with their household."""
    own = pick_zipf(rng, len(words.last_names()), len(household))
    of_family = pick_zipf(rng, len(words.last_names()), households)[household]
    last = np.where((rng.random(len(household)) < _FAMILY_NAME) & (household != NONE), of_family, own)
    return only(rng, 1 - _ONE_WORD, last.astype(np.int32))


def _make_middle_names(rng: Random, count: int, share: float) -> Integers:
    return only(rng, share, pick_zipf(rng, len(words.middle_names()), count))


def _make_protections(rng: Random, count: int) -> tuple[Integers, Integers]:
    first = draw_between(rng, _OLDEST_PROTECTION, _NEWEST_PROTECTION, count)
    first = only(rng, _PROTECTED, first)
    last = only(rng, _ENDED, draw_between(rng, first, first + 1_500, count))
    return first, np.where(first == NONE, NONE, last).astype(np.int32)


def _protection_texts(first: Integers, last: Integers) -> Column:
    return joined([day_texts(first), day_texts(last).fill_null("")], "/")
