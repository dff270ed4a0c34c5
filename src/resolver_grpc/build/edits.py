"""What is said otherwise than a table's file says it: rows in the place of others, rows left out, rows behind the last.

What belongs here: the edits as they apply to rows; ``edited_columns.py`` applies them to columns. Rows keep the numbers
that they have in the file, and those behind the last go on from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from resolver_grpc.rows.cells import Row


@dataclass(frozen=True)
class Edits:
    """Edits of one table.

    Attributes:
        replaced: by the number of the row whose place it takes, another row, with every column of the schema.
        removed: the numbers of the rows that are left out; none of them is replaced.
        added: rows behind the last.
    """

    replaced: Mapping[int, Row] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: Sequence[Row] = ()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.replaced or self.removed or self.added)

    def rows(self, rows: Iterator[tuple[int, dict[str, str]]]) -> Iterator[tuple[int, dict[str, str]]]:
        """Edits rows, each of which comes with its number in the file."""
        last = 0
        for last, row in rows:
            if last not in self.removed:
                yield last, dict(self.replaced.get(last, row))
        for number, added in enumerate(self.added, start=last + 1):
            yield number, dict(added)

    def rows_in_file(self, rows: int) -> int:
        """How many rows the file has, of which so many there are once it is edited."""
        return rows + len(self.removed) - len(self.added)

    def row_number(self, place: int) -> int:
        """The number in the file of what is the row of some place, from 1, once the table is edited."""
        return place + bisect_right(self._gaps, place)

    @cached_property
    def _gaps(self) -> list[int]:
        """The place that each row that is left out would have, were those before it left out alone."""
        return [number - before for before, number in enumerate(sorted(self.removed))]
