"""The roads of residents: under which texts each can be asked for, as parts of keys.

The rules are those of ``build/entries.py`` and ``build/roads.py``, worked out once for each distinct road of the
rows instead of once for each resident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.texts import Flags, Indices
from resolver_grpc.build.roads import Roads, SharedStreets
from resolver_grpc.bulk_keys import Part, Texts
from resolver_grpc.rows.persons import Home


@dataclass(frozen=True, eq=False, slots=True)
class Streets:
    """Distinct roads of the rows, and the texts of each.

    Attributes:
        has_road: which stand on a real street whose codes are known.
        codes: of each road, its municipality and its road code.
        postal_codes: of each road, its postal code.
        first_text: where the texts of each road begin, and where the last road's end.
        streets: of each text, the canonical street.
        towns: of each text, the supplementary town that tells the road, ``""`` for none.
        spellings: of each road, all spellings in one, for an address that only a text can name.
        own_towns: of each road, the supplementary town that its rows state.
    """

    has_road: Flags
    codes: tuple[Part, Part]
    postal_codes: Part
    first_text: npt.NDArray[np.int64]
    streets: Part
    towns: Part
    spellings: Part
    own_towns: Part

    def texts_of(self, road_of: Indices) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Gives every text of the roads of some rows.

        Returns:
            The place among the rows, once for each text of its road, and the texts.
        """
        counts = np.diff(self.first_text)[road_of]
        rows = np.repeat(np.arange(len(road_of)), counts)
        before = np.cumsum(counts) - counts
        return rows, np.arange(len(rows)) + np.repeat(self.first_text[road_of] - before, counts)


def streets_of(homes: list[Home], roads: Roads, shared: SharedStreets) -> Streets:
    """Works out the texts of some roads.

    Args:
        homes: where the residents live, without their houses.
        roads: the register's roads.
        shared: the texts that several of them share.
    """
    telling = shared.telling
    spelled = [sorted(roads.spellings(home)) if home.postal_code else [] for home in homes]
    texts: list[tuple[str, str]] = []
    firsts = [0]
    for home, spellings in zip(homes, spelled, strict=True):
        for street in spellings:
            towns = telling.get((home.postal_code, street, home.road), [])
            texts.extend((street, town) for town in ("", *towns))
        firsts.append(len(texts))
    return Streets(
        has_road=np.array([home.has_road for home in homes], np.bool_),
        codes=(_part(home.road[0] for home in homes), _part(home.road[1] for home in homes)),
        postal_codes=_part(home.postal_code for home in homes),
        first_text=np.array(firsts, np.int64),
        streets=_part(street for street, _ in texts),
        towns=_part(town for _, town in texts),
        spellings=_part(" ".join(spellings) for spellings in spelled),
        own_towns=_part(home.town for home in homes),
    )


def taken(part: Part, rows: npt.NDArray[np.integer] | slice) -> Part:
    """A part of the keys of some rows."""
    return Part(part.texts, part.indices[rows])


def _part(texts: Iterable[str]) -> Part:
    places: dict[str, int] = {}
    indices = np.array([places.setdefault(text, len(places)) for text in texts], np.uint32)
    return Part(Texts.of(list(places)), indices)
