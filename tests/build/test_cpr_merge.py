"""A full extract and the changes that follow it, merged; every person is of the tests' own making."""

from itertools import pairwise

import pytest
from cpr_lines import (
    KAREN,
    OLD,
    OLE,
    address,
    encoded,
    end,
    in_clear,
    is_withheld,
    name,
    old_number,
    person,
    protection,
    rows,
    start,
)
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.build.cpr_extract import ExtractFile, read_extract, read_extracts
from resolver_grpc.build.cpr_layout import Fault
from resolver_grpc.errors import TableError

DAYS = [f"200111{day}" for day in range(10, 30)]
WRITTEN_DAYS = [f"2001-11-{day}" for day in range(10, 30)]
NEVER = "00000000"


def file_of(*records, day=DAYS[0], previous=NEVER):
    return encoded([start(day, previous), *records, end(len(records))])


def merge(*files):
    """Merges lists of records, each file produced a day after the one before it."""
    days = [NEVER, *DAYS]
    return read_extracts(
        [
            (f"{place}.txt", file_of(*records, day=day, previous=previous))
            for place, (records, (previous, day)) in enumerate(zip(files, pairwise(days), strict=False))
        ]
    )


FULL = (person(KAREN), address(KAREN), in_clear(KAREN), name(KAREN), protection(KAREN), old_number(KAREN, OLD))
JUNK = f"00?{KAREN}"
NAMELESS = (person(KAREN, "80"), name(KAREN, "", "", ""))


def test_a_newer_record_replaces_the_older_whole():
    """Nothing of the older shines through where the newer says nothing: no address, no protection, no old number."""
    merged = merge(FULL, (person(KAREN, "80"), name(KAREN, last="Bjerg")))
    assert rows(merged) == rows(read_extract(file_of(person(KAREN, "80"), name(KAREN, last="Bjerg")), "one"))
    assert {column for column, cell in rows(merged)[KAREN].items() if cell} == {"number", "status", "full_name"}


def test_persons_whom_no_newer_file_holds_stay_and_new_ones_come():
    merged = merge(FULL, (person(OLE),), (person(OLD, "60", KAREN),))
    assert rows(merged) == rows(read_extract(file_of(*FULL, person(OLE), person(OLD, "60", KAREN)), "one"))


def test_the_register_date_is_the_last_files_and_each_file_says_what_it_brought():
    merged = merge((*FULL, person(OLE)), (person(KAREN), person(OLD, "02")), (person(KAREN, "90"),))
    assert (merged.register_date, merged.previous_date) == (WRITTEN_DAYS[2], "")
    assert merged.files == (
        ExtractFile("0.txt", WRITTEN_DAYS[0], new=2, replaced=0, rejected_lines=0),
        ExtractFile("1.txt", WRITTEN_DAYS[1], new=1, replaced=1, rejected_lines=1),
        ExtractFile("2.txt", WRITTEN_DAYS[2], new=0, replaced=1, rejected_lines=0),
    )
    assert (merged.complete, merged.withheld) == (2, 1)


DAMAGED = {
    "a status that is unknown": (person(KAREN, "02"), name(KAREN)),
    "a name twice": (person(KAREN), name(KAREN), name(KAREN)),
    "no record 001": (name(KAREN),),
    "a protection alone": (protection(KAREN),),
    "a record type that is none": (person(KAREN), JUNK),
    "addresses that disagree": (person(KAREN), address(KAREN), in_clear(KAREN, road="8513")),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_the_older_sound_record_of_a_person_rejected_later_does_not_come_back(damaged):
    merged = merge((*FULL, person(OLE)), damaged)
    assert is_withheld(rows(merged)[KAREN])
    assert rows(merged)[OLE]["status"] == "01"
    assert {rejected.source for rejected in merged.rejected_lines} == {"1.txt"}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_person_rejected_once_is_sound_again_with_a_newer_sound_record(damaged):
    merged = merge((*damaged, old_number(KAREN, OLD)), NAMELESS)
    assert rows(merged) == rows(read_extract(file_of(*NAMELESS), "one"))
    assert merged.withheld == 0
    assert {rejected.source for rejected in merged.rejected_lines} == {"0.txt"}


def test_rejected_lines_are_told_by_file_and_line_in_order():
    merged = merge((person(OLE), person(KAREN), person(KAREN)), (person(OLD, "02"), f"0080101{'x' * 6}"))
    assert merged.rejected_lines == (
        ("0.txt", 4, "001", Fault.SECOND),
        ("1.txt", 2, "001", Fault.STATUS),
        ("1.txt", 3, "008", Fault.NUMBER),
    )


def test_records_of_one_person_in_two_files_are_no_second_ones():
    assert merge(FULL, FULL, FULL).rejected_lines == ()


def test_the_old_numbers_that_only_an_older_record_tells_are_withheld_with_their_person():
    """Else the damage to a line would make them unknown numbers, which a mailbox can be reached by."""
    merged = merge(FULL, (person(KAREN, "02"),), (name(KAREN),))
    assert is_withheld(rows(merged)[OLD])
    assert merged.withheld == 2


def test_an_old_number_that_a_sound_record_dropped_stays_dropped():
    assert set(rows(merge(FULL, NAMELESS, (person(KAREN, "02"),)))) == {KAREN}


def test_an_old_number_with_a_record_of_its_own_in_any_file_keeps_it():
    merged = merge((person(OLD, "60", KAREN),), (person(KAREN, "02"), old_number(KAREN, OLD)))
    assert rows(merged)[OLD]["status"] == "60"


@pytest.mark.parametrize(
    ("newer", "current"), [("60", KAREN), ("02", KAREN), ("01", "")], ids=["unreadable", "unknown", "none"]
)
def test_a_withheld_number_leads_where_it_led_unless_the_newer_record_says_otherwise(newer, current):
    merged = merge((person(OLD, "60", KAREN),), (person(OLD, newer, "12345"), name(OLD), name(OLD)))
    assert is_withheld(rows(merged)[OLD])
    assert rows(merged)[OLD]["current_number"] == current


@pytest.mark.parametrize(
    ("newer", "road_code"),
    [
        ((), "8512"),
        ((in_clear(KAREN)[:207],), "8512"),
        ((in_clear(KAREN, municipality="08x1"),), "8512"),
        ((in_clear(KAREN, road="8513"),), "8513"),
    ],
    ids=["none", "cut off", "unreadable", "another"],
)
def test_a_withheld_persons_road_is_told_from_the_older_record_where_the_newer_tells_none(newer, road_code):
    """Two roads of one name stay ambiguous, whoever lives there."""
    row = rows(merge(FULL, (person(KAREN), JUNK, *newer)))[KAREN]
    assert is_withheld(row)
    assert (row["municipality_code"], row["road_code"], row["short_street_name"]) == ("0851", road_code, "Nøddevej")


def unread(first_line):
    yield first_line
    pytest.fail("a file was read on before the order was checked")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ([(10, None), (13, 11)], r"1\.txt \(produced 2001-11-13, after an extract of 2001-11-11\) can't follow 0\.txt"),
        ([(11, 10), (10, 9)], r"1\.txt \(produced 2001-11-10, after .* 2001-11-09\) can't follow 0\.txt .*2001-11-11"),
        ([(10, None), (11, None)], r"after an extract of no stated day\) can't follow 0\.txt \(produced 2001-11-10\)"),
        ([(11, 10), (11, 10)], r"1\.txt \(produced 2001-11-11, after an extract of 2001-11-10\) can't follow"),
        ([(10, 10), (10, 10)], r"1\.txt \(produced 2001-11-10, after an extract of 2001-11-10\) can't follow"),
        ([(11, None), (10, 11)], r"1\.txt \(produced 2001-11-10, after an extract of 2001-11-11\) can't follow"),
        ([(10, None), (11, 10), (13, 12)], r"2\.txt \(.*\) can't follow 1\.txt \(produced 2001-11-11\)"),
    ],
    ids=["gap", "backwards", "no previous day", "twice", "one day", "produced before", "gap later"],
)
def test_files_that_do_not_follow_each_other_are_refused_before_they_are_read(days, told):
    starts = [start(f"200111{day:02}", f"200111{before:02}" if before else NEVER) for day, before in days]
    files = [(f"{place}.txt", unread(*encoded([first]))) for place, first in enumerate(starts)]
    with pytest.raises(TableError, match=told) as refused:
        read_extracts(files)
    assert refused.value.message.endswith("in the order of their production, each once and none left out")


@pytest.mark.parametrize("previous", ["", NEVER, "20011116", "garbage!"])
def test_the_first_file_may_follow_anything(previous):
    merged = read_extracts(
        [("a", file_of(*FULL, previous=previous)), ("b", file_of(*NAMELESS, day=DAYS[4], previous=DAYS[0]))]
    )
    assert merged.previous_date == ("2001-11-16" if previous == "20011116" else "")
    assert rows(merged)[KAREN]["status"] == "80"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            [start(DAYS[1], DAYS[0]), *NAMELESS, end(3)],
            "b.txt, line 4: the end record 999 counts more records .* are 2:",
        ),
        ([start(DAYS[1], DAYS[0]), *NAMELESS], "b.txt has no end record 999"),
        ([start(DAYS[1], DAYS[0]), *NAMELESS, start(DAYS[1], DAYS[0])], "b.txt, line 4: an extract has one start"),
        ([*NAMELESS, end(2)], "b.txt, line 1: an extract has one start record"),
        ([], "b.txt has no end record 999"),
        ([start(DAYS[1], DAYS[0]), "00401018012x90001", end(1)], "b.txt, line 2: may be a protection"),
    ],
    ids=["count", "no end", "two starts", "no start", "empty", "anybody's protection"],
)
def test_a_change_that_is_not_whole_refuses_the_import(change, told):
    with pytest.raises(TableError, match=told):
        read_extracts([("a.txt", file_of(*FULL)), ("b.txt", encoded(change))])


def test_a_count_that_is_wrong_in_the_first_file_refuses_the_import():
    with pytest.raises(TableError, match=r"a\.txt, line 2: the end record 999 counts more records"):
        read_extracts([("a.txt", encoded([start(DAYS[0]), end(1)])), ("b.txt", file_of(day=DAYS[1], previous=DAYS[0]))])


def test_a_change_of_nobody_knows_whom_refuses_the_import():
    """In a change the person's older record would stay; in a full extract there is none."""
    damaged = person("01018012x9", "90")
    assert merge((*FULL, damaged), ()).rejected_lines == (("0.txt", 8, "001", Fault.NUMBER),)
    with pytest.raises(TableError, match=r"^1\.txt, line 2: somebody changed and the record 001 doesn't say who"):
        merge(FULL, (damaged,))


POOL = (KAREN, OLE, OLD, "0404801236")
ROADS = ("8512", "8513")
DAMAGES = ("status", "second", "without 001", "type", "disagreeing")


@st.composite
def records_of(draw, number):
    """A person's records in one file, and whether they are damaged."""
    damage = draw(st.sampled_from((None, None, None, *DAMAGES)))
    status = "02" if damage == "status" else draw(st.sampled_from(["01", "60"]))
    records = [] if damage == "without 001" else [person(number, status, draw(st.sampled_from(POOL)))]
    records.append(name(number, first=draw(st.sampled_from(["Ida", "Ole"]))))
    road = draw(st.sampled_from([None, *ROADS]))
    if damage == "disagreeing":
        records += [address(number, road="0001"), in_clear(number)]
    elif road:
        records += [address(number, road=road), in_clear(number, road=road)]
    records += [old_number(number, old) for old in draw(st.sets(st.sampled_from([*POOL, "0505801231"]), max_size=2))]
    records += [protection(number)] * draw(st.integers(0, 1))
    records += {"second": [name(number)], "type": [f"00?{number}"]}.get(damage, [])
    return tuple(draw(st.permutations(records))), damage is not None


FILE = st.fixed_dictionaries({}, optional={number: records_of(number) for number in POOL})


def newest(files, number):
    """A person's newest records; of damaged ones also, older and older up to the last sound ones, the ties."""
    found = []
    for file in reversed(files):
        records, damaged = file.get(number, ((), True))
        found += [text for text in records if not found or text[:3] in {"001", "003", "022"}]
        if not damaged:
            break
    latest = next((file[number] for file in reversed(files) if number in file), None)
    return [*found, f"00?{number}"] if latest is not None and latest[1] else found


@given(st.lists(FILE, min_size=1, max_size=4))
def test_merging_files_is_importing_one_that_holds_each_persons_newest_records(files):
    """Where the newest are damaged, the one file holds them with the older ties: they say less, never more."""
    merged = merge(*([text for records, _ in file.values() for text in records] for file in files))
    one = read_extract(file_of(*(text for number in POOL for text in newest(files, number))), "one.txt")
    assert rows(merged) == rows(one)
    assert (merged.complete, merged.withheld) == (one.complete, one.withheld)
    for number in POOL:
        latest = [file[number] for file in files if number in file][-1:]
        assert all(is_withheld(rows(merged)[number]) is damaged for _, damaged in latest)


def test_the_demo_extract_followed_by_itself_is_the_demo_extract(shared):
    """The register's own records, once as what is there and once as what changed."""
    lines = (shared / "data" / "cpr_demo" / "u12170_demo.txt").read_bytes().splitlines(keepends=True)
    full = [lines[0].replace(b"2001111920011116", b"2001111600000000"), *lines[1:]]
    merged = read_extracts([("full", full), ("change", lines)])
    assert rows(merged) == rows(read_extract(lines, "alone"))
    assert [(file.new, file.replaced) for file in merged.files] == [(80, 0), (0, 80)]
    assert merged.rejected_lines == ()
