"""Reading a query: which fields belong to its kind, and what they say in canonical form.

Every field is looked at in the order of its number on the wire, and the first bad one is reported: a field
that can't be read (domain rules, sections 4 and 7) or that does not belong to the kind (section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

from resolver_grpc.canonical.address import (
    Address,
    parse_door,
    parse_floor,
    parse_house_number,
    parse_postal_code,
)
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.canonical.kvhx import Kvhx, parse_kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.numbers import parse_cpr, parse_cvr
from resolver_grpc.canonical.street import canonical_town, parse_street
from resolver_grpc.canonical.text import UnreadableError
from resolver_grpc.model import Kind, Query, Reason

MAX_REFERENCE_BYTES = 64
MAX_TEXT_LENGTH = 256
"""The most characters of a text field; no name, address or e-mail address has more."""
HANDLE_BYTES = 16


class BadFieldError(ValueError):
    """A query's first bad field: the reason and the field's path; never its content."""

    def __init__(self, reason: Reason, field: str) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class Addressing:
    """What a query says in canonical form; only what belongs to its kind is filled.

    Attributes:
        kind: the query's kind.
        place: the address, as text or as KVHX key, of the address kinds.
        first_name: the canonical first word of the name.
        last_name: the canonical last word of the name.
        number: a CPR or CVR number.
        email_address: the canonical e-mail address.
        handle: 16 bytes, as they came.
        can_be_posted: whether a letter could be sent instead.
    """

    kind: Kind
    place: Address | Kvhx | None = None
    first_name: str = ""
    last_name: str = ""
    number: str = ""
    email_address: str = ""
    handle: bytes = b""
    can_be_posted: bool = True


def _words(text: str) -> list[str]:
    words = canonical_name_words(text)
    if not words:
        raise UnreadableError("no readable word")
    return words


def _first_word(text: str) -> str:
    return _words(text)[0]


def _first_word_of_two(text: str) -> str:
    return _words(_given(text))[0]


def _last_word_of_two(text: str) -> str:
    return _words(_given(text))[-1]


def _given(text: str) -> str:
    if not text.strip():
        raise BadFieldError(Reason.NAME_INCOMPLETE, "")
    return text


def _both_words(text: str) -> tuple[str, str]:
    words = _words(text)
    if len(words) == 1:
        raise BadFieldError(Reason.NAME_INCOMPLETE, "")
    return words[0], words[-1]


# The text fields in the order of their numbers, and the reason of one that can't be read.
_TEXT_FIELDS = {
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
}

_Readers = dict[str, Callable[[str], object]]

_FULL_NAME: _Readers = {"full_name": _both_words}
_NAME_PARTS: _Readers = {"first_name": _first_word_of_two, "last_name": _last_word_of_two}
_FIRST_NAME: _Readers = {"first_name": _first_word}
_ADDRESS_FIELDS: _Readers = {
    "street_name": parse_street,
    "house_number": parse_house_number,
    "floor": parse_floor,
    "door": parse_door,
    "postal_code": parse_postal_code,
    "supplementary_town": canonical_town,
}
_ADDRESS_LINE: _Readers = {"address_line": parse_address_line}
_KVHX: _Readers = {"kvhx": parse_kvhx}
_OTHER_KINDS: dict[Kind, _Readers] = {
    Kind.EMAIL: {"email_address": parse_email},
    Kind.CPR: {"number": parse_cpr},
    Kind.CVR: {"number": parse_cvr},
    Kind.HANDLE: {},
}
ADDRESS_KINDS = frozenset({Kind.FULL_NAME, Kind.FIRST_NAME, Kind.ADDRESS})


def parse_query(query: Query) -> Addressing:
    """Reads a query into its canonical form.

    Raises:
        BadFieldError: with the first field, in the order of the field numbers, that can't be read or
            does not belong to the query's kind.
    """
    if len(query.reference.encode()) > MAX_REFERENCE_BYTES:
        raise BadFieldError(Reason.INVALID_REFERENCE, "reference")
    kind = _parse_kind(query.kind)
    found = dict(_parse_text_fields(query, _readers(query, kind)))
    if (len(query.handle) != HANDLE_BYTES) if kind is Kind.HANDLE else query.handle:
        raise BadFieldError(Reason.INVALID_HANDLE if kind is Kind.HANDLE else Reason.UNEXPECTED_FIELD, "handle")
    if kind in ADDRESS_KINDS:
        if query.has_postal_address:
            raise BadFieldError(Reason.UNEXPECTED_FIELD, "has_postal_address")
        return Addressing(kind, _place(found), *_names(found))
    return Addressing(
        kind,
        number=str(found.get("number", "")),
        email_address=str(found.get("email_address", "")),
        handle=query.handle,
        can_be_posted=query.has_postal_address,
    )


def _parse_kind(kind: int) -> Kind:
    try:
        known = Kind(kind)
    except ValueError:
        known = Kind.UNSPECIFIED
    if known is Kind.UNSPECIFIED:
        raise BadFieldError(Reason.INVALID_KIND, "kind")
    return known


def _readers(query: Query, kind: Kind) -> _Readers:
    """The fields that belong to the query, by its kind and the forms of name and address it chose."""
    if kind not in ADDRESS_KINDS:
        return _OTHER_KINDS[kind]
    if query.kvhx.strip():
        place = _KVHX
    elif query.address_line.strip():
        place = _ADDRESS_LINE
    else:
        place = _ADDRESS_FIELDS
    if kind is Kind.ADDRESS:
        return place
    if kind is Kind.FIRST_NAME:
        return _FIRST_NAME | place
    in_parts = not query.full_name.strip() and (query.first_name.strip() or query.last_name.strip())
    return (_NAME_PARTS if in_parts else _FULL_NAME) | place


def _parse_text_fields(query: Query, readers: _Readers) -> Iterator[tuple[str, object]]:
    for field, reason in _TEXT_FIELDS.items():
        text = getattr(query, field)
        reader = readers.get(field)
        if reader is None:
            if text and text.strip():
                raise BadFieldError(Reason.UNEXPECTED_FIELD, field)
            continue
        if _is_too_long(text):
            raise BadFieldError(reason, field)
        try:
            yield field, reader(text)
        except UnreadableError:
            raise BadFieldError(reason, field) from None
        except BadFieldError as error:
            raise BadFieldError(error.reason, field) from None


def _is_too_long(text: str) -> bool:
    """Whether it has too many characters, as written or as folding takes it apart: one can stand for eighteen."""
    return len(text) > MAX_TEXT_LENGTH or (not text.isascii() and len(normalize("NFKC", text)) > MAX_TEXT_LENGTH)


def _place(found: dict[str, object]) -> Address | Kvhx:
    for field in ("kvhx", "address_line"):
        place = found.get(field)
        if isinstance(place, Address | Kvhx):
            return place
    return Address(
        *(
            str(found[field])
            for field in ("postal_code", "street_name", "house_number", "floor", "door", "supplementary_town")
        )
    )


def _names(found: dict[str, object]) -> tuple[str, str]:
    words = found.get("full_name")
    if isinstance(words, tuple):
        return words[0], words[1]
    return str(found.get("first_name", "")), str(found.get("last_name", ""))
