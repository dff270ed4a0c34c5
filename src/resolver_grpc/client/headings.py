"""What the columns of a shipment file are called, in Danish and in English.

What belongs here: the table of headings and the matching of a heading line against it. Headings are compared
folded: letters and digits alone, in lower case, with æ, ø and å spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resolver_grpc.errors import ShipmentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Field of a row -> its headings; the first one is the one that messages show.
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "reference": (
        "reference", "ref", "reference nr", "referencenummer", "ref nr", "løbenr", "løbenummer", "kundenr",
        "kundenummer", "customer number", "customer no", "medlemsnr", "medlemsnummer", "sagsnr", "sagsnummer", "id",
    ),
    "full_name": (
        "navn", "fulde navn", "fuldt navn", "fuldnavn", "modtager", "modtagernavn", "modtagers navn", "name",
        "full name", "recipient", "recipient name",
    ),
    "first_name": ("fornavn", "fornavne", "first name", "first names", "given name", "given names", "forename"),
    "last_name": ("efternavn", "efternavne", "last name", "surname", "family name"),
    "address_line": (
        "adresse", "adresse 1", "adresselinje", "adresselinje 1", "postadresse", "gadeadresse", "vejadresse", "address",
        "address 1", "address line", "address line 1", "street address", "postal address",
    ),
    "address_line_2": ("adresse 2", "adresselinje 2", "address 2", "address line 2"),
    "address_line_3": ("adresse 3", "adresselinje 3", "address 3", "address line 3"),
    "street_name": ("vejnavn", "vej", "gade", "gadenavn", "street", "street name", "road", "road name"),
    "house_number": (
        "husnr", "husnummer", "gadenummer", "vejnummer", "house number", "house no", "street number",
    ),
    "floor": ("etage", "sal", "floor", "storey"),
    "door": ("dør", "side", "side dør", "side eller dør", "dørnr", "dørnummer", "door"),
    "postal_code": ("postnr", "postnummer", "postal code", "postcode", "zip", "zip code"),
    # Read for the address line alone; where it begins with a postal code, that counts as the row's.
    "city": (
        "by", "bynavn", "postdistrikt", "postby", "postnr by", "postnr og by", "postnummer og by", "city", "town",
        "postal district",
    ),
    "supplementary_town": (
        "supplerende bynavn", "suppl bynavn", "supplerende by", "stednavn", "lokalitet", "supplementary town",
    ),
    "kvhx": ("kvhx", "kvhx nøgle", "kvhx kode", "adressenøgle", "kvhx key"),
    "cpr": ("cpr", "cpr nr", "cpr nummer", "personnr", "personnummer", "cpr number", "cpr no"),
    "cvr": ("cvr", "cvr nr", "cvr nummer", "cvr number", "cvr no"),
    "email_address": (
        "e-mail", "mail", "e-mailadresse", "mailadresse", "e-post", "e-postadresse", "e-mail address", "mail address",
    ),
}  # fmt: skip

# One of these must be there: the others say nothing about whom a letter is for.
_ADDRESSING_FIELDS = frozenset(HEADINGS) - {"reference", "postal_code", "city", "supplementary_town", "floor", "door"}

_SPELLED_OUT = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})
_LONGEST_SHOWN = 40
_DIGITS_RUN = re.compile(r"\d{2}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds which field.

    Attributes:
        places: field -> place of its column, from 0.
        ignored: the columns that are not read, as words fit to be shown.
        width: the number of columns.
    """

    places: Mapping[str, int]
    ignored: tuple[str, ...]
    width: int


def fold_heading(heading: str) -> str:
    """Fold a heading to what is compared."""
    composed = unicodedata.normalize("NFC", heading).casefold().translate(_SPELLED_OUT)
    return "".join(character for character in composed if character.isalnum())


_FIELD_OF = {fold_heading(heading): field for field, headings in HEADINGS.items() for heading in headings}


def count_known(cells: Sequence[str]) -> int:
    """Count the cells of a heading line that are known headings."""
    return sum(fold_heading(cell) in _FIELD_OF for cell in cells)


def match_headings(cells: Sequence[str]) -> Columns:
    """Find each field's column.

    Args:
        cells: the heading line's cells.

    Raises:
        ShipmentError: two columns of one field, or no column that says whom a letter is for.
    """
    places: dict[str, int] = {}
    ignored = []
    for place, cell in enumerate(cells):
        field = _FIELD_OF.get(fold_heading(cell))
        if field is None:
            ignored.append(show_heading(cell, place))
        elif field in places:
            raise ShipmentError(
                f"Columns {places[field] + 1} and {place + 1} are both read as {HEADINGS[field][0]}: "
                "rename one of them."
            )
        else:
            places[field] = place
    if not _ADDRESSING_FIELDS & places.keys():
        raise ShipmentError(f"The first line holds no heading that is known. Name the columns by these: {_known()}.")
    return Columns(places, tuple(ignored), len(cells))


def show_heading(heading: str, place: int) -> str:
    """Give a heading as it may be shown: a cell that may hold a person's data is named by its number."""
    shown = " ".join(heading.split())
    looks_like_one = (
        0 < len(shown) <= _LONGEST_SHOWN
        and "@" not in shown
        and not _DIGITS_RUN.search(shown)
        and shown.isprintable()
        and any(character.isalpha() for character in shown)
    )
    return shown if looks_like_one else f"column {place + 1}"


def _known() -> str:
    return ", ".join(headings[0] for headings in HEADINGS.values())
