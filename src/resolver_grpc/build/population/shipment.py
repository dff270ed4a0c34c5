"""One sender's queries as the file that the sender would send: a row for each that a file can express.

What belongs here: queries to cells of a shipment file (semicolons, Windows-1252, Danish headings).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Self

from resolver_grpc.model import Decision, Kind, QueryRow, Reason

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from resolver_grpc.build.population.generation import Judged

ENCODING = "cp1252"
# Headings with the fields of a query; a place name stands in the file and in no query.
HEADINGS = {
    "Reference": "reference",
    "Navn": "full_name",
    "Fornavn": "first_name",
    "Efternavn": "last_name",
    "Adresse": "address_line",
    "Vejnavn": "street_name",
    "Husnr": "house_number",
    "Etage": "floor",
    "Dør": "door",
    "Postnr": "postal_code",
    "By": "",
    "Supplerende bynavn": "supplementary_town",
    "KVHX": "kvhx",
    "CPR-nr": "number",
    "CVR-nr": "number",
    "E-mail": "email_address",
}
NUMBER_HEADINGS = {Kind.CPR: "CPR-nr", Kind.CVR: "CVR-nr"}
ADDRESS_HEADINGS = ("Adresse", "Vejnavn", "Husnr", "Postnr", "KVHX")
LETTER_ADDRESS = "Vestergade 1, 8000 Aarhus C"


def picked_kind(cells: dict[str, str]) -> Kind | None:
    """Return the kind that the reader of a file picks: CPR, CVR, address with what names there are, e-mail."""
    filled = {heading for heading, text in cells.items() if text.strip()}
    for kind, heading in NUMBER_HEADINGS.items():
        if heading in filled:
            return kind
    if filled.isdisjoint(ADDRESS_HEADINGS):
        return Kind.EMAIL if "E-mail" in filled else None
    if filled & {"Navn", "Efternavn"}:
        return Kind.FULL_NAME
    return Kind.FIRST_NAME if "Fornavn" in filled else Kind.ADDRESS


def shipment_cells(query: QueryRow, expected: Decision) -> dict[str, str] | None:
    """Return a query's cells by heading; None where a file can't express it."""
    if expected.reason is Reason.UNEXPECTED_FIELD or query.kind == Kind.HANDLE:
        return None
    cells = {heading: getattr(query, field) if field else "" for heading, field in HEADINGS.items()}
    for kind, heading in NUMBER_HEADINGS.items():
        if query.kind != kind:
            cells[heading] = ""
    if query.has_postal_address:
        # What the letter would be sent to; the number goes before it.
        cells["Adresse"] = LETTER_ADDRESS
    if picked_kind(cells) != query.kind:
        return None
    try:
        "".join(cells.values()).encode(ENCODING)
    except UnicodeEncodeError:
        return None
    return cells


class ShipmentFile:
    """Writes one sender's queries without personal content; a context manager.

    Args:
        path: the file to be written.
        sender_id: whose queries.
    """

    def __init__(self, path: Path, sender_id: str) -> None:
        self._sender_id = sender_id
        self._file = path.open("w", encoding=ENCODING, newline="")
        self._writer = csv.DictWriter(self._file, list(HEADINGS), delimiter=";")
        self._writer.writeheader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, judged: Judged) -> None:
        """Write a query's row if it is the sender's and can be expressed."""
        asked = judged.asked
        if asked.sender.id == self._sender_id and not asked.personal_content:
            cells = shipment_cells(asked.query, judged.expected)
            if cells is not None:
                self._writer.writerow(cells)
