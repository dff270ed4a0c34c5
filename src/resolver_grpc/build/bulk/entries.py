"""Owners to the keys that lead to them; the rules are those of ``build/entries.py``.

The keys of a kind are made for many owners at once and handed on with their ordinals; no row of keys is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.following import NOWHERE
from resolver_grpc.build.bulk.numbers import is_person
from resolver_grpc.build.bulk.owners import Owners, Tables, number_part
from resolver_grpc.build.bulk.reach import Reach
from resolver_grpc.build.bulk.streets import taken
from resolver_grpc.build.bulk.texts import Encoded, Indices, utf8
from resolver_grpc.build.entries import keys_of_roads
from resolver_grpc.bulk_keys import Part, Texts, bulk_keys
from resolver_grpc.index.layout import KEY_BYTES
from resolver_grpc.index.pages import Keys, Ordinals, halves
from resolver_grpc.index.sorting import order_of_keys
from resolver_grpc.index.threads import aside
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact

Take: TypeAlias = Callable[[KeyKind, Keys, Ordinals], None]
"""Takes keys of one kind, and the ordinal that each leads to."""

_KVHX = (KeyKind.KVHX_ADDRESS, KeyKind.KVHX_FIRST_NAME, KeyKind.KVHX_FULL_NAME)
_TEXT = (KeyKind.TEXT_ADDRESS, KeyKind.TEXT_FIRST_NAME, KeyKind.TEXT_FULL_NAME)
_OWNERS_AT_ONCE = 1 << 19


@dataclass(frozen=True, eq=False, slots=True)
class Residents:
    """The owners who can be reached by address, and where they live.

    Attributes:
        ordinals: who they are, ascending.
        road_of: the place of their road among the streets.
        unit: the parts of the key that tell house number, floor and door.
        names: the parts of the key that tell first and last name.
    """

    ordinals: Ordinals
    road_of: Indices
    unit: tuple[Part, ...]
    names: tuple[Part, ...]

    def some(self, rows: npt.NDArray[np.integer] | slice) -> Residents:
        """Some of them, or some of them more than once."""
        unit, names = (tuple(taken(part, rows) for part in parts) for parts in (self.unit, self.names))
        return Residents(self.ordinals[rows], self.road_of[rows], unit, names)


class BulkEntries:
    """Makes the keys of all owners.

    Args:
        keys: makes keys.
        owners: in the order of their ordinals.
        tables: what the owners' rows say.
        reach: which owners can be reached; it is asked at once.
    """

    def __init__(self, keys: IndexKeys, owners: Owners, tables: Tables, reach: Reach) -> None:
        self._keys = keys
        self._owners = owners
        self._tables = tables
        self._by_email = reach.within((Fact.REGISTERED, Fact.CLAIM))
        self._by_address = reach.within((Fact.RESIDENT, Fact.CONSENT))
        self._streets = tables.streets
        self._residents = self._find_residents()

    def give_keys(self, take: Take) -> Ordinals:
        """Makes every key that leads to anybody.

        Args:
            take: takes the keys, kind by kind.

        Returns:
            By ordinal the number of the owner's address, from 1 in the order of the addresses' keys, equal where
            owners live together; 0 for owners who can't be reached by address.
        """
        addresses = aside(self._address_numbers)
        self._give_numbers(take)
        self._give_emails(take)
        for start in range(0, len(self._residents.ordinals), _OWNERS_AT_ONCE):
            some = self._residents.some(slice(start, start + _OWNERS_AT_ONCE))
            on_road = some.some(np.flatnonzero(self._streets.has_road[some.road_of]))
            self._give_places(take, on_road, _KVHX, self._kvhx(on_road))
            rows, texts = self._streets.texts_of(some.road_of)
            spelled = some.some(rows)
            self._give_places(take, spelled, _TEXT, self._text(spelled, texts))
        return addresses.result()

    def road_keys(self) -> Iterator[tuple[bytes, bool]]:
        """The keys that ``build/entries.py`` makes of shared streets."""
        return keys_of_roads(self._tables.shared, self._keys)

    def _find_residents(self) -> Residents:
        owners, homes = self._owners, self._tables.persons.homes
        ordinals = np.flatnonzero(self._by_address & (owners.persons != NOWHERE))
        rows = owners.persons[ordinals]
        keyed = homes.house_numbers.flags(bool)[rows] & homes.can_have_keys()[homes.road_of[rows]]
        ordinals, rows = ordinals[keyed], rows[keyed]
        unit = tuple(_part_of(column, rows) for column in (homes.house_numbers, homes.floors, homes.doors))
        words = self._tables.persons.names
        texts = Texts.of(words.words)
        names = Part(texts, words.firsts[rows]), Part(texts, words.lasts[rows])
        return Residents(ordinals.astype(np.uint32), homes.road_of[rows], unit, names)

    def _give_numbers(self, take: Take) -> None:
        numbers = self._owners.numbers
        for kind, chosen in ((KeyKind.CPR, is_person(numbers)), (KeyKind.CVR, ~is_person(numbers))):
            ordinals = np.flatnonzero(chosen).astype(np.uint32)
            take(kind, bulk_keys(self._keys, kind, [number_part(numbers[ordinals])]), ordinals)
        olds = [(old, ordinal) for ordinal, found in self._owners.old_numbers.items() for old in found]
        keys = [self._keys.key(KeyKind.CPR, old) for old, _ in olds]
        ordinals = np.array([ordinal for _, ordinal in olds], np.uint32)
        take(KeyKind.CPR, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES), ordinals)

    def _give_emails(self, take: Take) -> None:
        emails = self._tables.mailboxes.emails
        ordinals = np.flatnonzero(self._by_email).astype(np.uint32)
        text = utf8(emails.texts)
        part = Part(Texts(text.data, text.edges), emails.indices[self._owners.mailboxes[ordinals]])
        take(KeyKind.EMAIL, bulk_keys(self._keys, KeyKind.EMAIL, [part]), ordinals)

    def _give_places(self, take: Take, residents: Residents, kinds: tuple[KeyKind, ...], place: list[Part]) -> None:
        """Gives the keys of places: alone, with the first name, and with both."""
        parts = place
        rows: npt.NDArray[np.intp] = np.arange(len(residents.ordinals))
        for kind, name in zip(kinds, (None, *residents.names), strict=True):
            if name is not None:
                has_name = np.flatnonzero(name.indices[rows])
                rows = rows[has_name]
                parts = [*(taken(part, has_name) for part in parts), taken(name, rows)]
            take(kind, bulk_keys(self._keys, kind, parts), residents.ordinals[rows])

    def _address_keys(self, residents: Residents) -> Keys:
        """The key that stands for each one's address, all zeros where there is none."""
        keys = np.zeros((len(residents.ordinals), KEY_BYTES), np.uint8)
        on_road = self._streets.has_road[residents.road_of]
        has_text = np.diff(self._streets.first_text)[residents.road_of] > 0
        for rows, kind, parts_of in (
            (np.flatnonzero(on_road), KeyKind.KVHX_ADDRESS, self._kvhx),
            (np.flatnonzero(~on_road & has_text), KeyKind.TEXT_ADDRESS, self._lone_text),
        ):
            keys[rows] = bulk_keys(self._keys, kind, parts_of(residents.some(rows)))
        return keys

    def _kvhx(self, residents: Residents) -> list[Part]:
        return [*(taken(code, residents.road_of) for code in self._streets.codes), *residents.unit]

    def _text(self, residents: Residents, texts: npt.NDArray[np.int64]) -> list[Part]:
        streets = self._streets
        postal_codes = taken(streets.postal_codes, residents.road_of)
        return [postal_codes, taken(streets.streets, texts), *residents.unit, taken(streets.towns, texts)]

    def _lone_text(self, residents: Residents) -> list[Part]:
        """Without a road's codes all that the rows say of the street stands for it."""
        parts = (self._streets.postal_codes, self._streets.spellings, self._streets.own_towns)
        postal_codes, spellings, towns = (taken(part, residents.road_of) for part in parts)
        return [postal_codes, spellings, *residents.unit, towns]

    def _address_numbers(self) -> Ordinals:
        numbers = np.zeros(len(self._owners.numbers), np.uint32)
        numbers[self._residents.ordinals] = rank(self._address_keys(self._residents))
        return numbers


def rank(keys: Keys) -> Ordinals:
    """Numbers distinct keys from 1 in their order; keys of zeros, which stand for none, are 0."""
    order = order_of_keys(keys)
    high, low = halves(keys)
    high, low = high[order], low[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    ranks = np.empty(len(order), np.uint32)
    has_none = bool(len(order)) and not (high[0] or low[0])
    ranks[order] = np.cumsum(begins) - has_none
    return ranks


def _part_of(column: Encoded[str | None], rows: npt.NDArray[np.int64]) -> Part:
    return Part(Texts.of([text or "" for text in column.values]), column.indices[rows])
