"""One person of the CPR register's extract: what each record type says, and the row it comes to.

What belongs here: a function for each record type, which lays one line over what is known of its person,
what a newer record leaves of an older, and the person's row. Which lines belong together, and what the file
as a whole must hold, is ``cpr_reader.py``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING

from resolver_grpc.build.cpr_layout import Fault, FaultyLineError, cut, is_digits, parse_address_codes, parse_code
from resolver_grpc.times import parse_day

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUSES = frozenset({"01", "03", "05", "07", "20", "30", "50", "60", "70", "80", "90"})
_LED_ON = frozenset({"50", "60"})
_NAME_AND_ADDRESS = "0001"
_PROTECTION_END = 37
_UNREADABLE = "?"
_Codes = tuple[str, str, str, str, str]
_NO_CODES: _Codes = ("", "", "", "", "")


@dataclass(slots=True, repr=False)
class Person:
    """What the lines read so far say of one CPR number; it has no representation, lest it stand in a message.

    Attributes:
        status: the register's status, ``""`` before a record 001 that can be read.
        current_number: the number that took this one's place.
        old_numbers: the numbers that this one took the place of.
        full_name: None before the record 008.
        codes: those of record 002, None before it.
        clear_codes: those of record 003, None before it.
        clear_line: where record 003 stands.
        in_clear: short street name, supplementary town and postal code.
        protections: name-and-address protections as intervals.
        withheld: whether a line of this person can't be trusted, so that no more than the number is told.
    """

    status: str = ""
    current_number: str = ""
    old_numbers: tuple[str, ...] = ()
    full_name: str | None = None
    codes: _Codes | None = None
    clear_codes: _Codes | None = None
    clear_line: int = 0
    in_clear: tuple[str, str, str] = ("", "", "")
    protections: tuple[str, ...] = ()
    withheld: bool = False

    def addresses_agree(self) -> bool:
        """Whether record 003 has the codes of record 002; one that was cut off hasn't."""
        return self.clear_codes is None or self.clear_codes == (self.codes or _NO_CODES)

    def keep_ties(self, older: Person) -> None:
        """Keeps of the older record what this withheld one doesn't tell: numbers that are linked, and the road.

        All of it only takes reach away. Without it an old number would pass for an unknown one, and a road
        for the only one of its name, because a line was damaged.
        """
        if not self.status:
            self.current_number = older.current_number
        self.old_numbers = tuple(dict.fromkeys(older.old_numbers + self.old_numbers))
        if not self._tells_road():
            self.clear_codes, self.in_clear = older.clear_codes, older.in_clear

    def row(self, number: str) -> dict[str, str]:
        """The row of the persons table.

        Of a withheld person it holds the numbers, and the road, since who asks for a street must be told that
        another has its name, whoever lives there; the builder rejects it for its blank status.
        """
        row = {"number": number, "current_number": self.current_number} | self._road()
        return row | {"status": ""} if self.withheld else row | self._whole()

    def _tells_road(self) -> bool:
        municipality, road, *_ = self.clear_codes or _NO_CODES
        return bool(municipality and road and self.in_clear[0])

    def _road(self) -> dict[str, str]:
        municipality, road, *_ = self.clear_codes or _NO_CODES
        short_street_name, supplementary_town, postal_code = self.in_clear
        return {
            "municipality_code": municipality,
            "road_code": road,
            "short_street_name": short_street_name,
            "supplementary_town": supplementary_town,
            "postal_code": postal_code,
        }

    def _whole(self) -> dict[str, str]:
        municipality, road, house_number, floor, door = self.codes or _NO_CODES
        return {
            "status": self.status,
            "old_numbers": ";".join(self.old_numbers),
            "full_name": self.full_name or "",
            "municipality_code": municipality,
            "road_code": road,
            "house_number": house_number,
            "floor": floor,
            "door": door,
            "protections": ";".join(self.protections),
        }


def _take_person(person: Person, text: str, _line_number: int) -> None:
    if person.status:
        raise FaultyLineError(Fault.SECOND)
    status, current = cut(text, "STATUS"), cut(text, "PNRGAELD")
    if status not in _STATUSES:
        raise FaultyLineError(Fault.STATUS)
    if status in _LED_ON and current.strip("0"):
        if not is_digits(current, 10):
            raise FaultyLineError(Fault.CURRENT_NUMBER)
        person.current_number = current
    person.status = intern(status)


def _take_address(person: Person, text: str, _line_number: int) -> None:
    if person.codes is not None:
        raise FaultyLineError(Fault.SECOND)
    person.codes = _one_in_memory(parse_address_codes(text), person.clear_codes)


def _take_address_in_clear(person: Person, text: str, line_number: int) -> None:
    if person.clear_codes is not None:
        raise FaultyLineError(Fault.SECOND)
    person.in_clear = (intern(cut(text, "VEJADRNVN")), intern(cut(text, "BYNVN")), parse_code(text, "POSTNR"))
    person.clear_codes = _one_in_memory(parse_address_codes(text), person.codes)
    person.clear_line = line_number


def _take_protection(person: Person, text: str, _line_number: int) -> None:
    kind = cut(text, "BESKYTTYPE")
    if not is_digits(kind, 4):
        raise FaultyLineError(Fault.PROTECTION_TYPE)
    if kind != _NAME_AND_ADDRESS:
        return
    first, last = _written_day(cut(text, "START_DT")), _written_day(cut(text, "SLET_DT"))
    if text[_PROTECTION_END:].strip():
        last = _UNREADABLE  # a mark behind the date says that it is uncertain
    person.protections += (f"{first}/{last}",)


def _take_name(person: Person, text: str, _line_number: int) -> None:
    if person.full_name is not None:
        raise FaultyLineError(Fault.SECOND)
    names = (cut(text, name) for name in ("FORNVN", "MELNVN", "EFTERNVN"))
    person.full_name = " ".join(name for name in names if name)


def _take_old_number(person: Person, text: str, _line_number: int) -> None:
    old = cut(text, "PNR")
    if not is_digits(old, 10):
        raise FaultyLineError(Fault.OLD_NUMBER)
    if old not in person.old_numbers:
        person.old_numbers += (old,)


def _one_in_memory(codes: _Codes, known: _Codes | None) -> _Codes:
    """The codes as they are known from the person's other address record, where they are equal."""
    return known if codes == known and known is not None else codes


def _written_day(text: str) -> str:
    """A protection's day as it came; what is no day becomes ``?``, which the builder lets hold."""
    try:
        return parse_day(text).isoformat() if text else ""
    except ValueError:
        return _UNREADABLE


TAKE: dict[str, Callable[[Person, str, int], None]] = {
    "001": _take_person,
    "002": _take_address,
    "003": _take_address_in_clear,
    "004": _take_protection,
    "008": _take_name,
    "022": _take_old_number,
}
"""Per record type, what lays a line (person, text, line number) over its person; the others are skipped.

Each raises FaultyLineError for a line that can't be taken.
"""
