"""The persons table as columns; the rules are those of ``rows/persons.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from resolver_grpc.build.bulk.following import repeated
from resolver_grpc.build.bulk.homes import Homes, read_homes
from resolver_grpc.build.bulk.names import Names, read_names
from resolver_grpc.build.bulk.numbers import UNREADABLE, Numbers, read_cpr_numbers, text_of
from resolver_grpc.build.bulk.problems import Problems
from resolver_grpc.build.bulk.reading import read_each
from resolver_grpc.build.bulk.texts import Column, Encoded, Flags
from resolver_grpc.build.numbers import Link
from resolver_grpc.build.sources import TWICE, readable
from resolver_grpc.canonical.numbers import parse_cpr
from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import STATUSES, parse_protections

ColumnOf = Callable[[str], Column]
"""Reads a column of a table by its name."""


@dataclass(frozen=True, eq=False, slots=True)
class Persons:
    """The persons table, row by row; what a rejected row says beside its number and links means nothing.

    Attributes:
        problems: which rows were rejected, and why.
        numbers: whom each row is about.
        statuses: the register's two digits.
        names: the words that count.
        homes: where they live.
        protections: when they are under name-and-address protection.
        links: old numbers with the numbers that took their place, rejected rows' included.
        bad: numbers that rejected rows speak for.
    """

    problems: Problems
    numbers: Numbers
    statuses: Encoded[str]
    names: Names
    homes: Homes
    protections: Encoded[tuple[Span, ...]]
    links: set[Link]
    bad: set[str]


def read_persons(column: ColumnOf, rows: int) -> Persons:
    """Reads the persons table.

    Args:
        column: gives a column by its name.
        rows: how many rows there are.
    """
    problems = Problems("persons", rows)
    numbers = read_cpr_numbers(column("number"))
    problems.note_unreadable(numbers == UNREADABLE, "number")
    statuses, _ = read_each(column("status"), str.strip)
    problems.note(statuses.flags(lambda status: status not in STATUSES), "status is not one of the register's")
    currents, unreadable = read_each(column("current_number"), _current)
    problems.note_unreadable(unreadable, "current_number")
    olds, _ = read_each(column("old_numbers"), _olds)
    problems.note_unreadable(olds.flags(lambda found: not found.whole), "old_numbers")
    names = read_names(column("full_name"))
    homes = read_homes(column, problems)
    protections, _ = read_each(column("protections"), parse_protections)
    links = _links(numbers, currents, olds)
    bad = _mentioned(~problems.accepted, currents, olds)
    problems.note(repeated(numbers) & (numbers != UNREADABLE), TWICE)
    bad.update(text_of(number) for number in numbers[~problems.accepted & (numbers != UNREADABLE)].tolist())
    return Persons(problems, numbers, statuses, names, homes, protections, links, bad)


class _Olds(NamedTuple):
    """What a cell of old numbers says as far as it can be read, and whether all of it can."""

    numbers: tuple[str, ...]
    whole: bool


def _current(text: str) -> str:
    return parse_cpr(text) if text.strip() else ""


def _olds(text: str) -> _Olds:
    numbers = tuple(chain.from_iterable(readable(part, parse_cpr) for part in text.split(";")))
    return _Olds(numbers, not text.strip() or len(numbers) == text.count(";") + 1)


def _links(numbers: Numbers, currents: Encoded[str | None], olds: Encoded[_Olds]) -> set[Link]:
    """What all rows say of replaced numbers, as far as it can be read."""
    links: set[Link] = set()
    telling = (currents.flags(bool) | olds.flags(lambda found: bool(found.numbers))) & (numbers != UNREADABLE)
    for row in np.flatnonzero(telling).tolist():
        number = text_of(int(numbers[row]))
        current = currents.values[currents.indices[row]]
        links.update([(number, current)] if current else [])
        links.update((old, number) for old in olds.values[olds.indices[row]].numbers)
    return links


def _mentioned(rows: Flags, currents: Encoded[str | None], olds: Encoded[_Olds]) -> set[str]:
    """Whom some rows mention beside the person whom they are about."""
    found: set[str] = set()
    for row in np.flatnonzero(rows).tolist():
        current = currents.values[currents.indices[row]]
        found.update([current] if current else [], olds.values[olds.indices[row]].numbers)
    return found
