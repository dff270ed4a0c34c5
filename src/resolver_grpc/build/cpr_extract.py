"""The CPR register's extract U12170 to rows of the persons table.

What belongs here: what the extract's records say of a person, and which lines and persons can't be trusted.
Opening the file and writing the table are the program's (``tools/import_cpr_extract.py``).

A line that can't be taken takes its person out whole (domain rules, section 5). Leaving the person out of
the table would make them "not in the register", which can still be reached by number; so the person stands
there with a blank status, which the builder rejects, and so do the person's old numbers. A line that might
be somebody's protection but doesn't say whose refuses the extract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from resolver_grpc.build.cpr_layout import NUMBER_END, Fault, FaultyLineError, cut, is_digits
from resolver_grpc.build.cpr_person import TAKE, Person
from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that wasn't taken: its number from 1, its record type (``?`` where unreadable) and why."""

    line_number: int
    record_type: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Extract:
    """A whole extract that was read.

    Attributes:
        register_date: the day it was produced, ``YYYY-MM-DD``.
        previous_date: the day of the extract that it follows, ``""`` where it states none; what changed
            since is all that such an extract holds.
        rejected_lines: the lines that weren't taken, in order.
        complete: how many persons are in the table with all they have.
        withheld: how many numbers are in it with a blank status, for the builder to reject.
    """

    register_date: str
    previous_date: str
    rejected_lines: tuple[RejectedLine, ...]
    complete: int
    withheld: int
    _persons: dict[str, Person] = field(repr=False)

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows of the persons table."""
        for number, person in self._persons.items():
            yield person.row(number)


def read_extract(lines: Iterable[bytes], source: str) -> Extract:
    """Reads an extract.

    Args:
        lines: the file's lines, in ISO-8859-1, with or without their ends.
        source: the file's name, for errors.

    Raises:
        TableError: when the extract as a whole can't be trusted: no start or end record, another number of
            records than the end record says, another encoding, or a protection that doesn't say whose it is.
    """
    reader = _ExtractReader(source)
    for line_number, raw in enumerate(lines, start=1):
        reader.take(line_number, raw)
    return reader.finish()


class _ExtractReader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._register_date = ""
        self._previous_date = ""
        self._records = 0
        self._ended = False
        self._persons: dict[str, Person] = {}
        self._orphans: dict[str, list[RejectedLine]] = {}
        self._rejected: list[RejectedLine] = []

    def take(self, line_number: int, raw: bytes) -> None:
        """Takes the next line."""
        text = self._decode(line_number, raw)
        record_type = text[:3]
        if self._ended:
            raise self._refusal(line_number, "stands after the end record 999: import one extract at a time")
        if (line_number == 1) != (record_type == "000"):
            raise self._refusal(line_number, "an extract has one start record 000, at its start: get the whole extract")
        if record_type == "000":
            self._start(text)
        elif record_type == "999":
            self._end(line_number, text)
        else:
            self._records += 1
            self._take_record(line_number, text)

    def finish(self) -> Extract:
        """Judges what only the whole extract can tell."""
        if not self._ended:
            raise TableError(f"{self._source} has no end record 999: it is cut off; get the whole extract")
        self._reject_orphans()
        self._reject_disagreeing()
        self._withhold_old_numbers()
        withheld = sum(person.withheld for person in self._persons.values())
        rejected = tuple(sorted(self._rejected, key=lambda line: line.line_number))
        complete = len(self._persons) - withheld
        return Extract(self._register_date, self._previous_date, rejected, complete, withheld, self._persons)

    def _decode(self, line_number: int, raw: bytes) -> str:
        line = raw.rstrip(b"\r\n")
        if not line.isascii() and _is_utf8(line):
            raise self._refusal(line_number, "is in UTF-8: import the extract as it was delivered, in ISO-8859-1")
        return line.decode("iso-8859-1")

    def _start(self, text: str) -> None:
        self._register_date = _parse_day(cut(text, "PRODDTO"))
        self._previous_date = _parse_day(cut(text, "PRODDTOFORRIG"))
        if not self._register_date:
            raise self._refusal(1, "the start record 000 has no day of production: get the whole extract")

    def _end(self, line_number: int, text: str) -> None:
        stated = cut(text, "TAELLER")
        if not is_digits(stated, 8):
            raise self._refusal(line_number, "the end record 999 has no number of records: get the whole extract")
        if int(stated) != self._records:
            raise self._refusal(
                line_number,
                f"the end record 999 counts {int(stated)} records between itself and the start, where the file has "
                f"{self._records}: get the whole extract",
            )
        self._ended = True

    def _take_record(self, line_number: int, text: str) -> None:
        record_type, number = text[:3], text[3:NUMBER_END]
        known_type = is_digits(record_type, 3)
        if known_type and record_type not in TAKE:
            return
        if not is_digits(number, NUMBER_END - 3):
            if not known_type or record_type == "004":
                raise self._refusal(
                    line_number, "may be a protection and doesn't say of whom: ask for the extract anew"
                )
            self._rejected.append(RejectedLine(line_number, record_type, Fault.NUMBER))
            return
        person = self._persons.setdefault(number, Person())
        try:
            _check_readable(text, known=known_type)
            TAKE[record_type](person, text, line_number)
        except FaultyLineError as error:
            person.withheld = True
            self._rejected.append(RejectedLine(line_number, record_type if known_type else "?", error.fault))
        else:
            if not person.status:
                orphan = RejectedLine(line_number, record_type, Fault.WITHOUT_PERSON)
                self._orphans.setdefault(number, []).append(orphan)
            elif record_type == "001":
                self._orphans.pop(number, None)

    def _reject_orphans(self) -> None:
        """Rejects the lines of persons without a record 001, which may have come after them."""
        for number, orphans in self._orphans.items():
            person = self._persons[number]
            if not person.status:
                person.withheld = True
                self._rejected += orphans

    def _reject_disagreeing(self) -> None:
        for person in self._persons.values():
            if not person.withheld and not person.addresses_agree():
                person.withheld = True
                self._rejected.append(RejectedLine(person.clear_line, "003", Fault.DISAGREEING))

    def _withhold_old_numbers(self) -> None:
        """Gives the old numbers of withheld persons a withheld row, lest they pass for unknown ones."""
        withheld = [person for person in self._persons.values() if person.withheld]
        for person in withheld:
            for number in person.old_numbers:
                self._persons.setdefault(number, Person(withheld=True))

    def _refusal(self, line_number: int, sentence: str) -> TableError:
        return TableError(f"{self._source}, line {line_number}: {sentence}", line=line_number)


def _check_readable(text: str, *, known: bool) -> None:
    if not known:
        raise FaultyLineError(Fault.TYPE)
    if _CONTROL_CHARACTERS.search(text):
        raise FaultyLineError(Fault.CHARACTERS)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse_day(text: str) -> str:
    """A day as ``YYYY-MM-DD`` from ``YYYYMMDD``; ``""`` for anything else."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat() if is_digits(text, 8) else ""
    except ValueError:
        return ""
