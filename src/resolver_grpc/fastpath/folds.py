"""Folds: the pure functions of the canonical forms, word by word, as the kernel remembers them.

A fold makes the canonical form of one word, or of one slice of a field, or refuses it; then the plain way reads the
whole row, and words the error. What belongs here: which fold is whose, and how much of it is remembered. Each is one of
the readers that ``canonical/query.py`` uses, for a text that is a part of what they read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_letters, ascii_lowercase, digits
from typing import Final

from resolver_grpc.canonical.address import parse_door, parse_floor, parse_house_number, parse_postal_code
from resolver_grpc.canonical.email import parse_domain
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.numbers import CPR_DIGITS, parse_cpr, parse_cvr
from resolver_grpc.canonical.street import canonical_town, parse_street
from resolver_grpc.canonical.text import UnreadableError

_BYTES: Final = 256
_DATE_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class Remembered:
    """A fold whose words are remembered.

    Attributes:
        fold: makes the canonical form; a ``ValueError`` refuses.
        places: how many words are remembered; a power of two.
        word_bytes: the longest word that is, in bytes; longer ones go the plain way.
        form_bytes: the longest form.
    """

    fold: Callable[[str], str]
    places: int
    word_bytes: int
    form_bytes: int


@dataclass(frozen=True, slots=True)
class Translated:
    """A fold of single bytes, of words that hardly ever come twice.

    Attributes:
        table: what becomes of each byte; 0 refuses the word.
        between: 1 for each byte that must stand between two others, which are no such bytes.
        word_bytes: the longest word; longer ones go the plain way.
    """

    table: bytes
    between: bytes
    word_bytes: int


def fold_name_word(text: str) -> str:
    """Folds a word of a name.

    Raises:
        UnreadableError: it folds to none, or to several.
    """
    words = canonical_name_words(text)
    if len(words) != 1:
        raise UnreadableError("not one word")
    return words[0]


def fold_birth_date(text: str) -> str:
    """Folds what a CPR number begins with: the date and the digit that tells the century, with or without a dash.

    Raises:
        UnreadableError: it is no real date.
    """
    return parse_cpr(text + "0" * (CPR_DIGITS - _DATE_DIGITS))[:_DATE_DIGITS]


def fold_slice(before: str, after: str, part: str) -> Callable[[str], str]:
    """Makes the fold of a slice of a KVHX key: what it is read as between parts that can be read."""
    return lambda text: str(getattr(parse_kvhx(before + text + after), part))


def _table(letters: str, forms: str) -> bytes:
    table = bytearray(_BYTES)
    for letter, form in zip(letters, forms, strict=True):
        table[ord(letter)] = ord(form)
    return bytes(table)


def _flags(letters: str) -> bytes:
    return bytes(chr(byte) in letters for byte in range(_BYTES))


_LOCAL_SIGNS: Final = "_+-."

NAME_WORD: Final = Remembered(fold_name_word, 1 << 18, 28, 28)
STREET: Final = Remembered(parse_street, 1 << 17, 60, 60)
HOUSE_NUMBER: Final = Remembered(parse_house_number, 1 << 12, 12, 4)
FLOOR: Final = Remembered(parse_floor, 1 << 9, 20, 4)
DOOR: Final = Remembered(parse_door, 1 << 11, 20, 4)
POSTAL_CODE: Final = Remembered(parse_postal_code, 1 << 12, 12, 4)
TOWN: Final = Remembered(canonical_town, 1 << 12, 60, 60)
BIRTH_DATE: Final = Remembered(fold_birth_date, 1 << 16, 9, 7)
CVR_NUMBER: Final = Remembered(parse_cvr, 1 << 16, 8, 8)
DOMAIN: Final = Remembered(parse_domain, 1 << 15, 60, 60)
THREE_DIGITS: Final = Translated(_table(digits, digits), bytes(_BYTES), 3)
LOCAL_PART: Final = Translated(
    _table(ascii_letters + digits + _LOCAL_SIGNS, ascii_lowercase * 2 + digits + _LOCAL_SIGNS), _flags("."), 64
)

# The slices of both layouts of a KVHX key, read between parts that are certainly right.
MUNICIPALITY: Final = Remembered(fold_slice("", "0001___1_______", "municipality_code"), 1 << 9, 4, 4)
ROAD: Final = Remembered(fold_slice("0101", "___1_______", "road_code"), 1 << 14, 4, 4)
PADDED_HOUSE_NUMBER: Final = Remembered(fold_slice("01010001", "_______", "house_number"), 1 << 12, 4, 4)
PADDED_FLOOR: Final = Remembered(fold_slice("01010001___1", "____", "floor"), 1 << 9, 3, 4)
PADDED_DOOR: Final = Remembered(fold_slice("01010001___1___", "", "door"), 1 << 11, 4, 4)
REGISTER_HOUSE_NUMBER: Final = Remembered(fold_slice("01010001", "______", "house_number"), 1 << 12, 4, 4)
REGISTER_FLOOR: Final = Remembered(fold_slice("01010001001_", "____", "floor"), 1 << 9, 2, 4)
REGISTER_DOOR: Final = Remembered(fold_slice("01010001001___", "", "door"), 1 << 11, 4, 4)

# What a name may hold for its words to fold one by one as they do together: letters of Latin-1 and Latin
# Extended-A, single blanks and the signs of ASCII.
_CLASSES: Final = (
    (1, range(0x20, 0x7F)),  # a sign
    (2, range(0xC3, 0xC6)),  # the first byte of a letter
    (3, range(0x80, 0xC0)),  # the second
)
ORDINARY: Final = bytes(sum(number for number, held in _CLASSES if byte in held) for byte in range(_BYTES))
"""The class of each byte of a name; 0 for those that make it extraordinary."""
