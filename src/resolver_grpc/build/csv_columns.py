"""A CSV table as columns of Arrow.

What belongs here: the step from lines to columns; what a file must look like is ``csv_tables.py``'s. A file without a
quotation mark has nothing that two readers could take differently: Arrow reads it, many times as fast. Any other
file, and one that Arrow refuses, is read by the reader of the rows, which words what is wrong.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from resolver_grpc.build.schema import Table

_BLOCK_ROWS = 65_536
_BLOCK_BYTES = 1 << 24
_NOT_PLAIN = (b'"', b"\0", b"\n\n", b"\n\r\n")


class CsvColumns:
    """The columns of a CSV file, all read at once; each may be asked for once.

    Args:
        columns: by name.
        rows: how many rows there are.
    """

    def __init__(self, columns: dict[str, Any], rows: int) -> None:
        self._columns = columns
        self.rows = rows

    def column(self, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Gives a column of text."""
        return self._columns.pop(name)


def columns_of_rows(rows: Iterator[list[str]], table: Table) -> CsvColumns:
    """Makes columns of rows, which have their cells in the schema's order."""
    count = 0
    blocks: defaultdict[str, list[Any]] = defaultdict(list)
    while block := list(islice(rows, _BLOCK_ROWS)):
        count += len(block)
        for column, cells in zip(table.columns, zip(*block, strict=True), strict=True):
            array = pa.array(cells, pa.string())
            blocks[column.name].append(array.dictionary_encode() if column.has_few_values else array)
    types = {column.name: None if blocks[column.name] else pa.string() for column in table.columns}
    return CsvColumns({name: pa.chunked_array(blocks[name], kind) for name, kind in types.items()}, count)


def columns_of_plain_file(path: Path, names: Sequence[str], table: Table) -> CsvColumns | None:
    """Reads the columns of a file in which a comma and a line's end are always what they seem.

    Args:
        path: the file.
        names: the cells of its header, all of them the table's.
        table: what it holds.

    Returns:
        The columns; None where the file has a quotation mark, or anything that is wrong.
    """
    if not _is_plain(path, names):
        return None
    kinds = {column.name: _kind(has_few_values=column.has_few_values) for column in table.columns}
    try:
        read = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(column_names=list(names), skip_rows=1, block_size=_BLOCK_BYTES),
            arrow_csv.ParseOptions(quote_char=False, escape_char=False, ignore_empty_lines=False),
            arrow_csv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    absent = pa.chunked_array([pa.nulls(read.num_rows, pa.string())])
    return CsvColumns({name: read.column(name) if name in names else absent for name in kinds}, read.num_rows)


def _kind(*, has_few_values: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.dictionary(pa.int32(), pa.string()) if has_few_values else pa.string()


def _is_plain(path: Path, names: Sequence[str]) -> bool:
    """Whether a file has its header on one line, and behind it nothing that needs more than a look.

    That is no quotation mark, no NUL, no blank line, and no return but before a line's end.
    """
    last = b"\n"
    with path.open("rb") as file:
        if not _is_header(file.readline(), names):
            return False
        while block := file.read(_BLOCK_BYTES):
            # The line's end before is seen together with what follows it.
            seen = last + block
            returns = seen.count(b"\r") - seen.endswith(b"\r")
            if seen.count(b"\r\n") != returns or any(mark in seen for mark in _NOT_PLAIN):
                return False
            last = seen[-2:]
    return not last.endswith(b"\r")


def _is_header(line: bytes, names: Sequence[str]) -> bool:
    return line.endswith(b"\n") and list(csv.reader([line.decode("utf-8-sig")])) == [list(names)]
