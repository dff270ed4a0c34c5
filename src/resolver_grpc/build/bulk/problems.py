"""What is wrong with the rows of one table: for each row the first problem that was found, if any."""

from __future__ import annotations

import numpy as np

from resolver_grpc.build.bulk.texts import Flags
from resolver_grpc.build.rejects import Rejects

UNREADABLE = "can't be read"


class Problems:
    """Notes problems; of several of one row the first noted counts.

    Args:
        table: the table's name.
        rows: how many rows it has.
    """

    def __init__(self, table: str, rows: int) -> None:
        self._table = table
        self._sentences = [""]
        self._found = np.zeros(rows, np.uint8)

    @property
    def accepted(self) -> Flags:
        """Which rows have no problem so far."""
        accepted: Flags = self._found == 0
        return accepted

    def note(self, rows: Flags, problem: str) -> None:
        """Notes a problem of all rows that a flag is set for."""
        rows = rows & self.accepted
        if rows.any():
            self._sentences.append(problem)
            self._found[rows] = len(self._sentences) - 1

    def note_unreadable(self, rows: Flags, column: str) -> None:
        """Notes that a column's cell can't be read."""
        self.note(rows, f"{column} {UNREADABLE}")

    def list_in(self, rejects: Rejects) -> None:
        """Lists the rows with a problem, in their order, by their numbers from 1."""
        for row in np.flatnonzero(self._found).tolist():
            rejects.add(self._table, row + 1, self._sentences[self._found[row]])
