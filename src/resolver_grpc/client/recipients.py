"""From a row of a shipment file to the query that it states (domain rules, section 3).

What belongs here: which way of addressing a row uses, and how its address is put together. Pure; nothing is
judged: what can't be read goes to the server as it stands, and the server words the error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resolver_grpc.client.headings import fold_heading
from resolver_grpc.model import Kind, QueryRow

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINES = ("address_line", "address_line_2", "address_line_3")
_FIELDS = ("street_name", "house_number", "floor", "door", "postal_code", "supplementary_town")
_POSTAL_CODE_FIRST = re.compile(r"(?:DK[- ]?)?[0-9]{4}(?![0-9])", re.IGNORECASE)
# A postal code, and perhaps a district without digits, at the end of an address line.
_POSTAL_CODE_LAST = re.compile(r"(?:^|[\s,])((?:DK[- ]?)?[0-9]{4}(?:\s[^0-9,]*)?)$", re.IGNORECASE)


def query_of_row(row: Mapping[str, str], reference: str) -> QueryRow:
    """Make the query of a row.

    The first way that the row carries is taken: CPR number, CVR number, address with what names there are,
    e-mail address. A row with names or parts of an address alone goes as what it seems to want to be, a row
    without anything as one without a kind, so that each gets its decision and stands on the error list.

    Args:
        row: field (a key of ``HEADINGS``) -> cell, for the columns that the file has; without surrounding
            blanks, except for the KVHX key, where they count.
        reference: the query's reference.
    """
    address = _address(row)
    if row.get("cpr"):
        return QueryRow(reference, Kind.CPR, number=row["cpr"], has_postal_address=_is_postal(row, address))
    if row.get("cvr"):
        return QueryRow(reference, Kind.CVR, number=row["cvr"], has_postal_address=_is_postal(row, address))
    email = row.get("email_address", "")
    if email and not address.keys() & {"kvhx", "address_line", "street_name"}:
        return QueryRow(reference, Kind.EMAIL, email_address=email, has_postal_address=_is_postal(row, address))
    kind, names = _names(row)
    if not address:
        kind = Kind.FULL_NAME if names else Kind.UNSPECIFIED
    fields: dict[str, Any] = names | address
    return QueryRow(reference, kind, **fields)


def _names(row: Mapping[str, str]) -> tuple[Kind, dict[str, str]]:
    """The kind that the names ask for: the full name counts before first and last name."""
    if row.get("full_name"):
        return Kind.FULL_NAME, {"full_name": row["full_name"]}
    names = _filled(row, ("first_name", "last_name"))
    if "last_name" in names:
        return Kind.FULL_NAME, names
    return (Kind.FIRST_NAME, names) if names else (Kind.ADDRESS, {})


def _address(row: Mapping[str, str]) -> dict[str, str]:
    """The query's address fields, in one form: KVHX before fields before the line.

    A street column of a file without house numbers holds whole addresses; an address column beside a filled
    house number holds the street's name, unless it has a postal code of its own.
    """
    if row.get("kvhx", "").strip():
        return {"kvhx": row["kvhx"]}
    fields = _filled(row, _FIELDS) | _postal_code(row)
    line = ", ".join(_as_one_line(row[name]) for name in _LINES if row.get(name))
    if "house_number" not in row:
        line = line or fields.pop("street_name", "")
        fields.pop("street_name", "")
    elif "house_number" in fields and line and "street_name" not in fields and not _POSTAL_CODE_LAST.search(line):
        return fields | {"street_name": line}
    if not line or "street_name" in fields:
        return fields
    # A house number that stands beside a whole address is left for the server to refuse.
    return _filled(fields, ("house_number",)) | {"address_line": _complete(line, fields, row.get("city", ""))}


def _complete(line: str, fields: Mapping[str, str], city: str) -> str:
    """The address line with what stands in columns of its own: floor and door, town, postal code and district."""
    own = _POSTAL_CODE_LAST.search(line)
    head, tail = (line[: own.start()].rstrip(" ,"), own[1]) if own else (line, _postal_part(fields, city))
    town = fields.get("supplementary_town", "")
    if town and fold_heading(head).endswith(fold_heading(town)):
        town = ""
    between = [part for part in (_unit(fields.get("floor", ""), fields.get("door", "")), town) if part]
    if own and not between:
        return line
    return ", ".join(part for part in (head, *between, tail) if part)


def _unit(floor: str, door: str) -> str:
    """Floor and door as a line writes them: a floor of digits alone needs its dot, or it would be a door."""
    return f"{floor}{'.' if floor.isdigit() else ''} {door}".strip()


def _postal_part(fields: Mapping[str, str], city: str) -> str:
    code = fields.get("postal_code", "")
    return city if not code or city.startswith(code) else f"{code} {city}".strip()


def _postal_code(row: Mapping[str, str]) -> dict[str, str]:
    """The row's postal code, from the district's column where that begins with it."""
    found = _POSTAL_CODE_FIRST.match(row.get("city", ""))
    code = row.get("postal_code") or (found[0] if found else "")
    return {"postal_code": code} if code else {}


def _is_postal(row: Mapping[str, str], address: Mapping[str, str]) -> bool:
    """Whether a letter could be sent by what the row holds."""
    has_line = "kvhx" in address or "address_line" in address or any(row.get(name) for name in _LINES)
    return has_line or address.keys() >= {"street_name", "house_number", "postal_code"}


def _as_one_line(cell: str) -> str:
    """A cell of several lines, as spreadsheets allow, with commas in place of the line breaks."""
    return ", ".join(part.strip(" ,\t") for part in cell.splitlines() if part.strip(" ,\t"))


def _filled(row: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: row[name] for name in names if row.get(name)}
