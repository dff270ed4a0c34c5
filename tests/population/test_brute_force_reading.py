"""The brute force's own reading of section 4 and of malformed queries, by hand."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from population_worlds import (
    ANNE,
    BO,
    by_address,
    by_cpr,
    by_cvr,
    by_email,
    by_first_name,
    by_kvhx,
    by_line,
    by_name,
    outcome,
    person,
    reached,
    road,
    world,
)
from stdnum.dk import cpr as stdnum_cpr
from stdnum.dk import cvr as stdnum_cvr

from resolver_grpc.build.population.address_reading import (
    Kvhx,
    Place,
    read_door,
    read_floor,
    read_house_number,
    read_kvhx,
    read_line,
    read_postal_code,
    read_unit,
)
from resolver_grpc.build.population.folding import fold_street, fold_text, name_words
from resolver_grpc.build.population.malformed import WAYS, spoil
from resolver_grpc.build.population.number_reading import read_cpr, read_cvr, read_email
from resolver_grpc.build.population.query_reading import find_problem
from resolver_grpc.model import Kind, QueryRow, Reason


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ærø Ågård", "aeroe aagaard"),
        ("Ägir Öberg", "aegir oeberg"),
        ("A\N{COMBINING RING ABOVE}gård", "aagaard"),
        ("Ǿ ǽ ǻ", "oe ae aa"),
        ("Renée  Müller\t", "renee muller"),
        ("a\N{EN DASH}b\N{MINUS SIGN}c", "a-b-c"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
    ],
)
def test_text_folds(text, folded):
    assert fold_text(text) == folded


@given(st.text(max_size=20))
def test_folds_are_idempotent(text):
    assert fold_text(fold_text(text)) == fold_text(text)
    assert fold_street(fold_street(text)) == fold_street(text)


def test_name_words_lose_their_signs_and_hyphenated_ones_stay():
    assert name_words("Anne-Marie O'Brien, jr. . \N{RIGHT SINGLE QUOTATION MARK}") == ["anne-marie", "obrien", "jr"]


@pytest.mark.parametrize(
    "variants",
    [
        ("Vester Gade", "vestergade", "Vester-gade", "VESTERGADE"),
        ("Gl. Kongevej", "Gammel Kongevej", "gl kongevej"),
        ("Sct. Pauls Gade", "Skt Pauls Gade", "Sankt Pauls Gade"),
        ("Ndr. Ringvej", "Nordre Ringvej"),
        ("Sdr. Blvd.", "Søndre Boulevard"),
        ("Borgm. Bloms Vej", "Borgmester Bloms Vej"),
    ],
)
def test_streets_meet(variants):
    assert len({fold_street(variant) for variant in variants}) == 1


def test_an_abbreviation_alone_and_the_ambiguous_ones_stay():
    assert fold_street("Gl.") == "gl"
    assert fold_street("Dr. Nr. St. Vej") == "drnrstvej"


@pytest.mark.parametrize(
    ("reader", "text", "expected"),
    [
        (read_house_number, "012 b", "12b"),
        (read_house_number, "999Z", "999z"),
        (read_house_number, "0", None),
        (read_house_number, "1000", None),
        (read_house_number, "12-14", None),
        (read_floor, "3. sal", "3"),
        (read_floor, "03", "3"),
        (read_floor, "Stuen", "st"),
        (read_floor, "Kælder", "kl"),
        (read_floor, "k2", "k2"),
        (read_floor, "k1", None),
        (read_floor, "0", None),
        (read_floor, "100", None),
        (read_floor, "1.2", None),
        (read_door, "t. v.", "tv"),
        (read_door, "til højre", "th"),
        (read_door, "midt for", "mf"),
        (read_door, "-0012", "12"),
        (read_door, "3-1", "3-1"),
        (read_door, "12345", None),
        (read_door, "1 2", None),
        (read_postal_code, "DK-8000", "8000"),
        (read_postal_code, "800", None),
        (read_unit, "3", ("", "3")),
        (read_unit, "3.", ("3", "")),
        (read_unit, "3 sal", ("3", "")),
        (read_unit, "3.sal tv", ("3", "tv")),
        (read_unit, "2 th", ("2", "th")),
        (read_unit, "1.2", ("1", "2")),
        (read_unit, "st til venstre", ("st", "tv")),
        (read_unit, "bagest i gården", None),
        (read_cpr, "010180-1239", "0101801239"),
        (read_cpr, "01-01801239", None),
        (read_cpr, "0000000000", None),
        (read_cpr, "6101801239", None),
        (read_cpr, "2902010000", None),
        (read_cpr, "2902004000", "2902004000"),
        (read_cvr, "10000009", "10000009"),
        (read_cvr, "10000008", None),
        (read_email, " Anne@POST.example", "anne@post.example"),
        (read_email, "søren@blåbær.example", "søren@xn--blbr-roah.example"),
        (read_email, "anne@post", None),
        (read_email, "anne post@post.example", None),
        (read_email, "anne@@post.example", None),
        (read_email, ".anne@post.example", None),
    ],
)
def test_small_fields(reader, text, expected):
    assert reader(text) == expected


@given(st.from_regex(r"[0-3][0-9][01][0-9]{7}", fullmatch=True))
def test_cpr_dates_agree_with_stdnum(number):
    try:
        stdnum_cpr.get_birth_date(number)
    except stdnum_cpr.InvalidComponent:
        assert read_cpr(number) is None
    else:
        assert read_cpr(number) == number


@given(st.from_regex(r"[1-9][0-9]{7}", fullmatch=True))
def test_cvr_agrees_with_stdnum(number):
    assert (read_cvr(number) is not None) == stdnum_cvr.is_valid(number)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("Vestergade 12B, 3. tv, 8000 Aarhus C", Place("8000", "vestergade", "12b", "3", "tv")),
        ("Industrivænget 2,2 th,DK-4000", Place("4000", "industrivaenget", "2", "2", "th")),
        ("Girostrøget 1, Høje Taastrup, 2630 Taastrup", Place("2630", "girostroeget", "1", "", "", "hoejetaastrup")),
        ("Vej 5 12 b, 2., Løve, , 4270 Høng", Place("4270", "vej5", "12b", "2", "", "loeve")),
        ("c/o Hansen, Vestergade 1, 8000", Place("8000", "vestergade", "1", "", "")),
        ("Vestergade, 8000 Aarhus C", None),
        ("Vestergade 1", None),
        ("Vestergade 1, 8000 Aarhus C 3", None),
        ("Vestergade 1, baghuset, 3. tv, 8000 Aarhus C", None),
        ("Vestergade 1, lejlighed i gården, 8000 Aarhus C", None),
        ("Vestergade 1, Løve, Hasle, 8000 Aarhus C", None),
        (", ,", None),
    ],
)
def test_lines(line, place):
    assert read_line(line) == place


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("04201074___6_st__tv", Kvhx("0420", "1074", "6", "st", "tv")),
        ("04201074   6 ST  TV", Kvhx("0420", "1074", "6", "st", "tv")),
        ("08518512002 02  th", Kvhx("0851", "8512", "2", "2", "th")),
        ("08518512002b      ", Kvhx("0851", "8512", "2b", "", "")),
        ("04201074___6______", None),
        ("04209900___6_st__tv", None),
        ("04201074_____st__tv", None),
        ("042010746____st__tv", None),
        ("04201074___6st___tv", None),
    ],
)
def test_kvhx(key, parts):
    assert read_kvhx(key) == parts


def _short_town(door):
    return door if door.isalpha() and len(door) > 2 else ""


def test_real_addresses_agree_in_text_parts_and_code():
    """Each real address comes to the same house, floor and door by its code, its parts and its line.

    Excepted is a supplementary town of up to four letters, which a line alone can't tell from a door.
    """
    beside = Path(__file__).parents[3] / "shared"
    path = Path(os.environ.get("RESOLVER_SHARED", beside)) / "data" / "addresses" / "kvhx_gold.tsv"
    if not path.exists():
        pytest.skip("the real addresses are not here: set RESOLVER_SHARED")
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    for line in lines:
        row = dict(zip(head.split("\t"), line.split("\t"), strict=True))
        parts = (
            read_house_number(row["husnr"]),
            read_floor(row["etage"]) if row["etage"] else "",
            read_door(row["doer"]) if row["doer"] else "",
        )
        read = [read_line(text) for text in row["official_texts_dar"].split("|")]
        assert read_kvhx(row["kvhx_dawa19"])[2:] == parts
        assert any(place and place[2:5] in {parts, (parts[0], "", _short_town(place.door))} for place in read)


def test_a_town_tells_two_roads_apart():
    """With a town that one of the roads has, only that road; with none or a foreign one, both."""
    persons = [person(supplementary_town="Løve"), person(BO, road_code="0043", supplementary_town="Hasle")]
    where = world(persons)
    assert outcome(by_address(), where)[1] == "AMBIGUOUS_ADDRESS"
    assert outcome(by_address(supplementary_town="Bolbro"), where)[1] == "AMBIGUOUS_ADDRESS"
    assert reached(by_address(supplementary_town="LØVE"), where) == [ANNE]
    assert reached(by_line("Vestergade 12, 3. tv, Hasle, 8000 Aarhus C"), where) == [BO]
    assert reached(by_kvhx("07510043__12__3__tv"), where) == [BO]
    assert outcome(by_name(), where)[1] == "AMBIGUOUS_RECIPIENT"
    assert reached(by_name(supplementary_town="Løve"), where) == [ANNE]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (road("0043"), "AMBIGUOUS_ADDRESS"),
        (road("0043", name="Andet", short_name="Vester Gade"), "AMBIGUOUS_ADDRESS"),
        (road("0043", postal_code="8200"), "DELIVERABLE"),
        (road("9943"), "DELIVERABLE"),
        (road("43"), "DELIVERABLE"),
        (road("0042", supplementary_town="Løve"), "DELIVERABLE"),
    ],
)
def test_the_table_of_roads_makes_texts_ambiguous_too(other, reason):
    assert outcome(by_address(supplementary_town="Et sted"), world(roads=[other]))[1] == reason


def test_a_town_shared_by_both_roads_tells_nothing():
    persons = [person(supplementary_town="Løve"), person(BO, road_code="0043", supplementary_town="Løve")]
    assert outcome(by_address(supplementary_town="Løve"), world(persons))[1] == "AMBIGUOUS_ADDRESS"


def test_both_spellings_lead_there():
    names = {"street_name": "", "short_street_name": "Borgm Christiansensg"}
    where = world([person(**names)], roads=[road(name="Borgmester Christiansens Gade")])
    assert reached(by_address(street_name="Borgm. Christiansensg"), where) == [ANNE]
    assert reached(by_address(street_name="Borgm. Christiansens Gade"), where) == [ANNE]
    assert reached(by_address(street_name="Vestergade"), where) == []


def test_a_unit_must_be_the_same():
    assert reached(by_address(door="th")) == []
    assert reached(by_address(door="")) == []
    assert reached(by_address(floor="")) == []


LONG = "A" * 257
PROBLEMS = [
    (by_name(reference="ø" * 33), Reason.INVALID_REFERENCE, "reference"),
    (replace(by_name(), kind=0), Reason.INVALID_KIND, "kind"),
    (replace(by_name(), kind=8), Reason.INVALID_KIND, "kind"),
    (by_name(full_name=" "), Reason.INVALID_NAME, "full_name"),
    (by_name(full_name=". '"), Reason.INVALID_NAME, "full_name"),
    (by_name(full_name=LONG + " B"), Reason.INVALID_NAME, "full_name"),
    (by_name(full_name="Anne ."), Reason.NAME_INCOMPLETE, "full_name"),
    (by_name(first_name="Anne"), Reason.UNEXPECTED_FIELD, "first_name"),
    (by_name(full_name="", first_name="."), Reason.INVALID_NAME, "first_name"),
    (by_name(full_name="", first_name="Anne"), Reason.NAME_INCOMPLETE, "last_name"),
    (by_name(full_name="", last_name="Hansen"), Reason.NAME_INCOMPLETE, "first_name"),
    (by_name(full_name="", first_name="Anne", last_name=","), Reason.INVALID_NAME, "last_name"),
    (by_first_name(first_name=""), Reason.INVALID_NAME, "first_name"),
    (by_first_name(full_name="Anne Hansen"), Reason.UNEXPECTED_FIELD, "full_name"),
    (by_first_name(last_name="Hansen"), Reason.UNEXPECTED_FIELD, "last_name"),
    (by_address(street_name=""), Reason.INVALID_STREET, "street_name"),
    (by_address(street_name="-"), Reason.INVALID_STREET, "street_name"),
    (by_address(street_name=LONG), Reason.INVALID_STREET, "street_name"),
    (by_address(house_number=""), Reason.INVALID_HOUSE_NUMBER, "house_number"),
    (by_address(floor="loft"), Reason.INVALID_FLOOR, "floor"),
    (by_address(door="bagved"), Reason.INVALID_DOOR, "door"),
    (by_address(postal_code=""), Reason.INVALID_POSTAL_CODE, "postal_code"),
    (by_address(supplementary_town=LONG), Reason.INVALID_ADDRESS, "supplementary_town"),
    (by_address(address_line="Vestergade 1, 8000"), Reason.UNEXPECTED_FIELD, "street_name"),
    (by_address(kvhx="x"), Reason.UNEXPECTED_FIELD, "street_name"),
    (by_address(has_postal_address=True), Reason.UNEXPECTED_FIELD, "has_postal_address"),
    (by_address(full_name="Anne"), Reason.UNEXPECTED_FIELD, "full_name"),
    (by_line("Vestergade"), Reason.INVALID_ADDRESS, "address_line"),
    (by_line("Vestergade 1, 8000 " + LONG), Reason.INVALID_ADDRESS, "address_line"),
    (by_kvhx("04201074"), Reason.INVALID_KVHX, "kvhx"),
    (by_email(""), Reason.INVALID_EMAIL, "email_address"),
    (by_email("anne"), Reason.INVALID_EMAIL, "email_address"),
    (by_email(number="1"), Reason.UNEXPECTED_FIELD, "number"),
    (by_cpr(""), Reason.INVALID_NUMBER, "number"),
    (by_cpr("10000009"), Reason.INVALID_NUMBER, "number"),
    (by_cvr(ANNE), Reason.INVALID_NUMBER, "number"),
    (by_cpr(handle=b"x"), Reason.UNEXPECTED_FIELD, "handle"),
    (by_cpr("1", full_name="Anne"), Reason.UNEXPECTED_FIELD, "full_name"),
    (QueryRow(kind=Kind.HANDLE), Reason.INVALID_HANDLE, "handle"),
    (QueryRow(kind=Kind.HANDLE, handle=b"x" * 17), Reason.INVALID_HANDLE, "handle"),
]


@pytest.mark.parametrize(("query", "reason", "field"), PROBLEMS)
def test_the_first_bad_field_is_reported(query, reason, field):
    assert find_problem(query) == (reason, field)


def test_every_reason_for_a_bad_field_has_a_case():
    assert {reason for _, reason, _ in PROBLEMS} == {reason for reason in Reason if reason >= Reason.INVALID_KIND}


def test_texts_of_blanks_count_as_empty():
    assert find_problem(by_address(full_name=" ", kvhx="\t", email_address=" ", floor="  ")) is None
    assert find_problem(by_cpr(street_name="   ", has_postal_address=True)) is None


def test_every_malformed_way_is_malformed_and_all_reasons_occur():
    problems = [find_problem(spoil(by_name(), way)) for way in range(WAYS)]
    assert None not in problems
    assert {problem.reason for problem in problems} == {reason for _, reason, _ in PROBLEMS}
