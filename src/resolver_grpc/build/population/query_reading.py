"""The slow reading of a query: its first bad field, or what it asks for.

What belongs here: section 7's row 1 with the rules of ``query.proto`` on which fields a kind takes.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from resolver_grpc.build.population.address_reading import (
    Kvhx,
    Place,
    read_door,
    read_floor,
    read_house_number,
    read_kvhx,
    read_line,
    read_postal_code,
)
from resolver_grpc.build.population.folding import fold_street, name_words
from resolver_grpc.build.population.number_reading import read_cpr, read_cvr, read_email
from resolver_grpc.model import Kind, QueryRow, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE_BYTES = 64
TEXT_CHARACTERS = 256
HANDLE_BYTES = 16
ADDRESS_KINDS = frozenset({Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS})
ADDRESS_FIELDS = ("street_name", "house_number", "floor", "door", "postal_code", "supplementary_town")
REQUIRED_ADDRESS_FIELDS = ("street_name", "house_number", "postal_code")
# In the order of their numbers in query.proto, each with the reason for a text that can't be read.
UNREADABLE = {
    "full_name": Reason.INVALID_NAME,
    "first_name": Reason.INVALID_NAME,
    "last_name": Reason.INVALID_NAME,
    "street_name": Reason.INVALID_STREET,
    "house_number": Reason.INVALID_HOUSE_NUMBER,
    "floor": Reason.INVALID_FLOOR,
    "door": Reason.INVALID_DOOR,
    "postal_code": Reason.INVALID_POSTAL_CODE,
    "supplementary_town": Reason.INVALID_ADDRESS,
    "address_line": Reason.INVALID_ADDRESS,
    "kvhx": Reason.INVALID_KVHX,
    "number": Reason.INVALID_NUMBER,
    "email_address": Reason.INVALID_EMAIL,
    "handle": Reason.INVALID_HANDLE,
}
READERS: dict[str, Callable[[str], object]] = {
    "full_name": name_words,
    "first_name": name_words,
    "last_name": name_words,
    "street_name": fold_street,
    "house_number": read_house_number,
    "floor": read_floor,
    "door": read_door,
    "postal_code": read_postal_code,
    "supplementary_town": lambda _: "any text",
    "address_line": read_line,
    "kvhx": read_kvhx,
    "email_address": read_email,
}


class Problem(NamedTuple):
    """Why a query is malformed, and its first bad field."""

    reason: Reason
    field: str


class Asked(NamedTuple):
    """What a well-formed query asks for; what its kind doesn't take is empty."""

    first_name: str
    last_name: str
    place: Place | None
    kvhx: Kvhx | None
    number: str
    email: str


def _text(query: QueryRow, field: str) -> str:
    """Return a text field; one of blanks counts as empty."""
    value: str = getattr(query, field)
    return value if value.strip() else ""


def _is_filled(query: QueryRow, field: str) -> bool:
    return bool(query.handle) if field == "handle" else bool(_text(query, field))


def _name_fields(query: QueryRow) -> tuple[str, ...]:
    if query.kind == Kind.FIRST_NAME:
        return ("first_name",)
    if query.kind != Kind.FULL_NAME:
        return ()
    if _text(query, "full_name") or not (_text(query, "first_name") or _text(query, "last_name")):
        return ("full_name",)
    return ("first_name", "last_name")


def _address_fields(query: QueryRow) -> tuple[str, ...]:
    if query.kind not in ADDRESS_KINDS:
        return ()
    if _text(query, "kvhx"):
        return ("kvhx",)
    return ("address_line",) if _text(query, "address_line") else ADDRESS_FIELDS


def _own_fields(query: QueryRow) -> tuple[str, ...]:
    """Return the fields that the query's kind and form take."""
    others = {
        Kind.EMAIL: ("email_address",),
        Kind.CPR: ("number",),
        Kind.CVR: ("number",),
        Kind.HANDLE: ("handle",),
    }
    return (*_name_fields(query), *_address_fields(query), *others.get(Kind(query.kind), ()))


def _is_required(field: str) -> bool:
    return field not in ADDRESS_FIELDS or field in REQUIRED_ADDRESS_FIELDS


def _can_be_read(query: QueryRow, field: str) -> bool:
    if field == "handle":
        return len(query.handle) == HANDLE_BYTES
    text = _text(query, field)
    if field == "number":
        return (read_cpr if query.kind == Kind.CPR else read_cvr)(text) is not None
    return READERS[field](text) not in (None, "", [])


def _characters(text: str) -> int:
    """Count a text's characters, as written or as compatibility takes them apart, whichever are more."""
    return max(len(text), len(unicodedata.normalize("NFKC", text)))


def _bad(query: QueryRow, field: str) -> Reason | None:
    """Return what is wrong with a field that the query's kind takes, if anything."""
    if field != "handle" and _characters(getattr(query, field)) > TEXT_CHARACTERS:
        return UNREADABLE[field]
    if not _is_filled(query, field):
        # Either name alone is half a name; whatever else is missing can't be read.
        is_half_a_name = query.kind == Kind.FULL_NAME and field in {"first_name", "last_name"}
        reason = Reason.NAME_INCOMPLETE if is_half_a_name else UNREADABLE[field]
        return reason if _is_required(field) else None
    if not _can_be_read(query, field):
        return UNREADABLE[field]
    if field == "full_name" and len(name_words(query.full_name)) == 1:
        return Reason.NAME_INCOMPLETE
    return None


def find_problem(query: QueryRow) -> Problem | None:
    """Return a malformed query's first bad field, in the order of the field numbers, and the reason."""
    if len(query.reference.encode()) > REFERENCE_BYTES:
        return Problem(Reason.INVALID_REFERENCE, "reference")
    if query.kind not in set(Kind) - {Kind.UNSPECIFIED}:
        return Problem(Reason.INVALID_KIND, "kind")
    own_fields = _own_fields(query)
    for field in UNREADABLE:
        if field in own_fields:
            reason = _bad(query, field)
            if reason is not None:
                return Problem(reason, field)
        elif _is_filled(query, field):
            return Problem(Reason.UNEXPECTED_FIELD, field)
    if query.has_postal_address and query.kind in ADDRESS_KINDS:
        return Problem(Reason.UNEXPECTED_FIELD, "has_postal_address")
    return None


def _read_place(query: QueryRow) -> Place | None:
    if _text(query, "address_line"):
        return read_line(query.address_line)
    if not _text(query, "street_name"):
        return None
    return Place(
        read_postal_code(query.postal_code) or "",
        fold_street(query.street_name),
        read_house_number(query.house_number) or "",
        read_floor(query.floor) or "",
        read_door(query.door) or "",
        fold_street(query.supplementary_town),
    )


def read_query(query: QueryRow) -> Asked:
    """Read what a query asks for; ``find_problem`` must have found none."""
    names = name_words(query.full_name)
    first_names, last_names = names or name_words(query.first_name), names or name_words(query.last_name)
    number = (read_cpr if query.kind == Kind.CPR else read_cvr)(query.number) if query.number.strip() else None
    return Asked(
        first_names[0] if first_names else "",
        last_names[-1] if last_names else "",
        _read_place(query),
        read_kvhx(query.kvhx) if _text(query, "kvhx") else None,
        number or "",
        read_email(query.email_address) or "",
    )
