"""Which query a row states."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.client.headings import HEADINGS
from resolver_grpc.client.recipients import query_of_row
from resolver_grpc.model import Kind, QueryRow

SHARED = Path(os.environ.get("RESOLVER_SHARED", Path(__file__).parents[3] / "shared"))
GOLD = SHARED / "data" / "addresses" / "kvhx_gold.tsv"

LINE = "Vestergade 12B, 3. tv, 8000 Aarhus C"
FIELDS = {"street_name": "Vestergade", "house_number": "12B", "floor": "3", "door": "tv", "postal_code": "8000"}


def query(**row):
    return query_of_row(row, "r")


def line_of(**row):
    made = query(**row)
    assert made.kind == Kind.ADDRESS
    return made.address_line


# Rows with too little, or too much


@pytest.mark.parametrize(
    "row", [{}, {"cpr": "", "full_name": "", "kvhx": "    "}, {"city": "Aarhus C"}, {"reference": "7"}]
)
def test_a_row_without_anything_has_no_kind(row):
    assert query_of_row(row, "7") == QueryRow("7", Kind.UNSPECIFIED)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"full_name": "Anna Hansen"}, QueryRow("r", Kind.FULL_NAME, full_name="Anna Hansen")),
        ({"first_name": "Anna"}, QueryRow("r", Kind.FULL_NAME, first_name="Anna")),
        ({"last_name": "Hansen"}, QueryRow("r", Kind.FULL_NAME, last_name="Hansen")),
    ],
)
def test_a_row_of_names_alone_goes_as_full_name(row, expected):
    assert query(**row) == expected


def test_parts_of_an_address_without_its_street_are_sent_for_the_server_to_name_what_is_missing():
    assert query(postal_code="8000", house_number="12") == QueryRow(
        "r", Kind.ADDRESS, postal_code="8000", house_number="12"
    )
    assert query(postal_code="8000", full_name="Anna Hansen").kind == Kind.FULL_NAME


def test_an_email_address_comes_before_parts_of_an_address():
    assert query(postal_code="8000", email_address="anna@post.dk") == QueryRow(
        "r", Kind.EMAIL, email_address="anna@post.dk"
    )


def test_a_cell_that_is_no_number_is_still_the_row_s_cpr_number():
    """The server refuses it, and the sender corrects the row; the address is not tried behind its back."""
    assert query(cpr="ukendt", full_name="Anna Hansen", address_line=LINE) == QueryRow(
        "r", Kind.CPR, number="ukendt", has_postal_address=True
    )


def test_a_last_name_alone_never_widens_a_letter_to_everyone_at_the_address():
    assert query(last_name="Hansen", address_line=LINE).kind == Kind.FULL_NAME


def test_a_full_name_of_one_word_stays_one():
    made = query(full_name="Anna", address_line=LINE)
    assert (made.kind, made.full_name, made.first_name) == (Kind.FULL_NAME, "Anna", "")


def test_a_whole_address_beside_a_house_number_is_left_for_the_server_to_refuse():
    assert query(address_line=LINE, house_number="14") == QueryRow(
        "r", Kind.ADDRESS, address_line=LINE, house_number="14"
    )


# The order of the ways

WAYS = [
    ({"cpr": "0101801239"}, Kind.CPR),
    ({"cvr": "12345674"}, Kind.CVR),
    ({"address_line": LINE}, Kind.ADDRESS),
    ({"email_address": "anna@post.dk"}, Kind.EMAIL),
]


@given(st.sets(st.integers(0, 3), min_size=1))
def test_cpr_then_cvr_then_address_then_email(chosen):
    row = {}
    for i in chosen:
        row |= WAYS[i][0]
    assert query(**row).kind == WAYS[min(chosen)][1]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({}, Kind.ADDRESS),
        ({"first_name": "Anna"}, Kind.FIRST_NAME),
        ({"first_name": "Anna", "last_name": "Hansen"}, Kind.FULL_NAME),
        ({"full_name": "Anna Hansen"}, Kind.FULL_NAME),
    ],
)
@pytest.mark.parametrize("address", [{"address_line": LINE}, FIELDS, {"kvhx": "08518512002 02  th "}])
def test_the_names_make_the_kind_of_an_address(names, kind, address):
    assert query(**names, **address) == QueryRow("r", kind, **names, **address)


def test_the_full_name_counts_before_first_and_last_name():
    assert query(full_name="Anna Hansen", first_name="A", last_name="H", address_line=LINE) == QueryRow(
        "r", Kind.FULL_NAME, full_name="Anna Hansen", address_line=LINE
    )


def test_kvhx_before_fields_before_line():
    assert query(kvhx=" k", address_line=LINE, **FIELDS) == QueryRow("r", Kind.ADDRESS, kvhx=" k")
    assert query(kvhx="  ", address_line=LINE, **FIELDS) == QueryRow("r", Kind.ADDRESS, **FIELDS)


@pytest.mark.parametrize(
    ("address", "has"),
    [
        ({}, False),
        ({"kvhx": "   "}, False),
        ({"kvhx": "k"}, True),
        ({"address_line": "Vestergade 12B"}, True),
        ({"address_line": "Vestergade", "house_number": "12B"}, True),
        (FIELDS, True),
        (FIELDS | {"postal_code": "", "city": "8000 Aarhus C"}, True),
        (FIELDS | {"postal_code": ""}, False),
        (FIELDS | {"house_number": ""}, False),
        (FIELDS | {"street_name": ""}, False),
    ],
)
@pytest.mark.parametrize("way", [{"cpr": "0101801239"}, {"cvr": "12345674"}, {"email_address": "anna@post.dk"}])
def test_whether_a_letter_could_be_sent(address, has, way):
    made = query(**way, **address)
    if made.kind in {Kind.CPR, Kind.CVR, Kind.EMAIL}:
        assert made.has_postal_address is has
        assert made == QueryRow(
            "r", made.kind, number=made.number, email_address=made.email_address, has_postal_address=has
        )
    else:
        assert "email_address" in way, "the address comes before the e-mail address"


# How an address line is put together


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"address_line": LINE}, LINE),
        ({"address_line": LINE, "postal_code": "8200", "city": "Aarhus N"}, LINE),
        ({"address_line": "Vestergade 12B 8000 Aarhus C", "postal_code": "8200"}, "Vestergade 12B 8000 Aarhus C"),
        ({"address_line": "Vestergade 12B, DK-8000", "postal_code": "8200"}, "Vestergade 12B, DK-8000"),
        ({"address_line": "Vestergade 12B, 3. tv", "postal_code": "8000", "city": "Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B, 3. tv", "postal_code": "8000"}, "Vestergade 12B, 3. tv, 8000"),
        ({"address_line": "Vestergade 12B, 3. tv", "city": "8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B, 3. tv", "postal_code": "8000", "city": "8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B, 3. tv,", "postal_code": "8000", "city": "Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B", "floor": "3", "door": "tv", "city": "8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B, 8000 Aarhus C", "floor": "3", "door": "tv"}, LINE),
        ({"address_line": "Vestergade 12B", "address_line_2": "3. tv", "city": "8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B", "address_line_2": "3. tv", "address_line_3": "8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B\r\n3. tv,\n\n8000 Aarhus C"}, LINE),
        ({"address_line": "Vestergade 12B", "door": "4", "postal_code": "8000"}, "Vestergade 12B, 4, 8000"),
        ({"address_line": "Vestergade 12B", "floor": "4", "postal_code": "8000"}, "Vestergade 12B, 4., 8000"),
        ({"address_line": "Vestergade 12B", "floor": "st", "postal_code": "8000"}, "Vestergade 12B, st, 8000"),
        (
            {"address_line": "Vestergade 12B, 2630 Taastrup", "supplementary_town": "Høje Taastrup"},
            "Vestergade 12B, Høje Taastrup, 2630 Taastrup",
        ),
        (
            {"address_line": "Vestergade 12B, Høje Taastrup, 2630 Taastrup", "supplementary_town": "HØJE TAASTRUP"},
            "Vestergade 12B, Høje Taastrup, 2630 Taastrup",
        ),
        ({"address_line": "Vestergade 12B"}, "Vestergade 12B"),
        ({"address_line": "Vestergade 12B", "city": "Aarhus C"}, "Vestergade 12B, Aarhus C"),
        ({"street_name": "Vestergade 12B, 3. tv", "city": "8000 Aarhus C"}, LINE),
        ({"street_name": "Vestergade", "address_line": LINE}, LINE),
    ],
)
def test_the_line(row, line):
    assert query(**row) == QueryRow("r", Kind.ADDRESS, address_line=line)


def test_an_address_column_beside_a_house_number_is_the_street():
    row = {"address_line": "Vestergade", "house_number": "12B", "floor": "3", "door": "tv", "city": "8000 Aarhus C"}
    assert query(**row) == QueryRow("r", Kind.ADDRESS, **FIELDS)


def test_an_address_column_beside_an_empty_house_number_is_a_line():
    assert line_of(address_line="Vestergade 12B", house_number="", postal_code="8000") == "Vestergade 12B, 8000"


def test_a_street_column_beside_an_empty_house_number_stays_fields():
    assert query(**FIELDS | {"house_number": ""}).house_number == ""
    assert query(**FIELDS | {"house_number": ""}).street_name == "Vestergade"


@given(
    floor=st.sampled_from(["", "1", "3", "12", "st", "kl", "k2"]),
    door=st.sampled_from(["", "tv", "th", "mf", "1", "12", "4b"]),
    town=st.sampled_from(["", "Høje Taastrup", "Bolbro"]),
    placement=st.sampled_from(["columns", "own"]),
)
def test_the_line_means_the_same_as_the_fields(floor, door, town, placement):
    """The canonical forms read the line back: nothing is dropped, and nothing moves between floor and door."""
    row = {"address_line": "Vestergade 12B", "floor": floor, "door": door, "supplementary_town": town}
    if placement == "own":
        row["address_line"] += ", 8000 Aarhus C"
    else:
        row |= {"postal_code": "8000", "city": "Aarhus C"}
    address = parse_address_line(line_of(**row))
    expected = parse_address_line("Vestergade 12B, 8000")
    assert (address.street, address.house_number, address.postal_code) == (
        expected.street, expected.house_number, expected.postal_code
    )  # fmt: skip
    assert (address.floor, address.door) == (floor, door)
    assert bool(address.town) == bool(town)


@pytest.mark.skipif(not GOLD.is_file(), reason="the real addresses are not there (RESOLVER_SHARED)")
def test_real_addresses_cut_into_columns_come_together_again():
    texts = 0
    for row in GOLD.read_text(encoding="utf-8").splitlines()[1:]:
        text = row.split("\t")[-1].split("|")[0].strip()
        line, _, postal = text.rpartition(", ")
        code, _, district = postal.partition(" ")
        assert line_of(address_line=text) == text
        assert line_of(address_line=line, postal_code=code, city=district) == text
        texts += 1
    assert texts > 1000


@given(st.fixed_dictionaries({}, optional={field: st.text(max_size=12).map(str.strip) for field in HEADINGS}))
def test_any_row_makes_a_query_of_one_form_of_address(row):
    made = query_of_row(row, "r")
    forms = [bool(made.kvhx), bool(made.street_name), bool(made.address_line)]
    assert sum(forms) <= 1
    assert made.reference == "r"
    if made.kind in {Kind.CPR, Kind.CVR, Kind.EMAIL}:
        assert not any(forms)
        assert (made.full_name, made.first_name, made.last_name) == ("", "", "")
