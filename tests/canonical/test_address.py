"""House number, floor, door, postal code, KVHX and one-line addresses (domain rules, section 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.address import (
    Address,
    parse_door,
    parse_floor,
    parse_house_number,
    parse_postal_code,
)
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.kvhx import Kvhx, parse_kvhx
from resolver_grpc.canonical.street import canonical_street, canonical_town
from resolver_grpc.canonical.text import UnreadableError

HOUSE_NUMBERS = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["", *"abcdefghijklmnopqrstuvwxyz"]))
FLOORS = st.sampled_from(["", "st", "kl", *(f"k{n}" for n in range(2, 10)), *map(str, range(1, 100))])
DOORS = st.one_of(st.sampled_from(["", "tv", "th", "mf"]), st.from_regex(r"[a-z1-9/][a-z0-9/-]{0,3}", fullmatch=True))
REAL_ROADS = st.integers(0, 9899).map("{:04}".format)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("012 b", "12b"), ("12B", "12b"), ("1", "1"), ("999Z", "999z"), (" 7 ", "7"), ("\uff11\uff12", "12")],
)
def test_house_numbers_are_read(text, canonical):
    assert parse_house_number(text) == canonical


@pytest.mark.parametrize("text", ["", "0", "000", "1000", "12bb", "b12", "12-14", "12å", "-1", "12  3", "٣"])
def test_what_is_no_house_number_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_house_number(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  ", ""),
        ("3", "3"),
        ("03", "3"),
        ("3.", "3"),
        ("3. sal", "3"),
        ("3.sal", "3"),
        ("2 Sal", "2"),
        ("ST", "st"),
        ("st.", "st"),
        ("Stuen", "st"),
        ("stueplan", "st"),
        ("Kld.", "kl"),
        ("kælder", "kl"),
        ("KÆLDER", "kl"),
        ("kl", "kl"),
        ("K2", "k2"),
        ("99", "99"),
    ],
)
def test_floors_are_read(text, canonical):
    assert parse_floor(text) == canonical


@pytest.mark.parametrize("text", ["0", "00", "100", "k1", "k10", "sal", "første", "-1", "3 4", "."])
def test_what_is_no_floor_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_floor(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("tv", "tv"),
        ("T.V.", "tv"),
        ("t. v.", "tv"),
        ("venstre", "tv"),
        ("til venstre", "tv"),
        ("th.", "th"),
        ("Højre", "th"),
        ("til højre", "th"),
        ("midtfor", "mf"),
        ("midt for", "mf"),
        ("m.f.", "mf"),
        ("0006", "6"),
        ("-12", "12"),
        ("A1/2", "a1/2"),
        ("9b", "9b"),
    ],
)
def test_doors_are_read(text, canonical):
    assert parse_door(text) == canonical


@pytest.mark.parametrize("text", ["0", "-", "12345", "dør 1", "1 2", "a+b", "lejl. 3"])
def test_what_is_no_door_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_door(text)


@pytest.mark.parametrize(("text", "canonical"), [("8000", "8000"), ("DK-8000", "8000"), (" dk-0999 ", "0999")])
def test_postal_codes_are_read(text, canonical):
    assert parse_postal_code(text) == canonical


@pytest.mark.parametrize("text", ["", "800", "80000", "8000 Aarhus", "D-8000", "SE-8000", "DK8000", "٨٠٠٠"])
def test_what_is_no_postal_code_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_postal_code(text)


@given(HOUSE_NUMBERS, FLOORS, DOORS)
def test_canonical_parts_are_read_as_themselves(house_number, floor, door):
    assert parse_house_number(house_number) == house_number
    assert parse_floor(floor) == floor
    assert parse_door(door) == door


@pytest.mark.parametrize(
    ("text", "kvhx"),
    [
        ("04201074___6_st__tv", Kvhx("0420", "1074", "6", "st", "tv")),
        ("04201074   6 ST  TV", Kvhx("0420", "1074", "6", "st", "tv")),
        ("01010728__45_______", Kvhx("0101", "0728", "45", "", "")),
        ("04619725_36A__2__th", Kvhx("0461", "9725", "36a", "2", "th")),
        ("04615180102B_12_a/1", Kvhx("0461", "5180", "102b", "12", "a/1")),
        ("04615180___6_____12", Kvhx("0461", "5180", "6", "", "12")),
        ("08518512002 02  th", Kvhx("0851", "8512", "2", "2", "th")),
        ("08518512002_02__TH", Kvhx("0851", "8512", "2", "2", "th")),
        ("08518512012Bst   1", Kvhx("0851", "8512", "12b", "st", "1")),
        ("08518512012 k20012", Kvhx("0851", "8512", "12", "k2", "12")),
        ("08518512016       ", Kvhx("0851", "8512", "16", "", "")),
    ],
)
def test_both_layouts_of_kvhx_are_read(text, kvhx):
    assert parse_kvhx(text) == kvhx


@pytest.mark.parametrize(
    "text",
    [
        "",
        "04201074___6_st__t",  # 18 characters, but of the other layout
        "04201074___6_st__tv_",
        "04201074_____st__tv",  # no house number
        "04201074___0_st__tv",
        "04201074__6__st__tv",  # padded on the right
        "0420107A___6_st__tv",
        "04209900___6_st__tv",  # no real street
        "04209999___6_st__tv",
        "04201074___6sal__tv",  # a word, not a floor
        "04201074___6_1.__tv",
        "04201074___6__0__tv",
        "04201074___6_st___0",  # a door of nothing but zeros
        "04201074___6_st_t v",
        "04201074__6B7st__tv",
        "08518512000 02  th",
        "085185122   02  th",
        "08518512002 02th  ",
        "08519901002 02  th",
        "٠4201074___6_st__tv",
        "04201074___6_st__tå",
    ],
)
def test_what_is_no_kvhx_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_kvhx(text)


@given(st.integers(0, 9999).map("{:04}".format), REAL_ROADS, HOUSE_NUMBERS, FLOORS, DOORS, st.booleans())
def test_a_kvhx_comes_back_from_both_layouts(municipality, road, house_number, floor, door, upper):
    digits = house_number.rstrip("abcdefghijklmnopqrstuvwxyz")
    nineteen = f"{municipality}{road}{house_number:_>4}{floor:_>3}{door:_>4}"
    eighteen = f"{municipality}{road}{digits:0>3}{house_number[len(digits) :] or ' '}{floor: >2}{door: >4}"
    expected = Kvhx(municipality, road, house_number, floor, door)
    assert [parse_kvhx(text.upper() if upper else text) for text in (nineteen, eighteen)] == [expected, expected]


@given(st.text(" _0123456789abkstvlh/-", min_size=18, max_size=19))
def test_no_text_is_read_as_a_kvhx_by_guessing(text):
    """What is read gives the text back when it is written again, but for padding, case and leading zeros."""
    try:
        kvhx = parse_kvhx(text)
    except UnreadableError:
        return
    plain = text.lower().replace("_", " ")
    house, floor, door = (
        (plain[8:12], plain[12:15], plain[15:]) if len(text) == 19 else (plain[8:12], plain[12:14], plain[14:])
    )
    assert kvhx[:2] == (plain[:4], plain[4:8])
    assert kvhx.house_number == house.strip().lstrip("0")
    assert kvhx.floor == floor.strip().lstrip("0")
    assert kvhx.door == door.strip().lstrip("0-")


def line(postal_code, street, house_number, floor="", door="", town=""):
    return Address(postal_code, street, house_number, floor, door, town)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Vestergade 12B, 3. tv, 8000 Aarhus C", line("8000", "vestergade", "12b", "3", "tv")),
        ("Vestergade 12 B,3.tv,DK-8000", line("8000", "vestergade", "12b", "3", "tv")),
        ("Industrivænget 2,2 th, 2630 Taastrup", line("2630", "industrivaenget", "2", "2", "th")),
        ("Vestergade 12, 8000 Aarhus C", line("8000", "vestergade", "12")),
        ("Vestergade 12, 3., 8000 Aarhus C", line("8000", "vestergade", "12", "3")),
        ("Vestergade 12, 3. sal, 8000 Aarhus C", line("8000", "vestergade", "12", "3")),
        ("Vestergade 12, 3 sal, 8000 Aarhus C", line("8000", "vestergade", "12", "3")),
        ("Vestergade 12, 3, 8000 Aarhus C", line("8000", "vestergade", "12", "", "3")),
        ("Vestergade 12, 4. 2, 8000 Aarhus C", line("8000", "vestergade", "12", "4", "2")),
        ("Vestergade 12, st., 8000 Aarhus C", line("8000", "vestergade", "12", "st")),
        ("Vestergade 12, stuen til venstre, 8000 Aarhus", line("8000", "vestergade", "12", "st", "tv")),
        ("Vestergade 12, kld., 8000 Aarhus", line("8000", "vestergade", "12", "kl")),
        ("Vestergade 12, th, 8000 Aarhus", line("8000", "vestergade", "12", "", "th")),
        ("Vestergade 12, 112, 8000 Aarhus", line("8000", "vestergade", "12", "", "112")),
        ("Girostrøget 1, Høje Taastrup, 2630 Taastrup", line("2630", "girostroeget", "1", town="hoejetaastrup")),
        ("Mosevej 2, Bred, 5492 Vissenbjerg", line("5492", "mosevej", "2", town="bred")),
        ("Højemarksvej 30, st. tv, Bolbro, 5200 Odense V", line("5200", "hoejemarksvej", "30", "st", "tv", "bolbro")),
        ("c/o Hansen, Vestergade 12, 8000 Aarhus", line("8000", "vestergade", "12")),
        ("Vestergade 12, C/O Bo, 1. tv, 8000 Aarhus", line("8000", "vestergade", "12", "1", "tv")),
        ("Vestergade 12, , 8000 Aarhus,", line("8000", "vestergade", "12")),
        ("10. Februar Vej 3, 8000 Aarhus", line("8000", "10februarvej", "3")),
        ("  VESTERGADE   12 ,  8000   AARHUS  C ", line("8000", "vestergade", "12")),
    ],
)
def test_address_lines_are_read(text, address):
    assert parse_address_line(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Vestergade",
        "Vestergade 12",
        "Vestergade 12 8000 Aarhus C",
        "Vestergade 12B 3. tv, 8000 Aarhus C",
        "Vestergade, 8000 Aarhus C",
        "12, 8000 Aarhus C",
        "Vestergade 12, Aarhus C",
        "Vestergade 12, 8000, Aarhus C",
        "Vestergade 12, lejlighed 3, 8000 Aarhus",  # a unit that can't be read is no town
        "Vestergade 12, 3. baghus, 8000 Aarhus",
        "Vestergade 12, baghuset 2, 8000 Aarhus",
        "Vestergade 12, baghus, 8000 Aarhus",
        "Vestergade 12, kælderen, 8000 Aarhus",
        "Vestergade 12, 3., tv, 8000 Aarhus",
        "Vestergade 12, 8000 Aarhus C 3. tv",  # nor is a district
        "Vestergade 12, 8000 Aarhus tv",
        "Vestergade 12, 3. tv, Bolbro, Fyn, 8000 Aarhus",
        "Vestergade 12, Bolbro, 3. tv, 8000 Aarhus",
        "Vestergade 12-14, 8000 Aarhus",
        "Vestergade 1200, 8000 Aarhus",
        "Vestergade 12, 8000 Aarhus, Danmark",
        "c/o Hansen, 8000 Aarhus",
    ],
)
def test_a_line_that_is_not_understood_is_refused(text):
    with pytest.raises(UnreadableError):
        parse_address_line(text)


TOWNS = st.sampled_from(["", "Bolbro", "Høje Taastrup", "Skee", "Stubberup Mark"])


@given(
    st.sampled_from(["Vestergade", "Gl. Kongevej", "10. Februar Vej", "Å-vej", "St. Torv 2 Nord"]),
    HOUSE_NUMBERS,
    FLOORS,
    st.one_of(st.sampled_from(["", "tv", "th", "mf"]), st.integers(1, 9999).map(str)),
    TOWNS,
    st.sampled_from(["8000", "8000 Aarhus C", "DK-8000 Aarhus C", "8000 St Heddinge"]),
)
def test_fields_written_as_a_line_come_back(street, house_number, floor, door, town, postal):
    unit = f"{floor}. {door}".strip() if floor else door
    text = ", ".join(part for part in (f"{street} {house_number.upper()}", unit, town, postal) if part)
    expected = Address("8000", canonical_street(street), house_number, floor, door, canonical_town(town))
    assert parse_address_line(text) == expected
