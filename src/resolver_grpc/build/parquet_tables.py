"""A table as Parquet: text columns, days and instants also as what Parquet has for them.

What belongs here: all that touches pyarrow, which is an optional extra. Its messages often quote the row
and therefore never leave this module.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resolver_grpc.build.schema import ColumnType
from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resolver_grpc.build.schema import Column, Table

_METADATA_KEY = b"resolver_grpc"
_BATCH_ROWS = 16_384
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DIGITS = {ColumnType.CPR, ColumnType.OWNER_NUMBER, ColumnType.CPR_LIST, ColumnType.CODE}


class ParquetReader:
    """A Parquet file whose schema was read.

    Attributes:
        names: the columns' names.
        expected_rows: how many rows the file says it has.
        meta: the metadata's bytes, None where there are none.
        where_meta: where the metadata stands, for errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _refusing(path), pq.ParquetFile(path) as file:
            self._schema = file.schema_arrow
            self.expected_rows: int = file.metadata.num_rows
        self.names: list[str] = list(self._schema.names)
        self.meta: bytes | None = (self._schema.metadata or {}).get(_METADATA_KEY)
        self.where_meta = f"{path}: the schema metadata resolver_grpc"

    def check_types(self, table: Table) -> None:
        """Refuses columns whose type can't hold what the schema asks for.

        Raises:
            TableError: with the column and the types that it may have.
        """
        for column in table.columns:
            if column.name in self.names:
                _check_type(self._path, column, self._schema.field(column.name).type)

    @contextmanager
    def columns(self, table: Table) -> Iterator[ParquetColumns]:
        """Gives the columns of the schema; what is found wrong while they are used refuses the table."""
        with _refusing(self._path):
            yield ParquetColumns(self._path, table)

    def rows(self, table: Table) -> Iterator[list[str]]:
        """Streams the rows' cells in the schema's order, ``""`` for a null or a column that the file lacks."""
        with _refusing(self._path), pq.ParquetFile(self._path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                absent = [""] * batch.num_rows
                columns = [
                    texts_of(batch.column(name)) if name in self.names else absent for name in table.column_names
                ]
                yield from map(list, zip(*columns, strict=True))


class ParquetColumns:
    """The columns of a Parquet file, each read when it is asked for.

    Attributes:
        rows: how many rows there are.
    """

    def __init__(self, path: Path, table: Table) -> None:
        few = [column.name for column in table.columns if column.has_few_values]
        self._file = pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=few)
        self._names = frozenset(self._file.schema_arrow.names)
        self.rows: int = self._file.metadata.num_rows

    def column(self, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Reads a column of text, or of what Parquet has for a time; null throughout where the file lacks it."""
        if name not in self._names:
            return pa.chunked_array([pa.nulls(self.rows, pa.string())])
        column = self._file.read(columns=[name]).column(0)
        # A column of nothing but nulls may have no type.
        return column.cast(pa.string()) if pa.types.is_null(column.type) else column


class ParquetSink:
    """A Parquet file that is being written: text columns, compressed by zstd."""

    def __init__(self, path: Path, table: Table, meta: bytes) -> None:
        fields = [(name, pa.string()) for name in table.column_names]
        self._schema = pa.schema(fields, metadata={_METADATA_KEY: meta})
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_page_checksum=True)

    def write_rows(self, rows: list[list[str]]) -> None:
        """Adds rows of cells in the schema's order."""
        if rows:
            arrays = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Writes the footer and closes the file."""
        self._writer.close()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turns what pyarrow says of a bad file into a sentence that quotes nothing of it."""
    try:
        yield
    except UnicodeDecodeError:
        raise TableError(f"{path} holds text that is not UTF-8: write the table anew") from None
    except (pa.ArrowException, OSError):
        raise TableError(f"{path} can't be read as Parquet: it is damaged or something else") from None


def _check_type(path: Path, column: Column, kind: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    day = column.type in {ColumnType.DAY, ColumnType.TIME} and pa.types.is_date32(kind)
    instant = column.type is ColumnType.TIME and pa.types.is_timestamp(kind)
    if instant and kind.tz is None:
        raise TableError(f"{path}: column {column.name} is a timestamp without a time zone: give it UTC")
    if day or instant or _is_text(kind) or (pa.types.is_null(kind) and not column.required):
        return
    if pa.types.is_integer(kind) and column.type in _DIGITS:
        raise TableError(f"{path}: column {column.name} is a number, which loses leading zeros: write it as text")
    raise TableError(f"{path}: column {column.name} has the wrong type: it must be {column.type.value}")


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def texts_of(array: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    """A column's cells as text, null as ``""``; instants in UTC with ``Z``, floored to the second."""
    if not pa.types.is_timestamp(array.type):
        texts: list[str] = array.cast(pa.string()).fill_null("").to_pylist()
        return texts
    ticks = array.cast(pa.int64()).fill_null(0).to_numpy()
    seconds = (ticks // _PER_SECOND[array.type.unit]).astype("datetime64[s]")
    written = np.datetime_as_string(seconds, unit="s", timezone="UTC").tolist()
    return [text if valid else "" for text, valid in zip(written, array.is_valid().to_pylist(), strict=True)]
