"""Extracts U12170 of the CPR register to rows of the persons table: a full one, and the changes since.

What belongs here: the order of the files, whose record counts where several have one, and the rows. What a
file holds is ``cpr_reader.py``'s; opening files and writing the table are the program's
(``tools/import_cpr_extract.py``).

An extract holds each of its persons whole, so a person's records in a newer file take the place of the older
ones, all of them (``docs/adr/0011``). That goes for a newer record that can't be trusted too: the older one
doesn't come back. Leaving the person out of the table would make them "not in the register", which can still
be reached by number; so the person stands there with a blank status, which the builder rejects, and so do
the person's old numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from resolver_grpc.build.cpr_person import Person
from resolver_grpc.build.cpr_reader import RejectedLine, StartedExtract, start_extract
from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Extract", "ExtractFile", "RejectedLine", "read_extract", "read_extracts"]


@dataclass(frozen=True, slots=True)
class ExtractFile:
    """What one file brought.

    Attributes:
        source: the file's name.
        register_date: the day it was produced, ``YYYY-MM-DD``.
        new: how many persons, the withheld included, no file before it held.
        replaced: how many took the place of an older record.
        rejected_lines: how many of its lines weren't taken.
    """

    source: str
    register_date: str
    new: int
    replaced: int
    rejected_lines: int


@dataclass(frozen=True, slots=True)
class Extract:
    """Extracts that were read and merged.

    Attributes:
        register_date: the day the last was produced, ``YYYY-MM-DD``.
        previous_date: the day of the extract that the first follows, ``""`` where it states none.
        files: what each file brought, in order.
        rejected_lines: the lines that weren't taken, in order.
        complete: how many persons are in the table with all they have.
        withheld: how many numbers are in it with a blank status, for the builder to reject.
    """

    register_date: str
    previous_date: str
    files: tuple[ExtractFile, ...]
    rejected_lines: tuple[RejectedLine, ...]
    complete: int
    withheld: int
    _persons: dict[str, Person] = field(repr=False)

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows of the persons table."""
        for number, person in self._persons.items():
            yield person.row(number)


def read_extract(lines: Iterable[bytes], source: str) -> Extract:
    """Reads a single extract; see :func:`read_extracts`."""
    return read_extracts([(source, lines)])


def read_extracts(files: Sequence[tuple[str, Iterable[bytes]]]) -> Extract:
    """Reads a full extract and the changes that followed it.

    Whether the first holds everyone can't be seen from it, so it may state any previous day, or none. The
    order is checked on the start records, before anything else is read.

    Args:
        files: at least one; the name, for errors, and the lines, in ISO-8859-1, with or without their ends.

    Raises:
        TableError: when the files don't follow each other, or one of them as a whole can't be trusted: no
            start or end record, another number of records than the end record says, another encoding, or a
            line that must not be lost and doesn't say whose it is.
    """
    started = [start_extract(lines, source, is_change=place > 0) for place, (source, lines) in enumerate(files)]
    _check_order(started)
    full, *changes = started
    persons, rejected = full.read()
    counted = [ExtractFile(full.source, full.register_date, len(persons), 0, len(rejected))]
    for change in changes:
        newer, more = change.read()
        replaced = _lay_over(persons, newer)
        counted.append(ExtractFile(change.source, change.register_date, len(newer) - replaced, replaced, len(more)))
        rejected += more
    _withhold_old_numbers(persons)
    withheld = sum(person.withheld for person in persons.values())
    return Extract(
        register_date=started[-1].register_date,
        previous_date=started[0].previous_date,
        files=tuple(counted),
        rejected_lines=tuple(rejected),
        complete=len(persons) - withheld,
        withheld=withheld,
        _persons=persons,
    )


def _check_order(started: Sequence[StartedExtract]) -> None:
    """Refuses files of which one isn't what was produced right after the one before it.

    Two of one day don't tell which of them is the newer.
    """
    for older, newer in pairwise(started):
        if not newer.previous_date == older.register_date < newer.register_date:
            raise TableError(
                f"{newer.source} (produced {newer.register_date}, after an extract of "
                f"{newer.previous_date or 'no stated day'}) can't follow {older.source} (produced "
                f"{older.register_date}): give the full extract and the changes in the order of their production, "
                "each once and none left out"
            )


def _lay_over(persons: dict[str, Person], newer: dict[str, Person]) -> int:
    """Lets newer persons replace the older; tells how many did."""
    replaced = 0
    for number, person in newer.items():
        older = persons.get(number)
        if older is not None:
            replaced += 1
            if person.withheld:
                person.keep_ties(older)
        persons[number] = person
    return replaced


def _withhold_old_numbers(persons: dict[str, Person]) -> None:
    """Gives the old numbers of withheld persons a withheld row, lest they pass for unknown ones."""
    for person in [person for person in persons.values() if person.withheld]:
        for number in person.old_numbers:
            persons.setdefault(number, Person(withheld=True))
