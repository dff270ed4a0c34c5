"""Bad rows of every sort, which the builder must report and which must make nobody reachable.

What belongs here: spoiling a finished block: one small function for each sort of badness, used in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.build.population.number_reading import CPR_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from resolver_grpc.build.population.households import CellRow
    from resolver_grpc.build.population.number_making import NumberMaker

PERSONS_FOR_A_BAD_ROW = 250


@dataclass(frozen=True, slots=True)
class BlockRows:
    """The rows of one block."""

    persons: list[CellRow]
    mailboxes: list[CellRow]
    relations: list[CellRow]
    roads: list[CellRow]


def _is_plain(row: CellRow) -> bool:
    return "current_number" not in row and "old_numbers" not in row


class Spoiler:
    """Spoils rows, one sort after the other."""

    def __init__(self, rng: Random, numbers: NumberMaker) -> None:
        self._rng = rng
        self._numbers = numbers
        self._persons = 0
        self._spoiled = 0
        self._sorts: tuple[Callable[[BlockRows], None], ...] = (
            *(self._cell("persons", column, text) for column, text in BAD_PERSON_CELLS),
            *(self._cell("mailboxes", column, text) for column, text in BAD_MAILBOX_CELLS),
            *(self._cell("relations", column, text) for column, text in BAD_RELATION_CELLS),
            self._invert_exemption,
            self._invert_forwarding,
            self._forward_a_person,
            self._double("persons"),
            self._double("mailboxes"),
            self._double("relations"),
            self._make_cycle,
            self._make_contested_old_number,
            self._make_living_old_number,
            self._add_unreadable_road,
        )

    def spoil(self, rows: BlockRows) -> None:
        """Spoil some of a block's rows, in proportion to its persons."""
        self._persons += len(rows.persons)
        while self._spoiled * PERSONS_FOR_A_BAD_ROW < self._persons:
            self._sorts[self._spoiled % len(self._sorts)](rows)
            self._spoiled += 1

    def _pick(self, rows: list[CellRow]) -> CellRow | None:
        return self._rng.choice(rows) if rows else None

    def _cell(self, table: str, column: str, text: str) -> Callable[[BlockRows], None]:
        def spoil(rows: BlockRows) -> None:
            row = self._pick(getattr(rows, table))
            if row is not None:
                row[column] = text

        return spoil

    def _double(self, table: str) -> Callable[[BlockRows], None]:
        def spoil(rows: BlockRows) -> None:
            table_rows: list[CellRow] = getattr(rows, table)
            row = self._pick(table_rows)
            if row is not None:
                table_rows.append(dict(row))

        return spoil

    def _invert_exemption(self, rows: BlockRows) -> None:
        row = self._pick(rows.mailboxes)
        if row is not None:
            row.update(exempt_from="2026-05-02", exempt_to="2026-05-01")

    def _invert_forwarding(self, rows: BlockRows) -> None:
        row = self._pick([row for row in rows.mailboxes if len(row["number"]) != CPR_LENGTH])
        if row is not None:
            row.update(
                forwarding_address="post@firma.example", forwarding_from="2026-05-02", forwarding_to="2026-05-01"
            )

    def _forward_a_person(self, rows: BlockRows) -> None:
        row = self._pick([row for row in rows.mailboxes if len(row["number"]) == CPR_LENGTH])
        if row is not None:
            row.update(forwarding_address="privat@firma.example", forwarding_from="2020-01-01")

    def _plain_persons(self, rows: BlockRows, count: int) -> list[CellRow]:
        plain = [row for row in rows.persons if _is_plain(row)]
        return self._rng.sample(plain, count) if len(plain) >= count else []

    def _make_cycle(self, rows: BlockRows) -> None:
        pair = self._plain_persons(rows, 2)
        for row, other in zip(pair, reversed(pair), strict=True):
            row.update(status="60", current_number=other["number"])

    def _make_contested_old_number(self, rows: BlockRows) -> None:
        old = self._numbers.cpr()
        for row in self._plain_persons(rows, 2):
            row["old_numbers"] = old

    def _make_living_old_number(self, rows: BlockRows) -> None:
        pair = self._plain_persons(rows, 2)
        if pair:
            pair[0]["status"] = "01"
            pair[1]["old_numbers"] = pair[0]["number"]

    def _add_unreadable_road(self, rows: BlockRows) -> None:
        rows.roads.append({"municipality_code": "0101", "road_code": "x", "name": "Ingen Vej", "postal_code": "1000"})


BAD_PERSON_CELLS = (
    ("status", "9X"),
    ("status", ""),
    ("number", "123"),
    ("number", "3102801234"),
    ("municipality_code", "10A"),
    ("road_code", "12"),
    ("house_number", "12-14"),
    ("house_number", "0"),
    ("floor", "tagetage"),
    ("door", "bagved"),
    ("postal_code", "80000"),
    ("old_numbers", "0101"),
    ("protections", "2026-02-30/"),
    ("current_number", "0000000000"),
)
BAD_MAILBOX_CELLS = (
    ("number", "1"),
    ("opened", ""),
    ("opened", "2020-13-01"),
    ("closed", "soon"),
    ("private_closed", "2020-01-01T10:00:00"),
    ("last_login", "yesterday"),
    ("address_consent_given", "01-02-2020"),
    ("address_consent_withdrawn", "-"),
    ("email_address", "no address"),
    ("email_verified", "?"),
    ("email_claimed", "2020-01-01T25:00:00Z"),
    ("email_dropped", "2020-02-31"),
    ("exempt_from", "2020-01-01T00:00:00Z"),
    ("exempt_to", "never"),
    ("forwarding_address", "@"),
    ("forwarding_from", "x"),
    ("forwarding_to", "x"),
)
BAD_RELATION_CELLS = (
    ("number", "12345678"),
    ("sender_id", ""),
    ("relation", "FRIEND"),
    ("effective_time", ""),
)
