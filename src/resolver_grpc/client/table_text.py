"""What a shipment file's bytes are: encoding, delimiter, cells.

What belongs here: reading a table of text of which nothing is known but that it is one. What the cells mean
is not known here.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from resolver_grpc.errors import ShipmentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

DELIMITERS: Final = (";", ",", "\t")

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)  # a hint that Excel writes and obeys
_SAVE_AS = 'save it from the spreadsheet as "CSV UTF-8"'


@dataclass(frozen=True, slots=True)
class TableText:
    """A table in a text file.

    Attributes:
        path: the file.
        encoding: ``utf-8-sig`` (which reads UTF-8 with and without a byte order mark) or ``cp1252``.
        delimiter: what stands between two cells.
    """

    path: Path
    encoding: str
    delimiter: str

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Give each line of cells with its number in the file, from 1; blank lines are left out.

        A cell in quotes may run over several lines; the number is that of the first.

        Raises:
            ShipmentError: quotes that are not closed or stand within a cell.
        """
        with self.path.open(encoding=self.encoding, newline="") as text:
            before = 1 if _SEPARATOR_LINE.fullmatch(text.readline()) else text.seek(0)
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            number = before + 1
            try:
                for cells in reader:
                    if cells and not (len(cells) == 1 and cells[0].isspace()):
                        yield number, cells
                    number = before + reader.line_num + 1
            except csv.Error:
                pass
            else:
                return
        # Outside the handler: the parser's error could quote the cell.
        raise ShipmentError(
            f"Line {number} can't be read: a quotation mark is not closed, or stands in a quoted cell undoubled.",
            line=number,
        )


def detect_table(path: Path, count_known: Callable[[Sequence[str]], int]) -> TableText:
    """Find out a file's encoding and delimiter.

    The delimiter is the one that Excel's ``sep=`` line names, else the one under which the heading line has
    the most known headings, and among equals the most columns.

    Args:
        path: the file.
        count_known: counts the known headings among a heading line's cells.

    Raises:
        ShipmentError: the file is no text table, or empty.
    """
    if not path.is_file():
        raise ShipmentError("The shipment must be a file: it is read twice.")
    encoding = detect_encoding(path)
    with path.open(encoding=encoding, newline="") as text:
        named = _SEPARATOR_LINE.fullmatch(text.readline())
    if named:
        return TableText(path, encoding, named[1])
    candidates = [TableText(path, encoding, delimiter) for delimiter in DELIMITERS]
    return max(candidates, key=lambda table: _fitness(table, count_known))


def detect_encoding(path: Path) -> str:
    """Tell UTF-8 from Windows-1252: the whole file is UTF-8, or the whole file is Windows-1252.

    Raises:
        ShipmentError: a workbook, UTF-16, or bytes that neither encoding has.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_WORKBOOKS):
        raise ShipmentError(f"This is a workbook, not a text table: {_SAVE_AS}.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ShipmentError(f"The file is encoded as UTF-16: {_SAVE_AS}.")
    bad_line = _first_unreadable_line(path, "utf-8")
    if bad_line and not head.startswith(codecs.BOM_UTF8):
        bad_line = _first_unreadable_line(path, "cp1252")
        if not bad_line:
            return "cp1252"
    if bad_line:
        raise ShipmentError(
            f"Line {bad_line} holds bytes that are neither UTF-8 nor Windows-1252: {_SAVE_AS}.", line=bad_line
        )
    return "utf-8-sig"


def _first_unreadable_line(path: Path, encoding: str) -> int:
    """The number of the first line that is not in the encoding, 0 if all are."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError:
                return number
            if b"\0" in line:
                raise ShipmentError(f"Line {number} holds zero bytes, this is no text table: {_SAVE_AS}.", line=number)
    return 0


def _fitness(table: TableText, count_known: Callable[[Sequence[str]], int]) -> tuple[int, int]:
    try:
        cells = next((cells for _, cells in table.lines()), [])
    except ShipmentError:  # the heading line can't be split this way
        return 0, 0
    return count_known(cells), len(cells)
