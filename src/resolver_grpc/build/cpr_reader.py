"""One file of the CPR register's extract U12170, read line by line into persons.

What belongs here: what makes a file whole, and which of its lines and persons can't be trusted. What a line
says of its person is ``cpr_person.py``'s; how several files come to one table is ``cpr_extract.py``'s.

A line that can't be taken takes its person out whole (domain rules, section 5). A line that might be
somebody's protection but doesn't say whose refuses the file; so does, in a file of changes, a record 001
that doesn't say whose it is, for whoever it is would be left with the older record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.build.cpr_layout import NUMBER_END, Fault, FaultyLineError, cut, is_digits
from resolver_grpc.build.cpr_person import TAKE, Person
from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f]")


class RejectedLine(NamedTuple):
    """A line that wasn't taken: its file, its number from 1, its record type (``?`` where unreadable) and why."""

    source: str
    line_number: int
    record_type: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class StartedExtract:
    """A file of which no more than the start record was read.

    Attributes:
        source: the file's name, for errors.
        register_date: the day it was produced, ``YYYY-MM-DD``.
        previous_date: the day of the extract that it follows, ``""`` where it states none; what changed
            since is all that such an extract holds.
        is_change: whether it is read as changes to the files before it.
    """

    source: str
    register_date: str
    previous_date: str
    is_change: bool
    _lines: Iterator[tuple[int, bytes]] = field(repr=False)

    def read(self) -> ExtractRecords:
        """Reads the rest, once.

        Raises:
            TableError: when the file as a whole can't be trusted: no end record, another number of records
                than it says, another encoding, or a line that must not be lost and doesn't say whose it is.
        """
        reader = _RecordReader(self.source, is_change=self.is_change)
        for line_number, raw in self._lines:
            reader.take(line_number, raw)
        return reader.finish()


class ExtractRecords(NamedTuple):
    """What a file holds: its persons by number, and the lines that weren't taken, in order."""

    persons: dict[str, Person]
    rejected_lines: list[RejectedLine]


def start_extract(lines: Iterable[bytes], source: str, *, is_change: bool) -> StartedExtract:
    """Reads a file's start record.

    Args:
        lines: the file's lines, in ISO-8859-1, with or without their ends.
        source: the file's name, for errors.
        is_change: whether it is to be read as changes to the files before it.

    Raises:
        TableError: when the first line is no start record, or one without a day of production.
    """
    numbered = enumerate(lines, start=1)
    line_number, raw = next(numbered, (0, b""))
    if not line_number:
        raise _cut_off(source)
    text = _decode(source, line_number, raw)
    if text[:3] != "000":
        raise _no_single_start(source, line_number)
    register_date = _parse_day(cut(text, "PRODDTO"))
    if not register_date:
        raise _refusal(source, line_number, "the start record 000 has no day of production: get the whole extract")
    return StartedExtract(source, register_date, _parse_day(cut(text, "PRODDTOFORRIG")), is_change, numbered)


class _RecordReader:
    def __init__(self, source: str, *, is_change: bool) -> None:
        self._source = source
        self._is_change = is_change
        self._records = 0
        self._ended = False
        self._persons: dict[str, Person] = {}
        self._orphans: dict[str, list[RejectedLine]] = {}
        self._rejected: list[RejectedLine] = []

    def take(self, line_number: int, raw: bytes) -> None:
        """Takes the next line."""
        text = _decode(self._source, line_number, raw)
        record_type = text[:3]
        if self._ended:
            raise self._refusal(line_number, "stands after the end record 999: give each extract as a file of its own")
        if record_type == "000":
            raise _no_single_start(self._source, line_number)
        if record_type == "999":
            self._end(line_number, text)
        else:
            self._records += 1
            self._take_record(line_number, text)

    def finish(self) -> ExtractRecords:
        """Judges what only the whole file can tell."""
        if not self._ended:
            raise _cut_off(self._source)
        self._reject_orphans()
        self._reject_disagreeing()
        return ExtractRecords(self._persons, sorted(self._rejected, key=lambda line: line.line_number))

    def _end(self, line_number: int, text: str) -> None:
        stated = cut(text, "TAELLER")
        if not is_digits(stated, 8):
            raise self._refusal(line_number, "the end record 999 has no number of records: get the whole extract")
        if int(stated) != self._records:
            # What it counts isn't told: in a file whose lines are out of place it is anybody's number.
            than = "more" if int(stated) > self._records else "fewer"
            raise self._refusal(
                line_number,
                f"the end record 999 counts {than} records between itself and the start than the file has, which are "
                f"{self._records}: get the whole extract",
            )
        self._ended = True

    def _take_record(self, line_number: int, text: str) -> None:
        record_type, number = text[:3], text[3:NUMBER_END]
        known_type = record_type in TAKE
        if not known_type and is_digits(record_type, 3):
            return
        if not is_digits(number, NUMBER_END - 3):
            self._check_losable(line_number, record_type, known=known_type)
            self._reject(line_number, record_type, Fault.NUMBER)
            return
        person = self._persons.setdefault(number, Person())
        try:
            _check_readable(text, known=known_type)
            TAKE[record_type](person, text, line_number)
        except FaultyLineError as error:
            person.withheld = True
            self._reject(line_number, record_type if known_type else "?", error.fault)
        else:
            if not person.status:
                orphan = RejectedLine(self._source, line_number, record_type, Fault.WITHOUT_PERSON)
                self._orphans.setdefault(number, []).append(orphan)
            elif record_type == "001":
                self._orphans.pop(number, None)

    def _check_losable(self, line_number: int, record_type: str, *, known: bool) -> None:
        """Refuses the file for a line that belongs to nobody knows whom, where its loss could reach somebody."""
        if not known or record_type == "004":
            raise self._refusal(line_number, "may be a protection and doesn't say of whom: ask for the extract anew")
        if record_type == "001" and self._is_change:
            raise self._refusal(
                line_number,
                "somebody changed and the record 001 doesn't say who, whose older record would stay: ask for the "
                "extract anew",
            )

    def _reject(self, line_number: int, record_type: str, fault: Fault) -> None:
        self._rejected.append(RejectedLine(self._source, line_number, record_type, fault))

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
                self._reject(person.clear_line, "003", Fault.DISAGREEING)

    def _refusal(self, line_number: int, sentence: str) -> TableError:
        return _refusal(self._source, line_number, sentence)


def _decode(source: str, line_number: int, raw: bytes) -> str:
    line = raw.rstrip(b"\r\n")
    if not line.isascii() and _is_utf8(line):
        raise _refusal(source, line_number, "is in UTF-8: import the extract as it was delivered, in ISO-8859-1")
    return line.decode("iso-8859-1")


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


def _cut_off(source: str) -> TableError:
    return TableError(f"{source} has no end record 999: it is cut off; get the whole extract")


def _no_single_start(source: str, line_number: int) -> TableError:
    return _refusal(source, line_number, "an extract has one start record 000, at its start: get the whole extract")


def _refusal(source: str, line_number: int, sentence: str) -> TableError:
    return TableError(f"{source}, line {line_number}: {sentence}", line=line_number)
