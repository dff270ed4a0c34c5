"""All tables read at once: those about persons and roads in another process, the others here.

Python has its part in each, and one interpreter runs one of them only. What belongs here: who reads what, and
how far it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from resolver_grpc.build.bulk.mailboxes import ColumnOf, read_mailboxes, read_relations
from resolver_grpc.build.bulk.owners import Tables
from resolver_grpc.build.bulk.persons import Persons, read_persons
from resolver_grpc.build.bulk.process import in_another_process
from resolver_grpc.build.bulk.streets import Streets, streets_of
from resolver_grpc.build.bulk.texts import Column
from resolver_grpc.build.rejects import Rejects
from resolver_grpc.build.report import Stages
from resolver_grpc.build.roads import Roads, SharedStreets
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import Columns, OpenTable
from resolver_grpc.rows.persons import Home

Read = TypeVar("Read")
Advance = Callable[[int], None]

_WORTH_A_PROCESS = 200_000
"""Rows that take longer to read than a process takes to start."""


class _Register(NamedTuple):
    """What the tables of persons and roads say.

    Attributes:
        persons: the persons; which of their rows were rejected is noted with them.
        streets: the texts of their homes' roads, by the rows of both tables.
        shared: the streets that several roads share.
        rejects: the rejected rows of the roads table.
        rows: how many rows the two tables had.
    """

    persons: Persons
    streets: Streets
    shared: SharedStreets
    rejects: Rejects
    rows: tuple[int, int]


def read_tables(tables: Sequence[OpenTable], rejects: Rejects, stages: Stages) -> tuple[Tables, dict[str, int]]:
    """Reads all tables.

    Args:
        tables: persons, mailboxes, relations and, if there is one, roads.
        rejects: lists the rejected rows of the roads table; those of the others are noted with their rows.
        stages: shows how far the reading is.

    Returns:
        The tables, and how many rows each had.

    Raises:
        TableError: a table can't be read as what it should be.
    """
    opened = {table.table.name: table for table in tables}
    total = sum(table.expected_rows for table in tables)
    with stages(total, "reading tables") as advance, _register_aside(opened, advance) as register_read:
        mailboxes, mailbox_rows = _read(opened[MAILBOXES.name], read_mailboxes, advance)
        relations, relation_rows = _read(opened[RELATIONS.name], read_relations, advance)
        register = register_read()
    rejects.rows.extend(register.rejects.rows)
    rows = {MAILBOXES.name: mailbox_rows, RELATIONS.name: relation_rows}
    rows |= zip((PERSONS.name, ROADS.name), register.rows, strict=True)
    return Tables(register.persons, mailboxes, relations, register.streets, register.shared), rows


@contextmanager
def _register_aside(opened: Mapping[str, OpenTable], advance: Advance) -> Iterator[Callable[[], _Register]]:
    """Has the register read meanwhile in another process, where there is enough of it to be worth one."""
    about = {table.name: opened[table.name] for table in (PERSONS, ROADS) if table.name in opened}
    if sum(table.expected_rows for table in about.values()) < _WORTH_A_PROCESS:
        yield lambda: _read_register(about, advance)
        return
    with in_another_process(_read_register, about, advance) as aside:
        yield aside.result


def _read_register(opened: Mapping[str, OpenTable], advance: Advance) -> _Register:
    persons, person_rows = _read(opened[PERSONS.name], read_persons, advance)
    sources = Sources()
    for row_number, row in opened[ROADS.name].rows() if ROADS.name in opened else ():
        sources.add_road(row_number, row)
    advance(sources.rows_read[ROADS.name])
    streets, shared = _streets_of(persons.homes.roads(), sources.roads)
    rows = person_rows, sources.rows_read[ROADS.name]
    return _Register(persons, streets, shared, sources.rejects, rows)


def _streets_of(homes: list[Home], roads: Roads) -> tuple[Streets, SharedStreets]:
    """Works out the texts of all roads; where a road lies counts from rejected rows of persons too."""
    for home in homes:
        roads.add(home)
    shared = roads.shared()
    return streets_of(homes, roads, shared), shared


def _read(table: OpenTable, read: Callable[[ColumnOf, int], Read], advance: Advance) -> tuple[Read, int]:
    """Reads a table; gives what it says and how many rows it has."""
    with table.columns() as columns:
        return read(_telling(columns, len(table.table.columns), advance), columns.rows), columns.rows


def _telling(columns: Columns, count: int, advance: Advance) -> ColumnOf:
    """Reads columns, and tells after each how many rows' worth of cells it was."""
    share = columns.rows // count

    def column(name: str) -> Column:
        advance(share)
        return columns.column(name)

    return column
