"""How senders write what the register knows: variants that must meet it, and mistakes that must not.

What belongs here: text to text. Variants keep the canonical form; mistakes change it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from resolver_grpc.build.population.places import BEGINNINGS

if TYPE_CHECKING:
    from random import Random

_AS_IT_STANDS, _HALF = 0.6, 0.5
_OLD_LETTERS = str.maketrans({"å": "aa", "Å": "Aa", "ø": "ö", "æ": "ä", "Ø": "Ö", "Æ": "Ä"})


def vary(rng: Random, text: str) -> str:
    """Write a text as senders do: capitals, extra blanks, decomposed letters, old letters."""
    if rng.random() < _AS_IT_STANDS:
        return text
    return rng.choice(
        (
            text.upper(),
            text.lower(),
            f"  {text.replace(' ', '  ')} ",
            unicodedata.normalize("NFD", text),
            text.translate(_OLD_LETTERS),
        )
    )


def vary_street(rng: Random, name: str) -> str:
    """Write a street's name as senders do, its abbreviations dotted or not."""
    words = name.split()
    if len(words) > 1 and rng.random() < _HALF:
        dot = rng.choice((".", ""))
        words = [BEGINNINGS[word] + dot if word in BEGINNINGS and word != "H.C." else word for word in words]
    joined = rng.choice((" ", " ", " ", "-")).join(words)
    return vary(rng, joined)


def misspell(rng: Random, text: str) -> str:
    """Drop, double or change a letter."""
    place = rng.randrange(len(text)) if text else 0
    return rng.choice(
        (
            text[:place] + text[place + 1 :],
            text[:place] + text[place : place + 1] * 2 + text[place + 1 :],
            text[:place] + "q" + text[place + 1 :],
        )
    )


def write_unit(rng: Random, floor: str, door: str) -> str:
    """Write floor and door as one segment of an address line."""
    if not floor or not door:
        return f"{floor}." if floor else door
    patterns = ["{}. {}", "{}.{}", "{} {}"]
    if floor.isdigit():
        patterns.append("{}. sal {}")
    written = {"tv": "til venstre", "th": "t.h.", "mf": "midtfor"}
    return rng.choice(patterns).format(floor, written.get(door, door) if rng.random() < 1 - _AS_IT_STANDS else door)


def write_line(rng: Random, street: str, house_number: str, unit: str, ending: tuple[str, str]) -> str:
    """Write an address in one line; ``ending`` is the town, which may be "", and postal code with district."""
    town, last = ending
    care_of = "c/o Hansen" if rng.random() < (1 - _AS_IT_STANDS) / 8 else ""
    segments = [care_of, f"{street} {house_number}", unit, town, last]
    separator = rng.choice((", ", ", ", ", ", ","))
    return separator.join(segment for segment in segments if segment)


def write_kvhx(rng: Random, row: dict[str, str]) -> str:
    """Write the codes of a row of persons as a KVHX key, in either layout; a letter in either case."""
    codes = row["municipality_code"] + row["road_code"]
    house_number, floor, door = row.get("house_number", ""), row.get("floor", ""), row.get("door", "")
    letter = house_number[-1:] if house_number[-1:].isalpha() else ""
    if rng.random() < _HALF:
        key = f"{codes}{house_number:_>4}{floor:_>3}{door:_>4}"
        return key.lower() if rng.random() < _HALF else key
    padded_floor = f"{int(floor):02d}" if floor.isdigit() else f"{floor:>2}"
    return f"{codes}{house_number.removesuffix(letter):0>3}{letter or ' '}{padded_floor}{door:>4}"
