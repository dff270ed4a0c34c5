"""The CPR register's extract U12170 as a layout: where each field stands, and why a line can't be taken.

What belongs here: positions as the register's documentation counts them, and cutting fields out of a line.
What a field means for a person is ``cpr_person.py``'s.
"""

from __future__ import annotations

from enum import StrEnum
from sys import intern

NUMBER_END = 13
"""Where the number that a record is about ends: characters 4 to 13 of every type."""

FIELDS: dict[str, dict[str, tuple[int, int]]] = {
    "000": {"PRODDTO": (20, 8), "PRODDTOFORRIG": (28, 8)},
    "001": {"PNRGAELD": (14, 10), "STATUS": (24, 2)},
    "002": {"KOMKOD": (14, 4), "VEJKOD": (18, 4), "HUSNR": (22, 4), "ETAGE": (26, 2), "SIDEDOER": (28, 4)},
    "003": {
        "BYNVN": (150, 34),
        "POSTNR": (184, 4),
        "KOMKOD": (208, 4),
        "VEJKOD": (212, 4),
        "HUSNR": (216, 4),
        "ETAGE": (220, 2),
        "SIDEDOER": (222, 4),
        "VEJADRNVN": (230, 20),
    },
    "004": {"BESKYTTYPE": (14, 4), "START_DT": (18, 10), "SLET_DT": (28, 10)},
    "008": {"FORNVN": (14, 50), "MELNVN": (65, 40), "EFTERNVN": (106, 40)},
    "022": {"PNR": (14, 10)},
    "999": {"TAELLER": (14, 8)},
}
"""Per record type, each field that is read: its position, counted from 1, and its length."""


class Fault(StrEnum):
    """Why a line was rejected; the value is the report's sentence, which quotes nothing."""

    TYPE = "the record type is not three digits"
    NUMBER = "the CPR number is not ten digits"
    CHARACTERS = "the line holds control characters"
    STATUS = "the status is unknown"
    CURRENT_NUMBER = "the current number is neither ten digits nor blank"
    OLD_NUMBER = "the old number is not ten digits"
    CODE = "a code is neither blank nor of its full length in digits"
    PROTECTION_TYPE = "the type of protection is not four digits"
    SECOND = "a second record of this type for one person"
    WITHOUT_PERSON = "no record 001 for this person that can be read"
    DISAGREEING = "the address codes of records 002 and 003 disagree"


class FaultyLineError(ValueError):
    """A line that can't be taken; it is reported and never leaves the importer."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def cut(text: str, field: str) -> str:
    """A field of a line, without its padding; ``""`` where the line ends before it.

    Args:
        text: the line; its first three characters are a type of ``FIELDS``.
        field: the field's name.
    """
    position, length = FIELDS[text[:3]][field]
    return text[position - 1 : position - 1 + length].strip(" ")


def is_digits(text: str, length: int) -> bool:
    """Whether a text is so many digits and nothing else."""
    return len(text) == length and text.isascii() and text.isdigit()


def parse_code(text: str, field: str) -> str:
    """A code of four digits; ``""`` for one that is blank or zeros.

    Raises:
        FaultyLineError: for anything else, which is what a truncated line leaves.
    """
    code = cut(text, field)
    if code and not is_digits(code, FIELDS[text[:3]][field][1]):
        raise FaultyLineError(Fault.CODE)
    return intern(code) if code.strip("0") else ""


def parse_address_codes(text: str) -> tuple[str, str, str, str, str]:
    """Municipality, road, house number without leading zeros, floor and door of a record 002 or 003.

    Equal texts are one in memory: an extract repeats them for millions of persons.

    Raises:
        FaultyLineError: for a municipality or road that is no code.
    """
    return (
        parse_code(text, "KOMKOD"),
        parse_code(text, "VEJKOD"),
        intern(cut(text, "HUSNR").lstrip("0")),
        intern(cut(text, "ETAGE")),
        intern(cut(text, "SIDEDOER")),
    )
