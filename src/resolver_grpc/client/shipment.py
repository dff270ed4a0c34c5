"""Shipment files: a table of recipients, read twice.

What belongs here: the file as a whole. The first reading checks its shape and counts its rows, before
anything is sent; the second gives the queries one by one, however large the file is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.client.headings import Columns, count_known, match_headings
from resolver_grpc.client.recipients import query_of_row
from resolver_grpc.client.table_text import TableText, detect_table
from resolver_grpc.errors import ShipmentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resolver_grpc.model import QueryRow

# The register's KVHX key of 18 characters is padded with blanks that count.
_KEPT_AS_IT_STANDS = "kvhx"


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment file whose shape has been checked.

    Attributes:
        table: the file with its encoding and delimiter.
        columns: which column holds which field, and which are not read.
        rows: the number of rows below the headings.
    """

    table: TableText
    columns: Columns
    rows: int

    def queries(self) -> Iterator[QueryRow]:
        """Read the file again and give each row's query, in order.

        A query's reference is the row's, or where the file has no such column the row's number, from 1.

        Raises:
            ShipmentError: the file changed since it was opened.
        """
        count = 0
        for count, cells in enumerate(_data_rows(self.table, self.columns), 1):
            row = {
                field: cells[place] if field == _KEPT_AS_IT_STANDS else cells[place].strip()
                for field, place in self.columns.places.items()
            }
            yield query_of_row(row, row.get("reference", str(count)))
        if count != self.rows:
            raise ShipmentError("The file changed while it was being read: start again when it is complete.")


def open_shipment(path: Path) -> Shipment:
    """Read a shipment file for the first time: find its columns, check its shape, count its rows.

    Args:
        path: the file: UTF-8 or Windows-1252, comma, semicolon or tab between cells, headings in the first
            line that is not blank.

    Raises:
        ShipmentError: the file is no such table; the sentence names the line, never its content.
        OSError: the file can't be opened.
    """
    table = detect_table(path, count_known)
    _, headings = next(table.lines(), (0, None))
    if headings is None:
        raise ShipmentError("The file is empty: it needs a line of headings and a row for each recipient.")
    columns = match_headings(headings)
    return Shipment(table, columns, sum(1 for _ in _data_rows(table, columns)))


def _data_rows(table: TableText, columns: Columns) -> Iterator[list[str]]:
    lines = table.lines()
    next(lines, None)
    for number, cells in lines:
        if len(cells) != columns.width:
            raise ShipmentError(
                f"Line {number} has {len(cells)} cells where the headings are {columns.width}: "
                "put cells that hold a delimiter in quotation marks.",
                line=number,
            )
        yield cells
