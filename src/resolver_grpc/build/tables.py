"""The builder's tables as files: opened, checked as a whole, streamed, written.

What belongs here: what CSV and Parquet have in common, which is the metadata, the columns' names, the digest
and the way a file comes into being. The bytes are ``csv_tables.py``'s and ``parquet_tables.py``'s; what a
cell means is the reader's business. A file that isn't what it should be is refused whole, with the file and
the column; no error quotes a cell, nor a column name that isn't the schema's own (a file without a header
has a person there).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from resolver_grpc.build import csv_tables
from resolver_grpc.build.edits import Edits
from resolver_grpc.build.table_files import Stamp, digest, publish, stamp, temporary_beside
from resolver_grpc.build.table_meta import TableMeta, encode_meta, meta_example, parse_meta
from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver_grpc.build.schema import Table

__all__ = ["OpenTable", "TableMeta", "TableWriter", "open_table", "write_table"]

_BATCH_ROWS = 32_768


class Columns(Protocol):
    """The columns of a table, as ``pyarrow.ChunkedArray``; each may be asked for once."""

    rows: int

    def column(self, name: str) -> Any: ...  # noqa: ANN401 - pyarrow has no types


class _Reader(Protocol):
    names: list[str]
    meta: bytes | None
    where_meta: str

    @property
    def expected_rows(self) -> int: ...
    def check_types(self, table: Table) -> None: ...
    def rows(self, table: Table) -> Iterator[list[str]]: ...
    def columns(self, table: Table) -> AbstractContextManager[Columns]: ...


class _Sink(Protocol):
    def write_rows(self, rows: list[list[str]]) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table that was found to be readable; its rows are read on demand.

    Attributes:
        path: the file.
        table: what the file holds.
        meta: what the file says of itself.
        digest: SHA-256 of the file, in hexadecimal: the source digest of a manifest.
        edits: what is said otherwise than in the file.
    """

    path: Path
    table: Table
    meta: TableMeta
    digest: str
    _reader: _Reader
    _stamp: Stamp
    edits: Edits = field(default_factory=Edits)

    @property
    def expected_rows(self) -> int:
        """About how many rows there are, for a progress bar."""
        return self._reader.expected_rows + len(self.edits.added) - len(self.edits.removed)

    def edited(self, edits: Edits) -> OpenTable:
        """The same table with some rows said otherwise, in the place of what was said otherwise before."""
        return replace(self, edits=edits)

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Streams the rows, each with its number from 1 and every column of the schema, ``""`` for empty.

        Raises:
            TableError: for a row that can't be read, or a file that changed since it was opened.
        """
        names = self.table.column_names
        self._check_unchanged()
        rows = enumerate(self._reader.rows(self.table), start=1)
        yield from self.edits.rows((number, dict(zip(names, cells, strict=True))) for number, cells in rows)
        self._check_unchanged()

    @contextmanager
    def columns(self) -> Iterator[Columns]:
        """Opens the columns, for as long as the block lasts; a cell that is empty is ``""`` or null.

        Raises:
            TableError: for a column that can't be read, or a file that changed since it was opened.
        """
        self._check_unchanged()
        with _pyarrow_needed(), self._reader.columns(self.table) as columns:
            yield _edited(columns, self.edits) if self.edits else columns
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        if stamp(self.path) != self._stamp:
            raise TableError(f"{self.path} changed while it was read: start again when it is complete")


class TableWriter:
    """Takes the rows of a table that is being written; :func:`write_table` makes it."""

    def __init__(self, table: Table, sink: _Sink) -> None:
        self._names = table.column_names
        self._known = frozenset(self._names)
        self._sink = sink
        self._rows: list[list[str]] = []

    def write(self, row: Mapping[str, str]) -> None:
        """Adds a row; a missing column is ``""``.

        Raises:
            TableError: for a column that the table doesn't have.
        """
        if not row.keys() <= self._known:
            raise TableError(f"a row has a column that the table lacks: it takes {', '.join(self._names)}")
        self._rows.append([row.get(name, "") for name in self._names])
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def finish(self) -> None:
        """Writes what is left and closes the file."""
        self._flush()
        self._sink.close()

    def abandon(self) -> None:
        """Closes the file without writing what is left."""
        self._rows.clear()
        with suppress(OSError):  # a full disk was told already
            self._sink.close()

    def _flush(self) -> None:
        try:
            self._sink.write_rows(self._rows)
        except UnicodeEncodeError:
            raise TableError("a row holds text that UTF-8 can't write: its source was read wrongly") from None
        self._rows = []


def open_table(path: str | Path, table: Table) -> OpenTable:
    """Opens a table and checks all but its rows: ending, columns, types, metadata.

    Args:
        path: a file ending in ``.csv`` (beside it ``<name>.csv.meta.json``) or ``.parquet``.
        table: what the file should hold.

    Raises:
        TableError: when the file is missing, unreadable or not such a table.
    """
    path = Path(path)
    ending = _ending(path)
    found = stamp(path)
    sha256 = digest(path)
    reader = _open_reader(path, ending)
    _check_names(path, reader.names, table)
    reader.check_types(table)
    if reader.meta is None:
        raise TableError(f"{reader.where_meta} is missing: it must hold JSON such as {meta_example(table)}")
    meta = parse_meta(reader.meta, reader.where_meta, table)
    return OpenTable(path, table, meta, sha256, reader, found)


@contextmanager
def write_table(path: str | Path, table: Table, meta: TableMeta) -> Iterator[TableWriter]:
    """Writes a table, which appears under its name when the block ends well, and not at all otherwise.

    The file is readable for its owner alone, since tables hold personal data.

    Args:
        path: a file ending in ``.csv`` or ``.parquet``; what stood there is replaced.
        table: what the file is to hold.
        meta: what it says of itself.

    Raises:
        TableError: for an unknown ending, bad metadata, or (from ``write``) an unknown column.
        OSError: when the file can't be written.
    """
    path = Path(path)
    ending = _ending(path)
    encoded = encode_meta(meta)
    parse_meta(encoded, f"the metadata of {path}", table)
    temporary = temporary_beside(path)
    try:
        writer = TableWriter(table, _open_sink(temporary, ending, table, encoded))
        try:
            yield writer
            writer.finish()
        except BaseException:
            writer.abandon()
            raise
        publish(temporary, path, (csv_tables.sidecar_of(path), encoded) if ending == ".csv" else None)
    finally:
        temporary.unlink(missing_ok=True)


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in {".csv", ".parquet"}:
        raise TableError(f"{path} is neither .csv nor .parquet: give the table one of these endings")
    return ending


def _open_reader(path: Path, ending: str) -> _Reader:
    if ending == ".csv":
        return csv_tables.CsvReader(path)
    with _pyarrow_needed():
        from resolver_grpc.build.parquet_tables import ParquetReader  # noqa: PLC0415 - an optional extra
    return ParquetReader(path)


def _open_sink(path: Path, ending: str, table: Table, meta: bytes) -> _Sink:
    if ending == ".csv":
        return csv_tables.CsvSink(path, table)
    with _pyarrow_needed():
        from resolver_grpc.build.parquet_tables import ParquetSink  # noqa: PLC0415 - an optional extra
    return ParquetSink(path, table, meta)


def _edited(columns: Columns, edits: Edits) -> Columns:
    from resolver_grpc.build.edited_columns import EditedColumns  # noqa: PLC0415 - an optional extra

    return EditedColumns(columns, edits)


@contextmanager
def _pyarrow_needed() -> Iterator[None]:
    """Says which extra to install where pyarrow, which is optional, is missing."""
    try:
        yield
    except ModuleNotFoundError:
        raise TableError("Parquet tables need pyarrow: pip install resolver-grpc[build]") from None


def _check_names(path: Path, names: Sequence[str], table: Table) -> None:
    """Refuses columns unknown, doubled or missing; an unknown one is told by its place."""
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if name not in table.column_names:
            raise TableError(
                f"{path}: column {place} is unknown: a {table.name} table starts with a header and has the columns "
                f"{', '.join(table.column_names)}"
            )
        if name in seen:
            raise TableError(f"{path}: column {name} stands there twice: remove one")
        seen.add(name)
    for column in table.columns:
        if column.required and column.name not in seen:
            raise TableError(f"{path}: column {column.name} is missing: a {table.name} table must have it")
