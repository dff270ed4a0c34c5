"""Bad rows: one in ten thousand of each table, of several sorts in turn.

What belongs here: which rows are spoiled and how; the builder must reject each and reach nobody by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nation.columns import overwritten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nation.columns import Column
    from nation.drawing import Random

ROWS_FOR_A_BAD_ROW = 10_000

TWICE = ("", "")
"""The sort of a row that repeats the number of the row before it."""

Sort = tuple[str, str]
"""A column and what is written there; TWICE for a repeated row."""

BAD_PERSONS: tuple[Sort, ...] = (
    ("number", "3202801239"),
    ("status", "02"),
    TWICE,
    ("house_number", "12-14"),
    ("floor", "9. tv"),
    ("door", "bagved"),
    ("postal_code", "80"),
    ("road_code", "12A4"),
    ("old_numbers", "ukendt"),
)
BAD_MAILBOXES: tuple[Sort, ...] = (
    ("number", "12345678"),
    TWICE,
    ("closed", "snart"),
    ("email_address", "ingen e-mail"),
    ("email_claimed", "2021-02-30T12:00:00Z"),
    ("private_closed", "01-01-2026"),
    ("forwarding_to", "2026"),
)
BAD_RELATIONS: tuple[Sort, ...] = (("relation", "MAYBE"), TWICE, ("sender_id", " "), ("number", "0101"))
BAD_ROADS: tuple[Sort, ...] = (("postal_code", "80"), ("name", "-"), ("road_code", "7"))


@dataclass(frozen=True, slots=True)
class Spoiled:
    """The bad rows of one table.

    Attributes:
        rows: their places from 0, ascending, never the first row of the table.
        sorts: the sorts, row i of ``rows`` being of sort i, beginning anew when there are no more.
    """

    rows: npt.NDArray[np.int64]
    sorts: Sequence[Sort]

    @property
    def repeating(self) -> npt.NDArray[np.int64]:
        """The rows that repeat the number of the row before."""
        return self.rows[[self._sort(place) == TWICE for place in range(len(self.rows))]]

    def spoil(self, columns: dict[str, Column], begin: int) -> dict[str, Column]:
        """Writes into the columns of the rows from ``begin`` on what stands there wrongly."""
        length = len(next(iter(columns.values())))
        first, last = np.searchsorted(self.rows, [begin, begin + length])
        for place in range(first, last):
            column, text = self._sort(place)
            if column:
                mask = np.arange(length) == self.rows[place] - begin
                columns[column] = overwritten(columns[column], mask, text)
        return columns

    def _sort(self, place: int) -> Sort:
        return self.sorts[place % len(self.sorts)]


def choose_rows(rng: Random, length: int, sorts: Sequence[Sort]) -> Spoiled:
    """Chooses which rows of a table of that length are bad; one at least."""
    count = -(-length // ROWS_FOR_A_BAD_ROW)
    return Spoiled(np.sort(1 + rng.choice(length - 1, count, replace=False)), sorts)
