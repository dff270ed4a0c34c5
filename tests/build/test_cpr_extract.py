"""One extract: of persons of the tests' own making, and the register's demo extract where it is."""

import os
from collections import Counter
from pathlib import Path

import pytest
from cpr_lines import (
    KAREN,
    NOWHERE,
    OLD,
    OLE,
    ROAD,
    address,
    encoded,
    end,
    faults,
    in_clear,
    is_withheld,
    line,
    name,
    old_number,
    person,
    protection,
    rows,
    start,
)
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.build.cpr_extract import Extract, read_extract
from resolver_grpc.build.cpr_layout import Fault
from resolver_grpc.errors import TableError


def read(*records) -> Extract:
    return read_extract(encoded([start(), *records, end(len(records))]), "extract.txt")


def test_a_person_with_all_records_fills_every_column_that_the_register_knows():
    extract = read(
        person(KAREN), address(KAREN), name(KAREN), protection(KAREN), old_number(KAREN, OLD), in_clear(KAREN)
    )
    assert rows(extract) == {
        KAREN: {
            "number": KAREN,
            "status": "01",
            "current_number": "",
            "old_numbers": OLD,
            "full_name": "Karen Ida Bjerg Elkjær",
            "municipality_code": "0851",
            "road_code": "8512",
            "short_street_name": "Nøddevej",
            "house_number": "12B",
            "floor": "02",
            "door": "th",
            "supplementary_town": "Hasseris",
            "postal_code": "9000",
            "protections": "2001-01-01/2003-01-01",
        }
    }
    assert (extract.register_date, extract.previous_date) == ("2001-11-19", "")
    assert (extract.complete, extract.withheld, extract.rejected_lines) == (1, 0, ())


def test_the_order_of_a_persons_records_does_not_matter():
    records = [person(KAREN), address(KAREN), name(KAREN), protection(KAREN), in_clear(KAREN)]
    assert rows(read(*records)) == rows(read(*reversed(records)))


def test_zeros_stand_for_no_address_and_no_postal_code():
    extract = read(
        person(KAREN, "90"),
        address(KAREN, municipality="0000", road="0000", house="000", floor="", door=""),
        in_clear(KAREN, **NOWHERE),
    )
    row = rows(extract)[KAREN]
    blank = ("municipality_code", "road_code", "house_number", "floor", "door", "postal_code")
    assert {row[column] for column in blank} == {""}


def test_a_person_without_an_address_record_may_have_a_blank_one_in_clear():
    extract = read(person(KAREN, "80"), in_clear(KAREN, **NOWHERE))
    assert extract.rejected_lines == ()
    assert rows(extract)[KAREN]["road_code"] == ""


def test_a_building_in_greenland_has_no_house_number():
    extract = read(
        person(KAREN, "05"), address(KAREN, municipality="0956", road="0012", house="", floor="", door="") + "  B-0123"
    )
    assert rows(extract)[KAREN]["house_number"] == ""
    assert rows(extract)[KAREN]["municipality_code"] == "0956"


@pytest.mark.parametrize("status", ["50", "60"])
def test_a_replaced_number_leads_to_the_current_one(status):
    assert rows(read(person(OLD, status, KAREN)))[OLD]["current_number"] == KAREN


@pytest.mark.parametrize("current", ["", "0000000000"])
def test_a_replaced_number_may_lead_nowhere(current):
    assert rows(read(person(OLD, "60", current)))[OLD]["current_number"] == ""


def test_the_current_number_of_a_resident_is_not_read():
    assert rows(read(person(KAREN, "01", OLE)))[KAREN]["current_number"] == ""


def test_only_name_and_address_protection_counts_and_every_interval_is_kept():
    extract = read(
        person(KAREN),
        protection(KAREN, kind="0003"),
        protection(KAREN),
        protection(KAREN, "2004-01-01", ""),
        protection(KAREN, "", ""),
    )
    assert rows(extract)[KAREN]["protections"] == "2001-01-01/2003-01-01;2004-01-01/;/"


@pytest.mark.parametrize(
    ("first", "last", "written"),
    [
        ("2000-00-00", "2001-01-01", "?/2001-01-01"),
        ("2000-01-01", "2000-02-30", "2000-01-01/?"),
        ("0000-00-00", "0000-00-00", "?/?"),
        ("2000-01-0*", "2001-01-01", "?/2001-01-01"),
        ("2000-01-01", "2001-01-01*", "2000-01-01/?"),
        ("2000-01", "", "?/"),
        ("20000101", "", "?/"),
    ],
)
def test_a_protections_day_that_is_unreadable_or_uncertain_is_written_so_that_it_holds(first, last, written):
    assert rows(read(person(KAREN), protection(KAREN, first, last)))[KAREN]["protections"] == written


def test_a_protection_cut_off_before_its_dates_still_stands():
    extract = read(person(KAREN), line((1, "004"), (4, KAREN), (14, "0001")))
    assert rows(extract)[KAREN]["protections"] == "/"


def test_unlisted_records_are_skipped_whatever_they_hold_and_count_as_records():
    extract = read(person(KAREN), "015garbage\x01", "0990101801239")
    assert (extract.complete, extract.rejected_lines) == (1, ())


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (person(KAREN, "02"), Fault.STATUS),
        (person(KAREN)[:24], Fault.STATUS),
        (person(KAREN, "60", "12345"), Fault.CURRENT_NUMBER),
        (address(KAREN, municipality="08x1"), Fault.CODE),
        (address(KAREN)[:20], Fault.CODE),
        (in_clear(KAREN, postal_code="90"), Fault.CODE),
        (protection(KAREN, kind="00x1"), Fault.PROTECTION_TYPE),
        (protection(KAREN)[:13], Fault.PROTECTION_TYPE),
        (old_number(KAREN, "03037"), Fault.OLD_NUMBER),
        (name(KAREN, last="Elk\x00jær"), Fault.CHARACTERS),
        (name(KAREN, last="Elk\x86jær"), Fault.CHARACTERS),
        ("00?" + KAREN, Fault.TYPE),
    ],
)
def test_a_bad_line_is_reported_and_takes_its_person_out_whole(bad, fault):
    """The person stays in the table with a blank status: left out they would pass for unknown ones."""
    extract = read(person(OLE), bad, name(OLE), *([] if bad.startswith("001") else [person(KAREN)]))
    assert faults(extract) == [(3, "?" if fault is Fault.TYPE else bad[:3], fault)]
    assert is_withheld(rows(extract)[KAREN])
    assert rows(extract)[OLE]["status"] == "01"
    assert (extract.complete, extract.withheld) == (1, 1)


@pytest.mark.parametrize("again", [person(KAREN), address(KAREN), name(KAREN), in_clear(KAREN)])
def test_a_second_record_of_what_one_has_once_takes_the_person_out(again):
    extract = read(person(KAREN), address(KAREN), name(KAREN), in_clear(KAREN), again)
    assert faults(extract) == [(6, again[:3], Fault.SECOND)]
    assert [is_withheld(row) for row in extract.rows()] == [True]


def test_every_record_without_a_person_is_reported():
    extract = read(name(KAREN), person(OLE), protection(KAREN))
    assert faults(extract) == [(2, "008", Fault.WITHOUT_PERSON), (4, "004", Fault.WITHOUT_PERSON)]
    assert is_withheld(rows(extract)[KAREN])


@pytest.mark.parametrize(
    "clear",
    [in_clear(KAREN, road="8513"), in_clear(KAREN, house="012C"), in_clear(KAREN, door="  tv"), in_clear(KAREN)[:207]],
)
def test_an_address_in_clear_that_is_another_or_cut_off_takes_the_person_out(clear):
    extract = read(clear, person(KAREN), address(KAREN))
    assert faults(extract) == [(2, "003", Fault.DISAGREEING)]
    assert is_withheld(rows(extract)[KAREN])


def test_an_address_in_clear_without_an_address_record_takes_the_person_out():
    extract = read(person(KAREN), in_clear(KAREN))
    assert faults(extract) == [(3, "003", Fault.DISAGREEING)]
    assert [is_withheld(row) for row in extract.rows()] == [True]


def test_the_road_of_a_withheld_person_is_told():
    """Two roads of one name are ambiguous whoever lives there."""
    extract = read(person(KAREN, "02"), address(KAREN), in_clear(KAREN), name(KAREN), protection(KAREN))
    told = {column: cell for column, cell in rows(extract)[KAREN].items() if cell}
    assert told == {"number": KAREN} | dict(zip(ROAD, ("0851", "8512", "Nøddevej", "Hasseris", "9000"), strict=True))


def test_where_two_address_records_disagree_the_road_told_is_that_of_the_streets_name():
    extract = read(person(KAREN), address(KAREN, road="8513"), in_clear(KAREN))
    assert rows(extract)[KAREN]["road_code"] == "8512"


def test_the_old_numbers_of_a_withheld_person_are_withheld_too():
    extract = read(person(KAREN, "02"), old_number(KAREN, OLD))
    assert is_withheld(rows(extract)[OLD])
    assert extract.withheld == 2


def test_an_old_number_with_a_record_of_its_own_keeps_it():
    extract = read(person(OLD, "60", KAREN), person(KAREN, "02"), old_number(KAREN, OLD))
    assert rows(extract)[OLD]["status"] == "60"


@pytest.mark.parametrize("record_type", ["001", "002", "003", "008", "022"])
def test_a_line_without_a_readable_number_is_reported(record_type):
    extract = read(person(KAREN), f"{record_type}01018012x9  01")
    assert faults(extract) == [(3, record_type, Fault.NUMBER)]
    assert rows(extract)[KAREN]["status"] == "01"


@pytest.mark.parametrize("bad", ["00401018012x90001", "00²01018012x9", "", "004", protection("01018012³9")])
def test_a_line_that_may_be_anybodys_protection_refuses_the_extract(bad):
    with pytest.raises(TableError, match=r"^extract.txt, line 3: may be a protection"):
        read(person(KAREN), bad)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "has no end record 999"),
        ([start()], "has no end record 999"),
        ([person(KAREN), end(1)], "line 1: an extract has one start record 000"),
        ([end(0)], "line 1: an extract has one start record 000"),
        ([start(), start(), end(1)], "line 2: an extract has one start record 000"),
        ([start("20010229"), end(0)], "line 1: the start record 000 has no day"),
        ([start("2001"), end(0)], "line 1: the start record 000 has no day"),
        ([start(), person(KAREN), end(2)], "line 3: the end record 999 counts more records .* are 1:"),
        ([start(), person(KAREN), end(0)], "line 3: the end record 999 counts fewer records .* are 1:"),
        ([start(), end(0)[:20]], "line 2: the end record 999 has no number"),
        ([start(), end(0), person(KAREN)], "line 3: stands after the end record"),
        ([start(), end(0), ""], "line 3: stands after the end record"),
    ],
)
def test_an_extract_that_is_not_whole_is_refused(lines, sentence):
    with pytest.raises(TableError, match=sentence):
        read_extract(encoded(lines, ""), "extract.txt")


def test_an_extract_that_was_converted_to_utf8_is_refused():
    """Its fields would stand elsewhere from the first Danish letter on."""
    lines = [start(), person(KAREN), name(KAREN), end(2)]
    with pytest.raises(TableError, match="line 3: is in UTF-8"):
        read_extract([text.encode() for text in lines], "extract.txt")


def test_line_ends_of_either_kind_and_none_are_taken():
    lines = [start("20011119", "20011116"), person(KAREN), end(1)]
    for line_end in ("\n", "\r\n", ""):
        extract = read_extract(encoded(lines, line_end), "extract.txt")
        assert (extract.complete, extract.previous_date) == (1, "2001-11-16")


RECORDS = [person(KAREN), address(KAREN), in_clear(KAREN), name(KAREN), protection(KAREN), old_number(KAREN, OLD)]


@given(
    place=st.integers(0, len(RECORDS) - 1),
    column=st.integers(0, 250),
    character=st.characters(max_codepoint=255, exclude_characters="0123456789"),
)
def test_whatever_happens_to_a_line_no_person_becomes_half(place, column, character):
    """They are whole but for one text that nothing checks, or withheld; a digit for a digit can't be seen."""
    original = RECORDS[place]
    damaged = original[:column] + character + original[column + 1 :]
    try:
        extract = read(*RECORDS[:place], damaged, *RECORDS[place + 1 :])
    except TableError as error:
        message = str(error)
    else:
        message = repr(extract.rejected_lines)
        row = rows(extract)[KAREN]
        whole = rows(read(*RECORDS))[KAREN]
        blamed = [rejected.line_number for rejected in extract.rejected_lines if rejected.fault is not Fault.NUMBER]
        assert bool(blamed) == is_withheld(row)
        if not is_withheld(row) and damaged[3:13] == original[3:13]:
            assert sum(row[column] != whole[column] for column in whole) <= 1
            assert row["protections"]
    assert KAREN not in message
    assert "Elk" not in message


@pytest.fixture(scope="module")
def demo() -> Extract:
    shared = Path(os.environ.get("RESOLVER_SHARED", Path(__file__).parents[2].with_name("shared")))
    path = shared / "data" / "cpr_demo" / "u12170_demo.txt"
    if not path.exists():
        pytest.skip("the register's demo extract is not here: set RESOLVER_SHARED")
    with path.open("rb") as file:
        return read_extract(file, "demo")


def test_the_demo_extract_is_read_without_a_rejected_line(demo):
    """80 persons; the end record counts the 1,098 lines between the first and itself."""
    assert (demo.register_date, demo.previous_date) == ("2001-11-19", "2001-11-16")
    assert (demo.complete, demo.withheld, demo.rejected_lines) == (80, 0, ())


def test_the_demo_extracts_statuses(demo):
    counts = Counter(row["status"] for row in demo.rows())
    assert counts == {"01": 69, "50": 1, "60": 3, "70": 1, "80": 3, "90": 3}


def test_the_demo_extract_has_five_protections_in_force_on_its_day(demo):
    intervals = [interval for row in demo.rows() for interval in row["protections"].split(";") if interval]
    assert len(intervals) == 9
    assert sum(first <= "2001-11-19" <= last for first, last in (text.split("/") for text in intervals)) == 5


def test_the_demo_extracts_old_numbers_lead_on(demo):
    """Four replaced numbers lead to persons of the extract who name them; three more have no row of their own."""
    persons = rows(demo)
    replaced = {number: row["current_number"] for number, row in persons.items() if row["current_number"]}
    named = {old: number for number, row in persons.items() for old in row["old_numbers"].split(";") if old}
    assert len(named) == 7
    assert {old: number for old, number in named.items() if old in persons} == replaced
    assert len(replaced) == 4


def test_the_demo_extracts_addresses(demo):
    """69 persons have an address, seven of them at one; 11 have none and are not at home anywhere."""
    homes = Counter(
        (row["road_code"], row["house_number"], row["floor"], row["door"]) for row in demo.rows() if row["road_code"]
    )
    assert homes.total() == 69
    assert homes.most_common(1) == [(("8511", "16", "", ""), 7)]
    assert homes["5732", "77A", "", ""] == 2
    away = [row for row in demo.rows() if not row["road_code"]]
    assert {row["postal_code"] + row["short_street_name"] + row["house_number"] for row in away} == {""}
    assert "01" not in {row["status"] for row in away}
