"""The slow reading of section 4's addresses: fields, one line, KVHX.

What belongs here: address text to its parts, or None where it can't be read. An absent part is "".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.build.population.folding import fold_street, fold_text

if TYPE_CHECKING:
    from collections.abc import Callable

DOOR_LENGTH = 4
LENGTH_WITH_WIDE_FLOOR = 19
LENGTH_OF_THE_REGISTER = 18
FLOOR_WORDS = {"st": "st", "stuen": "st", "stueplan": "st", "kl": "kl", "kld": "kl", "kaelder": "kl"}
DOOR_WORDS = {
    "t v": "tv",
    "venstre": "tv",
    "til venstre": "tv",
    "t h": "th",
    "hoejre": "th",
    "til hoejre": "th",
    "m f": "mf",
    "midtfor": "mf",
    "midt for": "mf",
    "tv": "tv",
    "th": "th",
    "mf": "mf",
}
UNIT_WORDS = frozenset(
    "sal etage doer lejl lejlighed vaer vaerelse stue stuen stueplan st kl kld kaelder kaelderen parterre tv th mf "
    "venstre hoejre midt midtfor hus baghus forhus sidehus mellemhus bygning blok opgang opg trappe port "
    "kvist kvisten loft loftet hems anneks".split()
)
DISTRICT_WORDS = frozenset({"st", "kl"})  # of "St Heddinge" and the like
SHORTEST_TOWN = 3


class Place(NamedTuple):
    """An address as text: what a sender writes, and what the register says in words."""

    postal_code: str
    street: str
    house_number: str
    floor: str
    door: str
    town: str = ""

    @property
    def parts_of_house(self) -> tuple[str, str, str, str]:
        """What tells one home from another on a road: postal code, house number, floor, door."""
        return self.postal_code, self.house_number, self.floor, self.door


class Kvhx(NamedTuple):
    """An address as codes."""

    municipality: str
    road: str
    house_number: str
    floor: str
    door: str


def read_house_number(text: str) -> str | None:
    """Read 1-999 and an optional letter: ``012 b`` is ``12b``."""
    match = re.fullmatch(r"0*([1-9][0-9]{0,2}) ?([a-z]?)", fold_text(text))
    return match[1] + match[2] if match else None


def read_floor(text: str) -> str | None:
    """Read a floor: st, kl, k2-k9, 1-99; "sal" behind it, dots about it and leading zeros don't count."""
    match = re.fullmatch(
        r"[. ]*0*(k[2-9]|st|kl|[1-9][0-9]?|stuen|stueplan|kld|kaelder)[. ]*(?:sal[. ]*)?", fold_text(text)
    )
    return FLOOR_WORDS.get(match[1], match[1]) if match else None


def read_door(text: str) -> str | None:
    """Read a door: tv, th, mf and their synonyms, or up to four letters, digits, ``-`` and ``/``."""
    folded = fold_text(text)
    word = " ".join(folded.replace(".", " ").split())
    if word in DOOR_WORDS:
        return DOOR_WORDS[word]
    bare = folded.lstrip("0-")
    return bare if re.fullmatch(r"[a-z0-9/-]+", bare) and len(bare) <= DOOR_LENGTH else None


def read_postal_code(text: str) -> str | None:
    """Read four digits, ``DK-`` allowed before them."""
    match = re.fullmatch(r"(?:dk-)?([0-9]{4})", fold_text(text))
    return match[1] if match else None


def read_unit(text: str) -> tuple[str, str] | None:
    """Read floor and door out of one segment; a number alone is a floor only with a dot or "sal"."""
    unit = fold_text(text)
    if re.search(r"(^|[. ])\.", unit):  # a full stop that ends no word
        return None
    floor = read_floor(unit)
    if floor is not None and not unit.isdigit():
        return floor, ""
    door = read_door(unit)
    if door is not None:
        # A lone word is a town, such as Bred or Skee.
        return None if door.isalpha() and len(door) >= SHORTEST_TOWN else ("", door)
    for cut in range(1, len(unit)):
        left, right = unit[:cut], unit[cut:]
        if left.endswith(".") or right.startswith(" "):
            floor, door = read_floor(left), read_door(right)
            if floor is not None and door is not None:
                return floor, door
    return None


def read_town(text: str, allowed: frozenset[str] = frozenset()) -> str | None:
    """Read a town of a line: no digits, at least one letter, no word that belongs to a unit but those allowed."""
    town = fold_text(text)
    words = re.split(r"[^a-z0-9]+", town)
    if any(char.isdigit() for char in town) or not any(char.isalpha() for char in town):
        return None
    return None if (UNIT_WORDS - allowed).intersection(words) else fold_street(town)


def _read_middle(segments: list[str]) -> tuple[str, str, str] | None:
    """Read what stands between house number and postal code: floor, door, town."""
    if not segments:
        return "", "", ""
    unit, rest = read_unit(segments[0]), segments[1:]
    if unit is None:
        unit, rest = ("", ""), segments
    if not rest:
        return (*unit, "")
    town = read_town(rest[0])
    return None if town is None or len(rest) > 1 else (*unit, town)


def read_line(text: str) -> Place | None:
    """Read an address in one line, such as ``Vestergade 12B, 3. tv, 8000 Aarhus C``; None if any word is left."""
    segments = [segment.strip() for segment in fold_text(text).split(",")]
    segments = [segment for segment in segments if segment and not segment.startswith("c/o")]
    if len(segments) == 1 or not segments:
        return None
    first = re.fullmatch(r"(.+?) ([0-9]+ ?[a-z]?)", segments[0])
    last = re.fullmatch(r"(?:dk-)?([0-9]{4})(?: (.+))?", segments[-1])
    middle = _read_middle(segments[1:-1])
    if first is None or last is None or middle is None:
        return None
    street, house_number = fold_street(first[1]), read_house_number(first[2])
    if not street or house_number is None or (last[2] and read_town(last[2], DISTRICT_WORDS) is None):
        return None
    return Place(last[1], street, house_number, *middle)


def _read_right_aligned(cell: str, reader: Callable[[str], str | None]) -> str | None:
    part = cell.lstrip(" ")
    if not part:
        return ""
    return reader(part) if re.fullmatch(r"[a-z0-9/-]+", part) else None


def read_kvhx(text: str) -> Kvhx | None:
    """Read a KVHX key in either layout; None if it can't be read or its road is no real street."""
    key = text.replace("_", " ").lower() if text.isascii() else ""
    if len(key) == LENGTH_WITH_WIDE_FLOOR:
        house_number_pattern, door_start = r" *[0-9]{1,3}[a-z]?", 15
    elif len(key) == LENGTH_OF_THE_REGISTER:
        house_number_pattern, door_start = r"[0-9]{3}[a-z ]", 14
    else:
        return None
    codes, house_cell = key[:8], key[8:12]
    is_well_formed = re.fullmatch(r"[0-9]{8}", codes) and re.fullmatch(house_number_pattern, house_cell)
    if not is_well_formed or codes[4:].startswith("99"):
        return None
    house_number = read_house_number(house_cell)
    floor = _read_right_aligned(key[12:door_start], read_floor)
    door = _read_right_aligned(key[door_start:], read_door)
    if house_number is None or floor is None or door is None:
        return None
    return Kvhx(codes[:4], codes[4:], house_number, floor, door)
