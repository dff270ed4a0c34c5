"""What was wrong with the rows of the tables: counted, and listed by row number, without personal data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class BadRowError(ValueError):
    """A row that can't be taken: the column and what is wrong with it, never the cell's content."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(f"{column} {problem}")
        self.column = column
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected row: its table, its number from 1, and why."""

    table: str
    row: int
    problem: str


@dataclass(slots=True)
class Rejects:
    """All rejected rows of a build, in the order in which they were met."""

    rows: list[Reject] = field(default_factory=list)

    def add(self, table: str, row: int, problem: str) -> None:
        """Notes one row."""
        self.rows.append(Reject(table, row, problem))

    def count(self, table: str) -> int:
        """How many rows of a table were rejected; a row counts once."""
        return len({reject.row for reject in self.rows if reject.table == table})

    def by_problem(self) -> Counter[tuple[str, str]]:
        """How many rows by table and problem."""
        return Counter((reject.table, reject.problem) for reject in self.rows)
