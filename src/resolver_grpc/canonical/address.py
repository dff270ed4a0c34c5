"""Addresses as fields: house number, floor, door, postal code, and the whole.

Source of the rules: domain rules, section 4.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from resolver_grpc.canonical.text import UnreadableError, fold_text

_HOUSE_NUMBER = re.compile(r"0*([1-9][0-9]{0,2}) ?([a-z]?)")
_FLOOR = re.compile(r"st|kl|k[2-9]|[1-9][0-9]?")
_DOOR = re.compile(r"[a-z0-9/-]{1,4}")
_POSTAL_CODE = re.compile(r"(?:dk-)?([0-9]{4})")

FLOOR_WORDS = {"stuen": "st", "stueplan": "st", "kld": "kl", "kaelder": "kl"}
DOORS = frozenset({"tv", "th", "mf"})
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
}


class Address(NamedTuple):
    """An address in canonical form; floor, door and town may be empty."""

    postal_code: str
    street: str
    house_number: str
    floor: str
    door: str
    town: str


def parse_house_number(text: str) -> str:
    """Reads 1-999 and an optional letter: ``012 B`` to ``12b``.

    Raises:
        UnreadableError: it is something else, or nothing.
    """
    found = _HOUSE_NUMBER.fullmatch(fold_text(text))
    if not found:
        raise UnreadableError("not a house number")
    return found[1] + found[2]


def parse_floor(text: str) -> str:
    """Reads a floor: ``st``, ``kl``, ``k2``-``k9`` or 1-99; a blank text is no floor, ``""``.

    Dots, leading zeros and the word "sal" are dropped; stuen and stueplan are ``st``, kld and kælder ``kl``.

    Raises:
        UnreadableError: it is something else.
    """
    folded = fold_text(text)
    if not folded:
        return ""
    word = folded.replace(".", " ").strip().removesuffix("sal").strip()
    word = FLOOR_WORDS.get(word, word.lstrip("0"))
    if not _FLOOR.fullmatch(word):
        raise UnreadableError("not a floor")
    return word


def parse_door(text: str) -> str:
    """Reads a door: ``tv``, ``th``, ``mf`` or up to four letters, digits, ``-`` and ``/``; blank is ``""``.

    Leading zeros and leading dashes are dropped; full stops only of the words for left, right and middle, for a
    number with one speaks of a floor.

    Raises:
        UnreadableError: it is something else.
    """
    folded = fold_text(text)
    if not folded:
        return ""
    words = " ".join(folded.replace(".", " ").split())
    door = words if words in DOORS else DOOR_WORDS.get(words, folded.lstrip("0-"))
    if not _DOOR.fullmatch(door):
        raise UnreadableError("not a door")
    return door


def parse_postal_code(text: str) -> str:
    """Reads four digits; ``DK-`` before them is dropped.

    Raises:
        UnreadableError: it is something else, or nothing.
    """
    found = _POSTAL_CODE.fullmatch(fold_text(text))
    if not found:
        raise UnreadableError("not a postal code")
    return found[1]
