"""Roads for made-up people: names in full and in short, codes, postal codes, towns.

What belongs here: the plan of all roads, made before anyone lives there, so that a query's text is known to
lead to one block of the population or nowhere. A block is one road, or two that share postal code and name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.build.population.folding import fold_street

if TYPE_CHECKING:
    from random import Random

STEMS = (
    "Vester Øster Nørre Sønder Birke Ege Bøge Mølle Kirke Skole Strand Skov Eng Mark Have Sø Å Bakke Kilde Lærke "
    "Drossel Solsorte Svale Stære Granat Rubin Ametyst Kløver Rose Tulipan Lilje Syren Pile Linde Ahorn Elme Aske "
    "Hassel Tjørne Rønne Æble Pære Kirsebær Blomme Brombær Hybenrose Jyllands Fyns Sjællands Havne Fisker Færge Told "
    "Bane Stations Industri Fabriks Håndværker Smede Snedker Møbel Bager Slagter Brønd Torve Råd Slots Kloster "
    "Munke Nonne Præste Degne Lyng Hede Klit Mose Damm Ager Bygger Hvede Rug Havre"
).split()
ENDINGS = (
    "gade vej allé stræde vænget parken toften bakken engen marken haven krogen stien lunden dalen højen kær ager"
).split()
BEGINNINGS = {
    "Gammel": "Gl",
    "Sankt": "Sct",
    "Nordre": "Ndr",
    "Søndre": "Sdr",
    "Kongens": "Kgs",
    "Borgmester": "Borgm",
    "Kaptajn": "Kpt",
    "H.C.": "HC",
}
SURNAMES = "Christiansens Nielsens Møllers Andersens Bergs Jørgensens Pauls Knuds Hans Bloms Aagaards".split()
LONG_ENDINGS = ("Gade", "Vej", "Boulevard", "Allé", "Plads")
SHORT_ENDINGS = {"Gade": "g", "Vej": "v", "Boulevard": " Blvd", "Allé": " Al", "Plads": " Pl"}
DISTRICTS = (
    "Aarhus C,Odense NØ,København K,Aalborg,Esbjerg,Randers C,Kolding,Horsens,Vejle,Roskilde,Herning,Silkeborg,"
    "Hørsholm,Næstved,Fredericia,Viborg,Køge,Holstebro,Taastrup,Slagelse,Hillerød,Sønderborg,Svendborg,Nørre Aaby"
).split(",")
TOWNS = (
    "Høje Taastrup,Bolbro,Løve,Stegsted,Drøsselbjerg,Nordruplund,Boruphuse,Øster Lindet,Ålsrode,Kværkeby,Ørslev,"
    "Sønder Bjert,Gl. Rye,Ejby Huse,Skårup,Ærøskøbing Mark,Nørre Nærå,Hasle,Store Darum,Vester Åby"
).split(",")
SHORT_LENGTH = 20
BLOCK_SIZES = (40, 160)
DORMITORY_SIZES = (180, 420)
PERSONS_FOR_A_DORMITORY = 2_000
FIRST_MUNICIPALITY, MUNICIPALITIES, GREENLAND = 101, 98, 957
UNKNOWN_ROAD = "9899"
_PAIRED, _WITH_TOWN, _ABBREVIABLE, _GREENLANDIC, _DORMITORY, _HALF = 0.06, 0.25, 0.25, 0.02, 0.02, 0.5


@dataclass(frozen=True, slots=True)
class Road:
    """One road as the register and the table of roads have it."""

    municipality: str
    code: str
    name: str
    short_name: str
    town: str
    postal_code: str
    district: str


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the population that shares nothing with the rest: people of one road, or of two alike.

    Attributes:
        index: the block's place.
        roads: one, or two that share postal code and street.
        size: how many persons live there.
        layout: houses, flats, dormitory or greenland.
        in_table: whether the table of roads has it.
        spellings: what the persons' rows give: "both", "full" or "short".
    """

    index: int
    roads: tuple[Road, ...]
    size: int
    layout: str
    in_table: bool
    spellings: str


def shorten(name: str) -> str:
    """Shorten a street's name to the 20 characters of an official short name."""
    words = [BEGINNINGS.get(word, word) for word in name.split()]
    if len(" ".join(words)) > SHORT_LENGTH and words[-1] in SHORT_ENDINGS:
        ending = SHORT_ENDINGS[words.pop()]
        words[-1] += ending
    return " ".join(words)[:SHORT_LENGTH].strip()


def _draw_name(rng: Random) -> str:
    if rng.random() < _ABBREVIABLE:
        beginning, surname = rng.choice(list(BEGINNINGS)), rng.choice(SURNAMES)
        stem = f"{rng.choice(STEMS)} " if rng.random() < _HALF else ""
        return f"{beginning} {stem}{surname} {rng.choice(LONG_ENDINGS)}"
    stem, ending = rng.choice(STEMS), rng.choice(ENDINGS)
    return f"{stem} {ending.capitalize()}" if rng.random() < _ABBREVIABLE else stem + ending


class RoadPlan:
    """All blocks with their roads, and which text or code leads to which block."""

    def __init__(self, rng: Random, persons: int) -> None:
        self._rng = rng
        self._codes: Counter[str] = Counter()
        self.by_text: dict[tuple[str, str], int] = {}
        self.by_code: dict[tuple[str, str], int] = {}
        self.blocks: list[Block] = []
        left = persons
        while left:
            block = self._plan_block(left, persons)
            self.blocks.append(block)
            left -= block.size

    def _plan_block(self, left: int, persons: int) -> Block:
        rng, index = self._rng, len(self.blocks)
        layout = "flats" if rng.random() < _HALF else "houses"
        chance = rng.random()
        # The first blocks have one of each sort, so that small populations have them too.
        if chance < _GREENLANDIC or index == 1:
            layout = "greenland"
        elif persons >= PERSONS_FOR_A_DORMITORY and (chance < _GREENLANDIC + _DORMITORY or index == 2):  # noqa: PLR2004 - the third block
            layout = "dormitory"
        size = min(left, rng.randint(*(DORMITORY_SIZES if layout == "dormitory" else BLOCK_SIZES)))
        is_pair = layout in {"houses", "flats"} and (rng.random() < _PAIRED or index == 0)
        roads = self._plan_roads(index, layout, 2 if is_pair else 1)
        in_table = rng.random() < 1 - _WITH_TOWN
        spellings = rng.choice(("both", "short")) if in_table else rng.choice(("both", "full"))
        return Block(index, roads, size, layout, in_table, spellings)

    def _plan_roads(self, index: int, layout: str, count: int) -> tuple[Road, ...]:
        rng, is_greenlandic = self._rng, layout == "greenland"
        while True:
            postal_number = rng.randint(3905, 3985) if is_greenlandic else rng.randint(1050, 3799)
            name, postal_code = _draw_name(rng), f"{postal_number:04d}"
            short_name = shorten(name)
            texts = {(postal_code, fold_street(name)), (postal_code, fold_street(short_name))}
            if texts.isdisjoint(self.by_text):
                break
        self.by_text.update(dict.fromkeys(texts, index))
        number = GREENLAND if is_greenlandic else FIRST_MUNICIPALITY + postal_number % MUNICIPALITIES
        district = DISTRICTS[postal_number % len(DISTRICTS)]
        towns = self._draw_towns(count)
        roads = tuple(
            Road(f"{number:04d}", self._next_code(number), name, short_name, town, postal_code, district)
            for town in towns
        )
        self.by_code.update({(road.municipality, road.code): index for road in roads})
        return roads

    def _draw_towns(self, count: int) -> list[str]:
        rng = self._rng
        if count == 1:
            return [rng.choice(TOWNS) if rng.random() < _WITH_TOWN else ""]
        first, second = rng.sample(TOWNS, 2)
        return rng.choice(([first, second], [first, second], [first, ""], ["", ""], [first, first]))

    def _next_code(self, municipality: int) -> str:
        self._codes[str(municipality)] += 1
        return f"{self._codes[str(municipality)]:04d}"
