"""Targets that take files about persons: the builder's tables, the register's extracts, shipments."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz_oracle import check_told, refusing

from resolver_grpc.build.assemble import assemble, in_order_of_ordinals
from resolver_grpc.build.bulk.drafting import draft_content
from resolver_grpc.build.cpr_extract import read_extracts
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.fold.later import Folded
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.plain import read_sources
from resolver_grpc.build.report import Stages
from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS
from resolver_grpc.build.snapshot import window_of
from resolver_grpc.build.sources import Sources
from resolver_grpc.build.tables import open_table
from resolver_grpc.client.shipment import open_shipment
from resolver_grpc.errors import TableError
from resolver_grpc.index.content import content_digest
from resolver_grpc.index.pairs import SpilledPairs
from resolver_grpc.keys import MasterKey
from small_register import quiet, write_tables

TABLES = (PERSONS, MAILBOXES, RELATIONS, ROADS)
COLUMN_NAMES = frozenset(word for table in TABLES for word in table.column_names)
META = b'{"change_sequence": 7, "register_date": "2026-11-01"}'
KEY = MasterKey(b"f" * 32)
MOST_ROWS = 2_000


@contextmanager
def opening_folder():
    """A folder for the files of a target."""
    with TemporaryDirectory(prefix="fuzz") as folder:
        yield Path(folder)


def fuzz_csv(folder, data):
    """Rows and columns of a CSV file hold the same cells, or both refuse it; rows are taken or rejected."""
    _read_both_ways(folder / "table.csv", data)


def fuzz_parquet(folder, data):
    """The same of a Parquet file."""
    _read_both_ways(folder / "table.parquet", data)


def _read_both_ways(path, data):
    """Reads a table of which the first byte says which, and the rest is the file."""
    if not data:
        return
    table, content = TABLES[data[0] % len(TABLES)], data[1:]
    path.write_bytes(content)
    path.with_name(path.name + ".meta.json").write_bytes(META)
    rows = columns = None
    with refusing(content, path):
        rows = [row for _, row in open_table(path, table).rows()]
    with refusing(content, path):
        columns = _rows_by_column(open_table(path, table), table)
    assert rows is None or columns is None or [*map(_told_of, rows)] == columns
    sources = Sources()
    for number, row in enumerate((rows or [])[:MOST_ROWS], start=1):
        take = (sources.add_person, sources.add_mailbox, sources.add_relation, sources.add_road)[TABLES.index(table)]
        take(number, row)
    for reject in sources.rejects.rows:
        check_told(reject.problem, content, COLUMN_NAMES)


def _told_of(row):
    return tuple(row.values())


def _rows_by_column(table, schema):
    """A table's rows as its columns have them, texts alone: what Parquet has for times is read elsewhere."""
    with table.columns() as columns:
        if columns.rows > MOST_ROWS:
            return None
        cells = [columns.column(name) for name in schema.column_names]
        if not all(str(column.type) in {"string", "large_string"} for column in cells):
            return None
        return [*zip(*([cell or "" for cell in column.to_pylist()] for column in cells), strict=True)]


@dataclass
class Register:
    """Tables that are sound, in a folder; a target puts another file in the place of one."""

    folder: Path
    tables: list


@contextmanager
def opening_register():
    """The small register's tables, written."""
    with opening_folder() as folder:
        inputs = write_tables(folder)
        yield Register(folder, [inputs.persons, inputs.mailboxes, inputs.relations, inputs.roads])


def fuzz_builder(register, data):
    """Row by row and by columns come to one content and to the same rejected rows, or both refuse a table.

    The first byte says which table's file the rest takes the place of.
    """
    if not data:
        return
    place, content = data[0] % len(TABLES), data[1:]
    path = register.folder / "other.csv"
    path.write_bytes(content)
    path.with_name(path.name + ".meta.json").write_bytes(META)
    paths = [path if number == place else sound for number, sound in enumerate(register.tables)]
    told = [None, None]
    for number, build in enumerate((_build_by_rows, _build_by_columns)):
        with refusing(content, path, kind=TableError):
            told[number] = build([open_table(one, table) for one, table in zip(paths, TABLES, strict=True)], register)
    assert told[0] == told[1]


def _build_by_rows(tables, _register):
    sources = read_sources(tables, quiet)
    owners = in_order_of_ordinals(join_owners(sources), KEY.index_keys)
    content = assemble(owners, Entries(KEY.index_keys, sources.roads, window_of(tables)), lambda _: None)
    return _outcome(content, sources.rejects)


def _build_by_columns(tables, register):
    with SpilledPairs(register.folder) as pairs:
        drafted = draft_content(Folded(tables), KEY.index_keys, window_of(tables), pairs, Stages(quiet))
        pairs.sort(lambda _: None)
        return _outcome(drafted.content, drafted.rejects)


def _outcome(content, rejects):
    return content_digest(content, b"", b""), sorted((one.table, one.row, one.problem) for one in rejects.rows)


def fuzz_extract(_environment, data):
    """Extracts, parted by zero bytes, make rows of the persons table, or are refused."""
    files = [(f"file {place}", part.splitlines(keepends=True)) for place, part in enumerate(data.split(b"\0"))]
    with refusing(data):
        extract = read_extracts(files)
        for row in extract.rows():
            assert row.keys() <= set(PERSONS.column_names)
            assert row["number"].isdecimal()
        for rejected in extract.rejected_lines:
            check_told(f"{rejected.source} {rejected.record_type} {rejected.fault.value}", data)


def fuzz_shipment(folder, data):
    """A shipment file gives a query for each row, or is refused."""
    path = folder / "shipment.csv"
    path.write_bytes(data)
    with refusing(data, path):
        shipment = open_shipment(path)
        assert sum(1 for _ in shipment.queries()) == shipment.rows
