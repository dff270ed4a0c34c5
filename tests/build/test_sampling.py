"""A sample's rows: that the plain way comes to the same of them as of all rows, and that they are few."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colliding_registers import CPRS, ODD_EMAILS, ODD_NUMBERS, Dice, world_of
from resolver_grpc.build.entries import Entries
from resolver_grpc.build.owners import join_owners
from resolver_grpc.build.plain import read_sources
from resolver_grpc.build.sampling import Sample, _code_of, _codes_of, _local_part, _number_of, email_form, pick_rows
from resolver_grpc.build.schema import TABLES
from resolver_grpc.build.sources import readable
from resolver_grpc.build.tables import open_table
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.email import parse_email
from resolver_grpc.keys import MasterKey
from resolver_grpc.rows.cells import Span, parse_owner_number
from resolver_grpc.times import register_window
from small_register import CLAIM, REGISTER_DATE, mailbox, person, quiet, write_tables

KEYS = MasterKey(b"v" * 32).index_keys
EVERYONE = Sample(1_000, 0)


def opened(folder, suffix=".parquet", **tables):
    inputs = write_tables(folder, **tables, suffix=suffix)
    return [open_table(getattr(inputs, table.name), table) for table in TABLES]


def tables_of(world):
    return {table.name: getattr(world, table.name) for table in TABLES}


def told(sources, window):
    """What the plain way comes to: owners with their facts, keys and the key of their address, by number."""
    owners = join_owners(sources)
    entries = Entries(KEYS, sources.roads, window)
    found = {}
    for owner in owners:
        address = entries.address_key(owner)
        keys = set(entries.keys_of(owner, has_address=address is not None))
        found |= dict.fromkeys((owner.number, *owner.old_numbers), (owner, keys, address))
    return found


def rejected(sources):
    return {(reject.table, reject.row) for reject in sources.rejects.rows}


@pytest.mark.parametrize("first_seed", range(0, 240, 60))
def test_the_plain_way_comes_to_the_same_of_a_samples_rows_as_of_all(first_seed, tmp_path):
    """Of any one number of a register made to collide, of two and of all; rows are rejected only where all reject."""
    narrower = 0
    for seed in range(first_seed, first_seed + 60):
        world = world_of(Dice(seed))
        window = Span(*register_window(world.register_date))
        tables = opened(tmp_path, ".csv" if seed % 4 else ".parquet", **tables_of(world))
        full = read_sources(tables, quiet)
        expected = told(full, window)
        for size, draw in ((1, 0), (1, 1), (2, 2), (1_000, 0)):
            picked = pick_rows(tables, Sample(size, draw), quiet)
            found = told(picked.sources, window)
            assert [found.get(number) for number in picked.numbers] == [expected.get(one) for one in picked.numbers]
            assert rejected(picked.sources) <= rejected(full)
            narrower += len(picked.sources.persons) < len(full.persons)
            assert picked.rows == {table.table.name: len(list(table.rows())) for table in tables}
        rows = {number for number, _ in full.persons.items()} | {held.number for _, held in full.mailboxes}
        assert rows <= set(picked.numbers)
    assert narrower > 10


def test_only_what_bears_on_the_sample_is_taken(tmp_path):
    """A chain of old numbers; who claims the same address, with their second mailbox under an old number; no others."""
    ann, older, oldest, bo, old_bo, *others = CPRS[:7]  # the last of them is no day
    people = [person(number, "Ida Ring") for number in others]
    people[1:1] = [person(ann, "Ann Bo", old_numbers=older), person(bo, "Bo Bo", old_numbers=old_bo)]
    people.append(person(older, "Ann Bo", status="60", old_numbers=oldest))
    boxes = [mailbox(number, email_address=f"{number}@post.dk", **CLAIM) for number in others]
    claims = CLAIM | {"email_address": "ann@post.dk"}
    boxes += [mailbox(oldest, **claims), mailbox(bo, **claims | {"email_address": " ANN@Post.dk"}), mailbox(old_bo)]
    ties = [
        {"number": number, "sender_id": "power", "relation": "BOUND", "effective_time": "2026-01-01"}
        for number in (*others, ann, bo)
    ]
    tables = opened(tmp_path, persons=people, mailboxes=boxes, relations=ties)
    family = {ann, older, oldest, bo, old_bo}
    met = set()
    for seed in range(12):
        picked = pick_rows(tables, Sample(1, seed), quiet)
        expected = family if picked.numbers[0] in family else set(picked.numbers)
        met.add(len(expected))
        taken = picked.sources
        assert set(taken.persons) | {one.number for _, one in taken.mailboxes} == expected
        assert {one.number for _, one in taken.relations} == expected & {*others, ann, bo}
        assert {people[row - 1]["number"] for row, _ in taken.persons.values()} == set(taken.persons)
        assert all(boxes[row - 1]["number"] == one.number for row, one in taken.mailboxes)
    assert met == {1, 5}


LEA, MAX, EVA = CPRS[2:5]
ON_HAVNEGADE = {"short_street_name": "Havneg", "supplementary_town": "Vejlby"}
LEA_AT_HOME = person(LEA, "Lea Å", road_code="5678", **ON_HAVNEGADE)
ELSEWHERE = {"road_code": "5679", "supplementary_town": "Risskov"}
NEIGHBOURS = {
    "whose row is accepted": person(MAX, "Max Å", **ELSEWHERE | {"short_street_name": "Havneg"}),
    "whose row is rejected": person("?", "Max Å", **ELSEWHERE | {"short_street_name": "Havneg"}),
    "whose other street can't be read": person(MAX, "", **ELSEWHERE, short_street_name="Havneg", street_name="-"),
    "who is mentioned by nobody": person(MAX, "", status="?", **ELSEWHERE | {"short_street_name": "Havneg"}),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_everybodys_rows_tell_of_roads(neighbour, tmp_path):
    """Someone on another road of the same name makes the street a shared one, whose town leads to the sampled owner."""
    tables = opened(tmp_path, persons=[LEA_AT_HOME, neighbour], mailboxes=[mailbox(LEA)], relations=[])
    picked = picked_alone(tables, LEA)
    assert {reject.table for reject in picked.sources.rejects.rows} <= {"persons"}
    assert len(picked.sources.rejects.rows) + len(picked.sources.persons) == 1
    with_town = parse_address_line("Havneg 12, 8000")._replace(town="vejlby")
    _, keys, _ = told(picked.sources, WINDOW)[LEA]
    assert KEYS.place(with_town) in keys
    assert told(picked.sources, WINDOW)[LEA] == told(read_sources(tables, quiet), WINDOW)[LEA]


@pytest.mark.parametrize("cells", [{"current_number": LEA}, {"old_numbers": f"?;{LEA}"}])
@pytest.mark.parametrize("number", ["?", "3002801234"])
def test_a_row_that_is_about_nobody_known_but_speaks_of_the_sampled_is_taken(cells, number, tmp_path):
    people = [LEA_AT_HOME, person(EVA, "Eva Dam"), person(number, "Ida Ring", status="60", **cells)]
    tables = opened(tmp_path, persons=people, mailboxes=[mailbox(LEA), mailbox(EVA)], relations=[])
    assert told(picked_alone(tables, LEA).sources, WINDOW) == {}
    assert set(told(picked_alone(tables, EVA).sources, WINDOW)) == {EVA}


WINDOW = Span(*register_window(date.fromisoformat(REGISTER_DATE)))


def picked_alone(tables, number):
    """The sample of one that holds a number."""
    drawn = (pick_rows(tables, Sample(1, seed), quiet) for seed in range(40))
    return next(picked for picked in drawn if picked.numbers == [number])


def test_the_sample_does_not_depend_on_the_order_of_the_rows(tmp_path):
    people, boxes = [person(number, "Ann Bo") for number in CPRS], [mailbox(number) for number in CPRS[:5]]
    straight = opened(tmp_path, persons=people, mailboxes=boxes, relations=[])
    sample = Sample(3, 5)
    numbers = pick_rows(straight, sample, quiet).numbers
    (tmp_path / "turned").mkdir()
    turned = opened(tmp_path / "turned", ".csv", persons=people[::-1], mailboxes=boxes[::-1], relations=[])
    assert pick_rows(turned, sample, quiet).numbers == numbers
    assert len(set(numbers)) == 3
    assert pick_rows(turned, Sample(3, 6), quiet).numbers != numbers


def test_tables_without_rows_give_no_sample(tmp_path):
    for suffix in (".csv", ".parquet"):
        tables = opened(tmp_path, suffix, persons=[], mailboxes=[], relations=[])
        assert pick_rows(tables, EVERYONE, quiet).numbers == []


SPACES = st.sampled_from(["", " ", "\t", "\x1c", "\u00a0", "\u3000"])


@given(st.one_of(st.text("0123456789- ٣３", max_size=12), st.from_regex(r"[0-3][0-9][01][0-9]{3}-?[0-9]{4}")), SPACES)
@settings(max_examples=300)
def test_a_number_is_known_however_it_is_written(written, space):
    text = space + written + space
    (code,) = _codes_of(pa.chunked_array([[text]]))
    assert code == _code_of(text) or text.isdecimal()
    for number in readable(text, parse_owner_number):
        assert _number_of(int(code)) == number


def test_numbers_are_known_throughout_a_column():
    cells = [*ODD_NUMBERS, *CPRS, None, "", "13585628"] * 3
    column = pa.chunked_array([cells[:11], cells[11:]], pa.string())
    for form in (column, column.dictionary_encode(), column.cast(pa.large_string())):
        assert [_number_of(int(code)) for code in _codes_of(form) if code >= 0] == [
            number
            for cell in cells
            for number in readable(cell or "", parse_owner_number)
            or ([cell] if (cell or "").isascii() and known(cell) else [])
        ]


def known(cell):
    return len(cell or "") in {8, 10} and cell.isdecimal()


LOCALS = st.text("abcABCåÅøæß.-+_'\u030a", min_size=1, max_size=6)
DOMAINS = st.sampled_from(
    ["post.dk", "POST.dk", "pøst.dk", "PØST.DK", "xn--pst-0na.dk", "XN--PST-0NA.dk", "po\u030ast.dk"]
)


@given(st.one_of(st.builds("{}@{}".format, LOCALS, DOMAINS), st.sampled_from(ODD_EMAILS), st.text(max_size=8)), SPACES)
@settings(max_examples=400)
def test_an_email_address_is_known_however_it_is_written(written, space):
    text = space + written + space
    for address in readable(text, parse_email):
        assert email_form(text) == email_form(address) == address
        assert _local_part(text) == address.rpartition("@")[0]
