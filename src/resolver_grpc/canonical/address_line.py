"""Addresses written as one line: ``Vestergade 12B, 3. tv, 8000 Aarhus C``.

Source of the rules: domain rules, section 4, "Address". A line is segments between commas: street and
house number; perhaps a unit (floor and door); perhaps a supplementary town; postal code and district.
Anything that is not understood makes the line unreadable: no word is ever dropped unread, for a unit read
as a town would lead to another household.
"""

from __future__ import annotations

import re

from resolver_grpc.canonical.address import (
    Address,
    parse_door,
    parse_floor,
    parse_house_number,
    parse_postal_code,
)
from resolver_grpc.canonical.street import canonical_street, canonical_town
from resolver_grpc.canonical.text import UnreadableError, fold_text

_STREET = re.compile(r"(.+?) (0*[1-9][0-9]{0,2} ?[a-z]?)")
_POSTAL = re.compile(r"((?:dk-)?[0-9]{4})(?: (.+))?")
_FLOOR_FIRST = re.compile(
    r"(?P<floor>stuen|stueplan|st|kld|kaelder|kl|k[2-9]|[0-9]{1,2})"
    r"(?P<mark>\.? ?sal\.?|\.)?(?:$| |(?<=\.))(?P<door>(?!\.).*)"
)
_WORD = re.compile(r"[^\W_]+")
_CARE_OF = "c/o"
_LONGEST_DOOR_WORD = 2
_FEWEST_SEGMENTS, _MOST_SEGMENTS = 2, 4

# Words that speak of a place within a building. A segment that holds one is no town, read or unread.
UNIT_WORDS = frozenset(
    "sal etage doer lejl lejlighed vaer vaerelse stue stuen stueplan st kl kld kaelder kaelderen parterre "
    "tv th mf venstre hoejre midt midtfor hus baghus forhus sidehus mellemhus bygning blok opgang opg trappe port "
    "kvist kvisten loft loftet hems anneks".split()
)
# Postal districts abbreviate "Store" and "Kloster": these two are no sign of a unit there.
_DISTRICT_UNIT_WORDS = UNIT_WORDS - {"st", "kl"}


def parse_address_line(text: str) -> Address:
    """Reads an address in one line.

    Segments that begin with c/o are dropped, empty ones too; the postal district's name is ignored. A lone
    segment between house number and postal code is a unit if it can be read as one, else a town.

    Raises:
        UnreadableError: something in it is not understood.
    """
    segments = [part for part in (part.strip() for part in fold_text(text).split(",")) if part]
    segments = [part for part in segments if not part.startswith(_CARE_OF)]
    if not _FEWEST_SEGMENTS <= len(segments) <= _MOST_SEGMENTS:
        raise UnreadableError("not an address line")
    street, house_number = _parse_street(segments[0])
    floor, door, town = _parse_middle(segments[1:-1])
    return Address(_parse_postal(segments[-1]), street, house_number, floor, door, town)


def _parse_street(segment: str) -> tuple[str, str]:
    found = _STREET.fullmatch(segment)
    street = canonical_street(found[1]) if found else ""
    if not found or not street:
        raise UnreadableError("no street with a house number")
    return street, parse_house_number(found[2])


def _parse_postal(segment: str) -> str:
    found = _POSTAL.fullmatch(segment)
    if not found or (found[2] and not _is_place_name(found[2], _DISTRICT_UNIT_WORDS)):
        raise UnreadableError("no postal code with a district")
    return parse_postal_code(found[1])


def _parse_middle(segments: list[str]) -> tuple[str, str, str]:
    if not segments:
        return "", "", ""
    if len(segments) == 1:
        try:
            return *_parse_unit(segments[0]), ""
        except UnreadableError:
            return "", "", _parse_town(segments[0])
    return *_parse_unit(segments[0]), _parse_town(segments[1])


def _parse_unit(segment: str) -> tuple[str, str]:
    """Reads floor and door; a number alone is a floor only with a dot or "sal", else a door.

    A lone word of three letters or more is a town (Bred, Skee, Hov), unless it says left, right or middle:
    doors without a floor are numbers or a letter or two.
    """
    found = _FLOOR_FIRST.fullmatch(segment)
    if not found or (found["floor"].isdigit() and not found["mark"] and not found["door"]):
        door = parse_door(segment)
        if door.isalpha() and len(door) > _LONGEST_DOOR_WORD:
            raise UnreadableError("a word, not a door")
        return "", door
    return parse_floor(found["floor"]), parse_door(found["door"])


def _parse_town(segment: str) -> str:
    if not _is_place_name(segment, UNIT_WORDS):
        raise UnreadableError("not a supplementary town")
    return canonical_town(segment)


def _is_place_name(segment: str, unit_words: frozenset[str]) -> bool:
    """Whether it has letters and neither digits nor a word that speaks of a unit."""
    words = _WORD.findall(segment)
    return bool(words) and not any(word in unit_words or not word.isalpha() for word in words)
