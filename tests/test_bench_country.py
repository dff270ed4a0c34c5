"""The country at full size, made small: what the benchmarks and load tests stand on."""

import struct
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.dk import cpr, cvr

from resolver_grpc.build.schema import MAILBOXES, PERSONS, RELATIONS, ROADS, TABLES
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.build.tables import open_table
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.handles import Handles
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow, Reason
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.senders import parse_sender
from resolver_grpc.times import parse_time

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from machine import run_measured
from nation import words
from nation.columns import as_text, digits, instants
from nation.drawing import NONE, draw_cpr_numbers, draw_cvr_numbers
from nation.queries import queries
from nation.world import make_country
from nation.writing import write_table
from postgres import write_copy_stream

SIZE = 2_000
KEY = MasterKey(b"k" * 32)
NOON = parse_time("2026-11-01T11:00:00Z")
SENDER = parse_sender({"id": "afsender-01", "name": "A", "cvr": "10000033", "class": "PRIVATE", "kinds": ["FULL_NAME"]})


def write(country, folder, ending="parquet"):
    folder.mkdir(exist_ok=True)
    return [write_table(rows, folder, ending, lambda _: None) for rows in country.tables()]


@pytest.fixture(scope="module")
def country():
    return make_country(SIZE, 7)


@pytest.fixture(scope="module")
def folder(country, tmp_path_factory):
    folder = tmp_path_factory.mktemp("country")
    write(country, folder)
    return folder


@pytest.fixture(scope="module")
def built(folder):
    inputs = Inputs(*(folder / f"{table.name}.parquet" for table in TABLES))
    return build_snapshot(inputs, folder / "snapshot", KEY, NOON, lambda *_: nullcontext(lambda _: None))


@pytest.fixture(scope="module")
def resolver(folder, built):
    manifest = built.manifest
    snapshot_id = bytes.fromhex(manifest.snapshot_id)
    index = LmdbIndex(folder / "snapshot" / INDEX_FILE, KEY.columns_secret, snapshot_id)
    yield Resolver(index, KEY.index_keys, parse_time(manifest.register_date), Handles([KEY.handles_secret]))
    index.close()


@pytest.fixture(scope="module")
def tables(folder):
    return {table.name: pq.read_table(folder / f"{table.name}.parquet") for table in TABLES}


def test_the_builder_takes_all_but_the_few_bad_rows(built):
    sources = {source.table: source for source in built.manifest.sources}
    assert sources[MAILBOXES.name].rows == SIZE
    for table in TABLES:
        assert 1 <= sources[table.name].rejected <= 5
    assert built.manifest.owners == SIZE - sources[MAILBOXES.name].rejected
    assert 1_800 < built.manifest.counts["persons"] <= 1_880
    assert 4.5 < built.manifest.counts["keys"] / SIZE < 7.5


def test_the_people_are_as_a_register_has_them(tables):
    persons, mailboxes = tables[PERSONS.name], tables[MAILBOXES.name]
    assert persons.num_rows == int(SIZE * 0.94 * 1.15)
    with_mailbox = int(pc.sum(pc.equal(pc.utf8_length(mailboxes["number"]), 10)).as_py())
    assert abs(with_mailbox - SIZE * 0.94) <= 1
    statuses = Counter(persons["status"].to_pylist())
    assert statuses["60"] == int(persons.num_rows * 0.005)
    assert statuses["01"] / persons.num_rows == pytest.approx(0.92, abs=0.03)
    residents = Counter(zip(*(persons[name].to_pylist() for name in HOME), strict=True))
    residents = [count for home, count in residents.items() if home[2] is not None]
    assert sum(residents) / len(residents) == pytest.approx(1.9, abs=0.15)


HOME = ("municipality_code", "road_code", "house_number", "floor", "door")


@pytest.mark.parametrize(
    ("table", "column", "share"),
    [
        ("persons", "protections", 0.02),
        ("persons", "floor", 0.47),
        ("mailboxes", "address_consent_given", 0.8 * 0.94),
        ("mailboxes", "email_address", 0.7 * 0.94),
        ("mailboxes", "closed", 0.01),
    ],
)
def test_a_column_is_filled_as_often_as_a_register_fills_it(tables, table, column, share):
    filled = tables[table][column]
    assert 1 - filled.null_count / len(filled) == pytest.approx(share, abs=0.03)


def test_numbers_are_distinct_and_in_order_but_for_the_bad_row(country, tables):
    numbers = tables[PERSONS.name]["number"].to_pylist()
    (bad,) = country.spoiled[PERSONS.name].rows
    sound = [*numbers[:bad], *numbers[bad + 1 :]]
    assert sound == sorted(set(sound))


def test_a_replaced_number_and_the_current_one_name_each_other(tables):
    rows = {row["number"]: row for row in tables[PERSONS.name].to_pylist()}
    replaced = [row for row in rows.values() if row["status"] == "60"]
    assert replaced
    assert all(rows[row["current_number"]]["old_numbers"] == row["number"] for row in replaced)


def test_relations_and_roads_are_of_the_promised_kind(tables):
    relations, roads = tables[RELATIONS.name], tables[ROADS.name]
    assert relations.num_rows == pytest.approx(SIZE, rel=0.05)
    assert Counter(relations["relation"].to_pylist()).most_common(1)[0][0] == "SUBSCRIBED"
    assert max(map(len, roads["short_name"].to_pylist())) <= 20
    same = [full == short for full, short in zip(*words.streets(), strict=True)]
    assert sum(same) / len(same) == pytest.approx(0.5, abs=0.1)
    names = Counter(zip(roads["postal_code"].to_pylist(), roads["name"].to_pylist(), strict=True))
    assert sum(count == 2 for count in names.values()) == 2


def test_no_two_streets_share_a_canonical_form():
    forms = [{canonical_street(full), canonical_street(short)} for full, short in zip(*words.streets(), strict=True)]
    assert len(set().union(*forms)) == sum(map(len, forms))


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(country, folder, tmp_path):
    again = write(make_country(SIZE, 7), tmp_path / "again")
    assert [path.read_bytes() for path in again] == [(folder / path.name).read_bytes() for path in again]
    other = write(make_country(SIZE, 8), tmp_path / "other")
    assert all(one.read_bytes() != two.read_bytes() for one, two in zip(again, other, strict=True))


def test_csv_holds_the_rows_that_parquet_holds(country, folder, tmp_path):
    write(country, tmp_path / "csv", "csv")
    for table in TABLES:
        as_csv, as_parquet = (
            list(open_table(place / f"{table.name}.{ending}", table).rows())
            for place, ending in ((tmp_path / "csv", "csv"), (folder, "parquet"))
        )
        assert as_csv == as_parquet


@pytest.mark.parametrize("hit_rate", [0.0, 0.7, 1.0])
def test_hits_are_delivered_to_the_one_meant_and_the_others_to_nobody(country, resolver, hit_rate):
    asked = queries(country, 400, hit_rate, seed=3).to_pylist()
    fields = QueryRow.__dataclass_fields__.keys() - {"number"}
    rows = [
        QueryRow(kind=Kind.FULL_NAME, **{name: text for name, text in row.items() if name in fields and text})
        for row in asked
    ]
    decided = resolver.resolve(rows, SENDER, NOON)
    expected = [(Reason.DELIVERABLE, [row["number"]]) if row["hit"] else (Reason.NOT_FOUND, []) for row in asked]
    assert [(one.reason, [target.number for target in one.targets]) for one in decided] == expected
    assert sum(row["hit"] for row in asked) == 400 * hit_rate


def test_equal_draws_give_equal_queries(country):
    assert queries(country, 50, 0.5, seed=3).equals(queries(country, 50, 0.5, seed=3))
    assert not queries(country, 50, 0.5, seed=3).equals(queries(country, 50, 0.5, seed=4))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300))
def test_drawn_numbers_pass_the_library_that_checks_them(seed, count):
    """The oracle is python-stdnum, which knows the century rule and modulus 11."""
    rng = np.random.default_rng(seed)
    persons = digits(draw_cpr_numbers(rng, count, "2026-11-01"), 10).to_pylist()
    organisations = digits(draw_cvr_numbers(rng, count), 8).to_pylist()
    assert len(set(persons)) == len(set(organisations)) == count
    assert all(1920 <= cpr.get_birth_date(number).year <= 2026 for number in persons)
    assert all(map(cvr.is_valid, organisations))


@given(st.lists(st.integers(0, 2**31 - 1) | st.just(NONE)))
def test_instants_are_written_as_they_are_read(seconds):
    written = as_text(instants(np.array(seconds, np.int64))).to_pylist()
    assert [NONE if text is None else parse_time(text) for text in written] == seconds


@given(st.lists(st.integers(0, 9_999) | st.just(NONE)))
def test_digits_keep_their_leading_zeros(numbers):
    written = digits(np.array(numbers, np.int64), 4).to_pylist()
    assert written == [None if number == NONE else f"{number:04}" for number in numbers]


def test_the_stream_for_postgresql_is_its_binary_copy_format(tmp_path):
    keys = np.arange(48, dtype=np.uint8).reshape(3, 16)
    parts = [(keys[:2], np.array([7, 2**31 - 1], np.uint32)), (keys[2:], np.array([0], np.uint32))]
    assert write_copy_stream(parts, tmp_path / "pairs") == 3
    rows = b"".join(
        struct.pack(">hi16sii", 2, 16, key.tobytes(), 4, ordinal)
        for key, ordinal in zip(keys, [7, 2**31 - 1, 0], strict=True)
    )
    assert (tmp_path / "pairs").read_bytes() == b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows + b"\xff\xff"


def test_a_measured_program_is_charged_for_its_memory_and_its_children():
    child = "import time; held = bytearray(60_000_000); [sum(range(1000)) for _ in range(1000)]"
    cost = run_measured(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    )
    assert cost.peak_memory >= cost.largest_process > 60_000_000
    assert cost.cpu_seconds > 0
    assert 0 < cost.seconds < 60
