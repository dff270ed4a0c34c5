"""Malformed queries: each INVALID reason, NAME_INCOMPLETE and UNEXPECTED_FIELD, in several ways.

What belongs here: what is changed in a good query to make it bad.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resolver_grpc.model import Kind, QueryRow

# Over a good FULL_NAME query with its address in fields.
SPOILED_ADDRESS_QUERIES: tuple[dict[str, Any], ...] = (
    {"kind": Kind.UNSPECIFIED},
    {"kind": 99},
    {"reference": "ø" * 33},
    {"full_name": ". ,"},
    {"full_name": " "},
    {"full_name": "A" * 200 + " " + "B" * 200},
    {"kind": Kind.FIRST_NAME, "full_name": ""},
    {"full_name": "", "first_name": "'", "last_name": "Hansen"},
    {"full_name": "Anne"},
    {"full_name": "", "first_name": "Anne"},
    {"full_name": "", "last_name": "Hansen"},
    {"supplementary_town": "Å" * 257},
    {"street_name": ""},
    {"street_name": "./."},
    {"house_number": ""},
    {"house_number": "0"},
    {"house_number": "1000"},
    {"house_number": "12-14"},
    {"floor": "100"},
    {"floor": "loft"},
    {"door": "bagved"},
    {"door": "til højre for"},
    {"postal_code": ""},
    {"postal_code": "80000"},
    {"address_line": "Vestergade 1, 8000 Aarhus C"},
    {"kvhx": "04201074___6_st__tv"},
    {"number": "0101801239"},
    {"email_address": "anne@post.example"},
    {"handle": b"0123456789abcdef"},
    {"first_name": "Anne"},
    {"has_postal_address": True},
    {"kind": Kind.ADDRESS},
    {"kind": Kind.FIRST_NAME, "first_name": "Anne"},
)
# Over nothing but the reference.
SPOILED_QUERIES: tuple[dict[str, Any], ...] = (
    {"kind": Kind.ADDRESS, "address_line": "Vestergade 1"},
    {"kind": Kind.ADDRESS, "address_line": "Vestergade 1, baghuset 2, 8000 Aarhus C"},
    {"kind": Kind.ADDRESS, "address_line": "Vestergade, 8000 Aarhus C"},
    {"kind": Kind.ADDRESS, "address_line": "Vestergade 1, 2. tv, Løve, Hasle, 8000 Aarhus C"},
    {"kind": Kind.ADDRESS, "kvhx": "04201074"},
    {"kind": Kind.ADDRESS, "kvhx": "04209901___6_st__tv"},
    {"kind": Kind.FULL_NAME, "full_name": "Anne Hansen", "kvhx": "04201074____________"},
    {"kind": Kind.EMAIL},
    {"kind": Kind.EMAIL, "email_address": "anne.post.example"},
    {"kind": Kind.CPR},
    {"kind": Kind.CPR, "number": "3102801234"},
    {"kind": Kind.CPR, "number": "6101801234"},
    {"kind": Kind.CPR, "number": "0000000000"},
    {"kind": Kind.CVR, "number": "12345678"},
    {"kind": Kind.CVR, "number": "0101801239"},
    {"kind": Kind.CVR, "number": "10000009", "full_name": "Kommunen"},
    {"kind": Kind.HANDLE},
    {"kind": Kind.HANDLE, "handle": b"0123456789abcde"},
)
WAYS = len(SPOILED_ADDRESS_QUERIES) + len(SPOILED_QUERIES)


def spoil(good: QueryRow, way: int) -> QueryRow:
    """Return a malformed query.

    Args:
        good: a FULL_NAME query with ``full_name`` and its address in fields.
        way: which of the ways, from 0 to ``WAYS`` - 1.
    """
    if way < len(SPOILED_ADDRESS_QUERIES):
        return replace(good, **SPOILED_ADDRESS_QUERIES[way])
    return QueryRow(reference=good.reference, **SPOILED_QUERIES[way - len(SPOILED_ADDRESS_QUERIES)])
