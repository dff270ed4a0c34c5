"""Where a country's people live: roads in postal codes and municipalities, and the addresses on them.

What belongs here: the plan of places as arrays, and their columns of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nation import words
from nation.columns import digits, texts
from nation.drawing import NONE, Integers, Mask, Random, only, pick

if TYPE_CHECKING:
    from nation.columns import Column

ROADS_FOR_MAILBOXES = 50
_ROADS_OF_A_POSTAL_CODE, _POSTAL_CODES_OF_A_MUNICIPALITY, _MUNICIPALITIES, _POSTAL_CODES = 165, 6, 98, 600
_FIRST_MUNICIPALITY, _STREET_CODES, _CODE_STEP = 101, 9_899, 7_919
_TOWNS_OF_A_POSTAL_CODE = 12
_SHARED_OF, _WITH_TOWN = 50, 0.2
_NUMBERS_WITHOUT_LETTER, _LETTER_EVERY = 1_100, 10
_FLOORS = ("st", "1", "2", "3", "4")
_DOORS = ("tv", "th", "tv", "mf", "th", *(str(number) for number in range(1, 11)))
_LAYOUT_FLOORS, _LAYOUT_DOORS = np.array([2, 4, 5, 5, 4]), np.array([2, 2, 2, 3, 10])
_LAYOUT_FIRST_DOOR, _LAYOUT_WEIGHTS = np.array([0, 0, 0, 2, 5]), (0.3, 0.4, 0.2, 0.08, 0.02)


@dataclass(frozen=True, slots=True)
class Roads:
    """The roads, each with where it lies and its place in the lists of streets and towns.

    Attributes:
        municipality: its code.
        code: the road's code within it.
        street: its place in ``words.streets()``.
        town: its place in ``words.towns()``, or NONE.
        postal_code: the postal code.
        shared: whether another road of the postal code has the same name.
    """

    municipality: Integers
    code: Integers
    street: Integers
    town: Integers
    postal_code: Integers
    shared: Mask


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses: the road, the house's rank on it, floor and door as places in lists, or NONE."""

    road: Integers
    house: Integers
    floor: Integers
    door: Integers


def make_roads(rng: Random, count: int) -> Roads:
    """Lays out so many roads; of fifty roads of a postal code, two share their name."""
    postal_codes = min(max(count // _ROADS_OF_A_POSTAL_CODE, 2), _POSTAL_CODES)
    municipalities = min(max(postal_codes // _POSTAL_CODES_OF_A_MUNICIPALITY, 1), _MUNICIPALITIES)
    codes = np.sort(rng.choice(np.arange(1_000, 9_990), postal_codes, replace=False)).astype(np.int32)
    lies_in = np.arange(count) * postal_codes // count
    municipality = lies_in * municipalities // postal_codes
    first_of_postal_code = np.searchsorted(lies_in, np.arange(postal_codes + 1))
    rank_in_municipality = np.arange(count) - np.searchsorted(municipality, municipality)
    own_towns = lies_in * _TOWNS_OF_A_POSTAL_CODE
    street = np.empty(count, np.int32)
    town = only(rng, _WITH_TOWN, rng.integers(0, _TOWNS_OF_A_POSTAL_CODE, count).astype(np.int32))
    shared = np.zeros(count, np.bool_)
    for begin, end in pairwise(first_of_postal_code):
        street[begin:end] = rng.choice(len(words.streets().full), end - begin, replace=False)
        pairs = np.arange((end - begin) // _SHARED_OF)
        street[end - 1 - pairs] = street[begin + pairs]
        town[begin + pairs], town[end - 1 - pairs] = pairs % 6, pairs % 6 + 6
        shared[begin + pairs] = shared[end - 1 - pairs] = True
    return Roads(
        municipality=(_FIRST_MUNICIPALITY + municipality).astype(np.int32),
        code=(1 + rank_in_municipality * _CODE_STEP % _STREET_CODES).astype(np.int32),
        street=street,
        town=np.where(town == NONE, NONE, (town + own_towns) % len(words.towns())).astype(np.int32),
        postal_code=codes[lies_in],
        shared=shared,
    )


def make_addresses(rng: Random, roads: int, count: int) -> Addresses:
    """Lays out so many addresses on so many roads: half of them houses, the others flats of several layouts."""
    houses = count // 2
    layout = pick(rng, _LAYOUT_WEIGHTS, (count - houses) // 4 + 1)
    edges = np.cumsum(_LAYOUT_FLOORS[layout] * _LAYOUT_DOORS[layout])
    flat = np.arange(count - houses)
    building = np.searchsorted(edges, flat, side="right")
    unit = flat - np.where(building > 0, edges[building - 1], 0)
    doors = _LAYOUT_DOORS[layout[building]]
    none = np.full(houses, NONE, np.int32)
    entrance = np.concatenate([np.arange(houses), houses + building])
    road, house = _place_entrances(rng, roads, int(entrance[-1]) + 1)
    return Addresses(
        road=road[entrance],
        house=house[entrance],
        floor=np.concatenate([none, unit // doors]).astype(np.int32),
        door=np.concatenate([none, _LAYOUT_FIRST_DOOR[layout[building]] + unit % doors]).astype(np.int32),
    )


def _place_entrances(rng: Random, roads: int, count: int) -> tuple[Integers, Integers]:
    """Gives each entrance a road, of which some are much longer than others, and its rank there."""
    road = pick(rng, rng.lognormal(0, 1, roads), count)
    order = np.argsort(road, kind="stable")
    rank = np.empty(count, np.int32)
    rank[order] = np.arange(count) - np.searchsorted(road[order], road[order])
    return road, rank


def house_number_texts(house: Integers) -> Column:
    """House numbers by rank: of eleven houses on a road one shares its number and has a letter."""
    highest = int(house.max(initial=0))
    return texts([_house_number(rank) for rank in range(highest + 1)], house)


def floor_texts(floor: Integers) -> Column:
    """Floors."""
    return texts(_FLOORS, floor)


def door_texts(door: Integers) -> Column:
    """Doors."""
    return texts(_DOORS, door)


def road_columns(roads: Roads, chosen: slice) -> dict[str, Column]:
    """Rows of the roads table."""
    street = roads.street[chosen]
    return {
        "municipality_code": digits(roads.municipality[chosen], 4),
        "road_code": digits(roads.code[chosen], 4),
        "name": texts(words.streets().full, street),
        "short_name": texts(words.streets().short, street),
        "supplementary_town": texts(words.towns(), roads.town[chosen]),
        "postal_code": digits(roads.postal_code[chosen], 4),
    }


def _house_number(rank: int) -> str:
    round_, rank = divmod(rank, _NUMBERS_WITHOUT_LETTER)
    letter = chr(ord("B") + 2 * round_ + 1) if round_ else ""
    if rank % _LETTER_EVERY == 1:
        letter = chr(ord("B") + 2 * round_)
    return f"{1 + rank * (_LETTER_EVERY - 1) // _LETTER_EVERY}{letter}"
