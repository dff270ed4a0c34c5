"""A table's columns with edits applied to them: the same rows as ``Edits.rows`` gives, as columns of Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from resolver_grpc.build.edits import Edits
from resolver_grpc.build.parquet_tables import texts_of

if TYPE_CHECKING:
    from resolver_grpc.build.tables import Columns


class EditedColumns:
    """Edited columns; each may be asked for once.

    Attributes:
        rows: how many rows there are.

    Args:
        columns: the file's.
        edits: what is said otherwise.
    """

    def __init__(self, columns: Columns, edits: Edits) -> None:
        self._columns = columns
        self._said = [*edits.replaced.values(), *edits.added]
        places = np.arange(columns.rows + len(self._said))
        places[[number - 1 for number in edits.replaced]] = columns.rows + np.arange(len(edits.replaced))
        kept = np.ones(len(places), np.bool_)
        kept[[number - 1 for number in edits.removed]] = False
        kept[columns.rows :][: len(edits.replaced)] = False
        self._places = pa.array(places[kept])
        self.rows = len(self._places)

    def column(self, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Gives a column of text."""
        said = pa.array([row[name] for row in self._said], pa.large_string())
        column = _text(self._columns.column(name))
        return pa.chunked_array([*column.chunks, said], pa.large_string()).take(self._places)


def _text(column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    if pa.types.is_timestamp(column.type):
        return pa.chunked_array([pa.array(texts_of(column), pa.large_string())], pa.large_string())
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()).cast(pa.large_string())
