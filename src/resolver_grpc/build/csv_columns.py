"""A CSV table as columns of Arrow, read by the same reader as its rows.

What belongs here: the step from rows to columns; what a file must look like is ``csv_tables.py``'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from resolver_grpc.build.schema import Table

_BLOCK_ROWS = 65_536


class CsvColumns:
    """The columns of a CSV file, all read at once; each may be asked for once.

    Args:
        rows: the rows' cells in the schema's order.
        table: what the file holds.

    Attributes:
        rows: how many rows there are.
    """

    def __init__(self, rows: Iterator[list[str]], table: Table) -> None:
        self.rows = 0
        blocks: defaultdict[str, list[Any]] = defaultdict(list)
        while block := list(islice(rows, _BLOCK_ROWS)):
            self.rows += len(block)
            for column, cells in zip(table.columns, zip(*block, strict=True), strict=True):
                blocks[column.name].append(_array(cells, few_values=column.has_few_values))
        self._columns = {
            column.name: pa.chunked_array(blocks[column.name], None if blocks[column.name] else pa.string())
            for column in table.columns
        }

    def column(self, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Gives a column of text."""
        return self._columns.pop(name)


def _array(cells: tuple[str, ...], *, few_values: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    array = pa.array(cells, pa.string())
    return array.dictionary_encode() if few_values else array
