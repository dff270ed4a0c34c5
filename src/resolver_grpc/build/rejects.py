"""What was wrong with the rows of the tables: counted, and listed by row number, without personal data."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from resolver_grpc.errors import TableError


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

    def __len__(self) -> int:
        """How many rows were rejected."""
        return len({(reject.table, reject.row) for reject in self.rows})

    def count(self, table: str) -> int:
        """How many rows of a table were rejected; a row counts once."""
        return len({reject.row for reject in self.rows if reject.table == table})

    def by_problem(self) -> Counter[tuple[str, str]]:
        """How many rows by table and problem."""
        return Counter((reject.table, reject.problem) for reject in self.rows)

    def write(self, path: Path) -> None:
        """Lists the rows in a CSV file: table, row, problem."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("table", "row", "problem"))
            writer.writerows((reject.table, reject.row, reject.problem) for reject in self.rows)

    def check(self, most: int) -> None:
        """Refuses a build of which more rows were rejected than it may bear.

        Raises:
            TableError: with how many they are.
        """
        if len(self) > most:
            raise TableError(
                f"{len(self):,} rows were rejected, more than the {most:,} that --max-rejects allows, and nothing is "
                "published: see what is wrong with them by --rejects FILE",
                rejected=len(self),
            )
