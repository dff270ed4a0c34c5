"""Reading a query: which fields belong to its kind, and the first bad one (domain rules, sections 3 and 7)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.canonical.query import BadFieldError, parse_query
from resolver_grpc.model import Kind, QueryRow, Reason
from resolver_grpc.v1.query_pb2 import Query as WireQuery

FIELDS = {
    "street_name": "Vestergade",
    "house_number": "12B",
    "floor": "3.",
    "door": "tv",
    "postal_code": "8000",
    "supplementary_town": "Bolbro",
}
AT_HOME = Address("8000", "vestergade", "12b", "3", "tv", "bolbro")
LINE = "Vestergade 12B, 3. tv, Bolbro, 8000 Aarhus C"
KVHX = "04201074___6_st__tv"
BY_FIELDS = QueryRow("r", Kind.FULL_NAME, "Ann Bo", **FIELDS)
BY_LINE = QueryRow("r", Kind.FULL_NAME, "Ann Bo", address_line=LINE)
BY_KVHX = QueryRow("r", Kind.FULL_NAME, "Ann Bo", kvhx=KVHX)


def test_the_three_forms_of_an_address_are_read():
    assert parse_query(BY_FIELDS).place == AT_HOME
    assert parse_query(BY_LINE).place == AT_HOME
    assert parse_query(BY_KVHX).place == Kvhx("0420", "1074", "6", "st", "tv")


@pytest.mark.parametrize(
    "names", [{"full_name": "Ann Mo Bo"}, {"first_name": "Ann Mo", "last_name": "Lo Bo"}, {"full_name": " ANN  BO "}]
)
def test_the_first_and_the_last_word_of_a_name_count(names):
    asked = parse_query(
        replace(BY_LINE, full_name="", **names) if "full_name" not in names else replace(BY_LINE, **names)
    )
    assert (asked.first_name, asked.last_name) == ("ann", "bo")


def test_a_first_name_alone_is_asked_for_on_purpose():
    asked = parse_query(QueryRow(kind=Kind.FIRST_NAME, first_name="Ann-Mo Bo", address_line=LINE))
    assert (asked.first_name, asked.last_name) == ("ann-mo", "")


@pytest.mark.parametrize("has_postal_address", [True, False])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        (QueryRow(kind=Kind.CPR, number="010180-1239"), "0101801239"),
        (QueryRow(kind=Kind.CVR, number="13585628"), "13585628"),
        (QueryRow(kind=Kind.EMAIL, email_address="Ann@Post.dk"), "ann@post.dk"),
        (QueryRow(kind=Kind.HANDLE, handle=bytes(16)), ""),
    ],
)
def test_the_other_kinds_say_whether_a_letter_could_be_sent(query, said, has_postal_address):
    asked = parse_query(replace(query, has_postal_address=has_postal_address))
    assert asked.number or asked.email_address == said
    assert asked.can_be_posted is has_postal_address
    assert asked.place is None


def test_the_address_kinds_can_always_be_posted():
    assert parse_query(BY_LINE).can_be_posted


@pytest.mark.parametrize(
    ("query", "reason", "field"),
    [
        (replace(BY_LINE, reference="x" * 65), Reason.INVALID_REFERENCE, "reference"),
        (replace(BY_LINE, reference="å" * 33), Reason.INVALID_REFERENCE, "reference"),
        (replace(BY_LINE, kind=Kind.UNSPECIFIED), Reason.INVALID_KIND, "kind"),
        (replace(BY_LINE, kind=99), Reason.INVALID_KIND, "kind"),
        (replace(BY_LINE, full_name=""), Reason.INVALID_NAME, "full_name"),
        (replace(BY_LINE, full_name="..."), Reason.INVALID_NAME, "full_name"),
        (replace(BY_LINE, full_name="Ann"), Reason.NAME_INCOMPLETE, "full_name"),
        (replace(BY_LINE, full_name="Ann ."), Reason.NAME_INCOMPLETE, "full_name"),
        (replace(BY_LINE, full_name="x " * 129), Reason.INVALID_NAME, "full_name"),
        (replace(BY_LINE, first_name="Ann"), Reason.UNEXPECTED_FIELD, "first_name"),
        (replace(BY_LINE, last_name="Bo"), Reason.UNEXPECTED_FIELD, "last_name"),
        (replace(BY_LINE, full_name="", last_name="Bo"), Reason.NAME_INCOMPLETE, "first_name"),
        (replace(BY_LINE, full_name="", first_name="Ann"), Reason.NAME_INCOMPLETE, "last_name"),
        (replace(BY_LINE, full_name="", first_name=".", last_name="Bo"), Reason.INVALID_NAME, "first_name"),
        (replace(BY_LINE, full_name="", first_name="Ann", last_name="'"), Reason.INVALID_NAME, "last_name"),
        (replace(BY_LINE, kind=Kind.FIRST_NAME), Reason.UNEXPECTED_FIELD, "full_name"),
        (QueryRow(kind=Kind.FIRST_NAME, address_line=LINE), Reason.INVALID_NAME, "first_name"),
        (replace(BY_LINE, kind=Kind.ADDRESS), Reason.UNEXPECTED_FIELD, "full_name"),
        (replace(BY_FIELDS, street_name=""), Reason.INVALID_STREET, "street_name"),
        (replace(BY_FIELDS, street_name="-"), Reason.INVALID_STREET, "street_name"),
        (replace(BY_FIELDS, house_number=""), Reason.INVALID_HOUSE_NUMBER, "house_number"),
        (replace(BY_FIELDS, house_number="1000"), Reason.INVALID_HOUSE_NUMBER, "house_number"),
        (replace(BY_FIELDS, floor="100"), Reason.INVALID_FLOOR, "floor"),
        (replace(BY_FIELDS, door="lejl. 12"), Reason.INVALID_DOOR, "door"),
        (replace(BY_FIELDS, postal_code=""), Reason.INVALID_POSTAL_CODE, "postal_code"),
        (replace(BY_FIELDS, postal_code="800"), Reason.INVALID_POSTAL_CODE, "postal_code"),
        (replace(BY_FIELDS, supplementary_town="x" * 257), Reason.INVALID_ADDRESS, "supplementary_town"),
        (QueryRow(kind=Kind.ADDRESS), Reason.INVALID_STREET, "street_name"),
        (replace(BY_LINE, address_line="Vestergade 12"), Reason.INVALID_ADDRESS, "address_line"),
        (replace(BY_LINE, street_name="Vestergade"), Reason.UNEXPECTED_FIELD, "street_name"),
        (replace(BY_LINE, postal_code="8000"), Reason.UNEXPECTED_FIELD, "postal_code"),
        (replace(BY_KVHX, address_line=LINE), Reason.UNEXPECTED_FIELD, "address_line"),
        (replace(BY_KVHX, floor="st"), Reason.UNEXPECTED_FIELD, "floor"),
        (replace(BY_KVHX, kvhx=KVHX + " "), Reason.INVALID_KVHX, "kvhx"),
        (replace(BY_KVHX, number="0101801239"), Reason.UNEXPECTED_FIELD, "number"),
        (replace(BY_KVHX, email_address="a@post.dk"), Reason.UNEXPECTED_FIELD, "email_address"),
        (replace(BY_KVHX, handle=b"x"), Reason.UNEXPECTED_FIELD, "handle"),
        (replace(BY_KVHX, has_postal_address=True), Reason.UNEXPECTED_FIELD, "has_postal_address"),
        (QueryRow(kind=Kind.CPR), Reason.INVALID_NUMBER, "number"),
        (QueryRow(kind=Kind.CPR, number="13585628"), Reason.INVALID_NUMBER, "number"),
        (QueryRow(kind=Kind.CVR, number="0101801239"), Reason.INVALID_NUMBER, "number"),
        (QueryRow(kind=Kind.CVR, number="13585628", full_name="Ann Bo"), Reason.UNEXPECTED_FIELD, "full_name"),
        (QueryRow(kind=Kind.EMAIL), Reason.INVALID_EMAIL, "email_address"),
        (QueryRow(kind=Kind.EMAIL, email_address="a@b@c.dk"), Reason.INVALID_EMAIL, "email_address"),
        (QueryRow(kind=Kind.EMAIL, number="x", email_address="?"), Reason.UNEXPECTED_FIELD, "number"),
        (QueryRow(kind=Kind.HANDLE), Reason.INVALID_HANDLE, "handle"),
        (QueryRow(kind=Kind.HANDLE, handle=bytes(15)), Reason.INVALID_HANDLE, "handle"),
        (QueryRow(kind=Kind.HANDLE, handle=bytes(17)), Reason.INVALID_HANDLE, "handle"),
        (QueryRow(kind=Kind.HANDLE, handle=bytes(16), kvhx=KVHX), Reason.UNEXPECTED_FIELD, "kvhx"),
        # The first bad field in the order of the field numbers is told.
        (replace(BY_FIELDS, full_name="Ann", house_number="x", door="y z"), Reason.NAME_INCOMPLETE, "full_name"),
        (replace(BY_FIELDS, house_number="x", door="y z"), Reason.INVALID_HOUSE_NUMBER, "house_number"),
        (replace(BY_FIELDS, reference="x" * 65, kind=99), Reason.INVALID_REFERENCE, "reference"),
    ],
)
def test_the_first_bad_field_is_told(query, reason, field):
    with pytest.raises(BadFieldError) as refused:
        parse_query(query)
    assert (refused.value.reason, refused.value.field) == (reason, field)


def test_blanks_count_as_empty():
    padded = replace(BY_LINE, first_name="  ", street_name="\t", kvhx=" " * 19, email_address="\u00a0")
    assert parse_query(padded) == parse_query(BY_LINE)


TEXTS = st.one_of(st.just(""), st.text(max_size=8), st.sampled_from(["Ann Bo", LINE, KVHX, "8000", "st", "12b"]))


@given(
    st.builds(
        QueryRow,
        reference=st.text(max_size=40),
        kind=st.integers(-1, 9),
        handle=st.sampled_from([b"", bytes(16), b"x"]),
        has_postal_address=st.booleans(),
        **dict.fromkeys(
            [
                *("full_name", "first_name", "last_name", *FIELDS),
                *("address_line", "kvhx", "number", "email_address"),
            ],
            TEXTS,
        ),
    )
)
def test_any_query_is_read_or_refused_and_the_wire_message_alike(query):
    wire = WireQuery(**{name: getattr(query, name) for name in QueryRow.__slots__})
    assert _outcome(query) == _outcome(wire)


def _outcome(query):
    try:
        return parse_query(query)
    except BadFieldError as error:
        return error.reason, error.field
