"""A table as CSV: UTF-8 (a byte order mark allowed), commas, a header, every cell text.

What belongs here: the file's lines and its neighbour with the metadata. The standard library reads it, so
that CSV needs nothing beside it and every error knows its line.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resolver_grpc.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resolver_grpc.build.csv_columns import CsvColumns
    from resolver_grpc.build.schema import Table

_BLOCK_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def sidecar_of(path: Path) -> Path:
    """The file that holds a CSV table's metadata: ``persons.csv.meta.json`` beside ``persons.csv``."""
    return path.with_name(path.name + ".meta.json")


class CsvReader:
    """A CSV file whose header was read.

    Attributes:
        names: the header's cells.
        meta: the metadata's bytes, None where there are none.
        where_meta: where the metadata stands, for errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        sidecar = sidecar_of(path)
        self.where_meta = str(sidecar)
        self.names: list[str] = next(self._cells(), [])
        if not self.names:
            raise TableError(f"{path} has no header: its first line must name the columns")
        try:
            self.meta: bytes | None = sidecar.read_bytes() if sidecar.exists() else None
        except OSError:
            raise TableError(f"{sidecar} can't be read: check that it is a file and its permissions") from None

    @property
    def expected_rows(self) -> int:
        """How many lines there are but the header's: no fewer than the rows."""
        with self._path.open("rb") as file:
            return max(0, sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK_BYTES), b"")) - 1)

    def check_types(self, table: Table) -> None:
        """Every cell of a CSV file is text."""

    def rows(self, table: Table) -> Iterator[list[str]]:
        """Streams the rows' cells in the schema's order, ``""`` for a column that the file lacks."""
        cells_of_file = self._cells()
        width = len(next(cells_of_file))
        places = {name: place for place, name in enumerate(self.names)}
        order = [places.get(name, width) for name in table.column_names]
        for cells in cells_of_file:
            cells.append("")
            yield [cells[place] for place in order]

    @contextmanager
    def columns(self, table: Table) -> Iterator[CsvColumns]:
        """Reads all columns of the schema."""
        from resolver_grpc.build import csv_columns  # noqa: PLC0415 - Arrow is an optional extra

        plain = csv_columns.columns_of_plain_file(self._path, self.names, table)
        yield plain or csv_columns.columns_of_rows(self.rows(table), table)

    def _cells(self) -> Iterator[list[str]]:
        """Streams the lines' cells, the header's first, all of the header's width."""
        try:
            with self._path.open("rb") as file:
                reader = csv.reader(self._lines(file), strict=True)
                width = None
                for cells in reader:
                    if width is None:
                        width = len(cells)
                    if len(cells) != width:
                        raise TableError(
                            f"{self._path}, line {reader.line_num}: {len(cells)} cells where the header has {width}: "
                            "quote cells that hold a comma, and leave no line empty"
                        )
                    yield cells
        except csv.Error:
            raise TableError(
                f"{self._path}, line {reader.line_num}: can't be read as CSV: check its quotation marks"
            ) from None
        except OSError:
            raise TableError(f"{self._path} can't be read: check its permissions and its disk") from None

    def _lines(self, file: Iterator[bytes]) -> Iterator[str]:
        for number, line in enumerate(file, start=1):
            raw = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                raise TableError(f"{self._path}, line {number}: not UTF-8: save the file as UTF-8") from None
            if "\0" in text:
                raise TableError(f"{self._path}, line {number}: no text: save the file as CSV in UTF-8")
            yield text


class CsvSink:
    """A CSV file that is being written."""

    def __init__(self, path: Path, table: Table) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        # The line ends of RFC 4180: with others, the csv module leaves a lone return unquoted and can't read it back.
        self._writer = csv.writer(self._file, lineterminator="\r\n")
        self._writer.writerow(table.column_names)

    def write_rows(self, rows: list[list[str]]) -> None:
        """Adds rows of cells in the schema's order."""
        self._writer.writerows(rows)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
