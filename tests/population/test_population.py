"""The generator: same seed, same bytes; narrowed judging equals judging by the whole world."""

import csv
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from stdnum.dk import cpr as stdnum_cpr
from stdnum.dk import cvr as stdnum_cvr

from resolver_grpc.build.population.brute_force import World, decide
from resolver_grpc.build.population.generation import Population, Settings, noon
from resolver_grpc.build.population.number_reading import read_cpr
from resolver_grpc.build.population.senders import SENDERS
from resolver_grpc.build.population.shipment import HEADINGS, picked_kind
from resolver_grpc.build.population.writing import write_population
from resolver_grpc.build.schema import PERSONS, TABLES
from resolver_grpc.build.tables import open_table
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Reason, Route

DAY = date(2026, 11, 1)
TOOL = Path(__file__).parents[2] / "tools" / "generate_population.py"

# Every route that section 7 allows for a reason; the fallback gives LETTER or REJECT.
ROUTES = {
    Reason.DELIVERABLE: {Route.MAILBOX},
    Reason.SUBSCRIBED_BY_TERMS: {Route.MAILBOX},
    Reason.FORWARDED: {Route.FORWARD},
    Reason.EXEMPT: {Route.LETTER},
    Reason.HELD_FOR_SENDER: {Route.HOLD},
    Reason.OPTED_OUT: {Route.LETTER, Route.REJECT},
    Reason.NOT_SUBSCRIBED: {Route.LETTER, Route.REJECT},
    Reason.NOT_FOUND: {Route.LETTER, Route.REJECT},
}


def settings(persons, queries, seed=1):
    return Settings(persons, queries, seed, DAY, noon(DAY))


@pytest.fixture(scope="module")
def large():
    """Two thousand persons, so that there is a dormitory, and enough queries for every reason."""
    return list(Population(settings(2_000, 20_000)).parts())


def rows_of(parts, table):
    return [row for part in parts for row in getattr(part.rows, table)]


@pytest.mark.parametrize(
    ("seed", "day", "as_of"),
    [
        (1, DAY, noon(DAY)),
        (2, DAY, datetime(2026, 11, 4, 23, tzinfo=UTC)),
        (3, date(2024, 2, 29), datetime(2024, 2, 29, 8, 30, tzinfo=UTC)),
        (4, date(2001, 11, 19), noon(date(2001, 11, 19))),
    ],
)
def test_narrowed_judging_is_exact(seed, day, as_of):
    """Each query comes to the same decision by its block's rows and by everybody's."""
    chosen = Settings(300, 500, seed, day, as_of)
    parts = list(Population(chosen).parts())
    everyone = World(*(rows_of(parts, table.name) for table in TABLES), day)
    judged = [judged for part in parts for judged in part.judged]
    assert len(judged) == 500
    for one in judged:
        asked = one.asked
        decision = decide(asked.query, asked.sender, everyone, chosen.instant, asked.personal_content)
        assert decision == one.expected


def test_every_route_and_reason_occurs(large):
    found = {(one.expected.route, one.expected.reason) for part in large for one in part.judged}
    assert found == {(route, reason) for reason in Reason for route in ROUTES.get(reason, {Route.REJECT})}


def test_most_queries_reach_someone_and_half_give_a_full_name(large):
    judged = [one for part in large for one in part.judged]
    reached = sum(bool(one.expected.targets) for one in judged)
    kinds = Counter(one.asked.query.kind for one in judged)
    assert len(judged) == 20_000
    assert 0.7 < reached / len(judged) < 0.85
    assert 0.45 < kinds[1] / len(judged) < 0.6
    assert set(kinds) >= set(range(8))


def test_references_are_unique(large):
    references = [one.asked.query.reference for part in large for one in part.judged]
    twice = [reference for reference, count in Counter(references).items() if count > 1]
    assert twice == ["ø" * 33]


def test_numbers_are_valid_and_given_once(large):
    """But for the bad rows on purpose, each person has a number of their own; some lack modulus 11."""
    numbers = [row["number"] for row in rows_of(large, "persons")]
    bad = [number for number in numbers if read_cpr(number) is None]
    doubled = [number for number, count in Counter(numbers).items() if count > 1]
    assert len(bad) <= 4
    assert len(doubled) <= 2
    satisfying = sum(stdnum_cpr.checksum(number) == 0 for number in numbers)
    assert 0.9 < satisfying / len(numbers) < 1
    organisations = {row["number"] for row in rows_of(large, "mailboxes") if len(row["number"]) == 8}
    assert organisations
    assert all(stdnum_cvr.is_valid(number) for number in organisations)


def test_the_population_has_all_sorts(large):
    persons = rows_of(large, "persons")
    assert {row["status"] for row in persons} >= set("01 03 05 07 20 30 50 60 70 80 90".split())
    assert any(row.get("road_code", "").startswith("99") for row in persons)
    assert any(row["status"] in {"05", "07"} and not row["house_number"] for row in persons)
    homes = Counter((row.get("road_code"), row.get("house_number"), row.get("floor")) for row in persons)
    assert max(homes.values()) > 150
    for column in PERSONS.column_names:
        assert any(row.get(column) for row in persons)
    for table, columns in (("mailboxes", TABLES[1].column_names), ("relations", TABLES[2].column_names)):
        assert all(any(row.get(column) for row in rows_of(large, table)) for column in columns)
    pairs = [part.rows for part in large if len({row.get("road_code") for row in part.rows.roads}) > 1]
    assert pairs


def write(folder, ending, **chosen):
    return write_population(settings(300, 200, **chosen), folder, ending, shipment_sender_ids=["nordkraft"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_same_seed_gives_the_same_bytes(tmp_path, ending):
    counts = write(tmp_path / "a", ending)
    assert write(tmp_path / "b", ending) == counts
    write(tmp_path / "c", ending, seed=2)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {f"{table.name}.{ending}" for table in TABLES} < set(files)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "queries.jsonl").read_bytes() != (tmp_path / "c" / "queries.jsonl").read_bytes()


def test_the_tables_are_what_the_builder_reads(tmp_path):
    """Row by row, and the people are the same whether or not anybody asks about them."""
    write(tmp_path, "csv")
    parts = list(Population(settings(300, 0)).parts())
    for table in TABLES:
        opened = open_table(tmp_path / f"{table.name}.csv", table)
        assert opened.meta.register_date == "2026-11-01"
        written = [{name: row.get(name, "") for name in table.column_names} for row in rows_of(parts, table.name)]
        assert [row for _, row in opened.rows()] == written


def test_queries_are_written_with_what_is_expected(tmp_path):
    counts = write(tmp_path, "csv")
    lines = [json.loads(line) for line in (tmp_path / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter((line["expected"]["route"], line["expected"]["reason"]) for line in lines) == {
        (route.name, reason.name): count for (route, reason), count in counts.items()
    }
    delivered = next(line for line in lines if line["expected"]["targets"])
    assert set(delivered["expected"]["targets"][0]) == {"number", "forwarding_address"}
    assert {line["sender_id"] for line in lines} <= {sender.id for sender in SENDERS}


def test_the_shipment_holds_one_senders_queries_in_windows_1252(tmp_path):
    write(tmp_path, "csv")
    with (tmp_path / "shipment-nordkraft.csv").open(encoding="cp1252", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    lines = [json.loads(line) for line in (tmp_path / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    queries = {line["reference"]: line for line in lines}
    assert len({row["Reference"] for row in rows}) == len(rows) > 20
    for row in rows:
        query = queries[row["Reference"]]
        assert (query["sender_id"], query["personal_content"]) == ("nordkraft", False)
        assert picked_kind(row).name == query["kind"]
        assert row["Navn"] == query.get("full_name", "")
        assert query["expected"]["reason"] != "UNEXPECTED_FIELD"
    assert list(rows[0]) == list(HEADINGS)


def test_people_are_made_fast_enough_for_millions():
    """Five million take minutes: a person costs well under a quarter of a millisecond."""
    start = time.process_time()
    made = sum(len(part.rows.persons) for part in Population(settings(5_000, 0)).parts())
    assert (time.process_time() - start) / made < 250e-6


def test_settings_outside_the_horizon_are_refused():
    with pytest.raises(ConfigurationError, match="within 7 days"):
        Settings(10, 1, 1, DAY, datetime(2026, 11, 8, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match="at least one"):
        Settings(0, 1, 1, DAY, noon(DAY))


def test_a_shipment_of_nobody_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="use one of kommunen"):
        write_population(settings(10, 0), tmp_path, "csv", shipment_sender_ids=["nobody"])


def run(*arguments):
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)


def test_the_program_prints_what_is_expected(tmp_path):
    done = run("--persons", "60", "--queries", "50", "--seed", "1", "--out", tmp_path, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "DELIVERABLE" in done.stdout
    assert len((tmp_path / "queries.jsonl").read_text(encoding="utf-8").splitlines()) == 50


@pytest.mark.parametrize(
    ("as_of", "sentence"), [("2026-12-01T12:00:00+01:00", "within 7 days"), ("2026-11-01T12:00:00", "write an instant")]
)
def test_the_program_refuses_with_2(tmp_path, as_of, sentence):
    done = run("--persons", "6", "--queries", "5", "--seed", "1", "--out", tmp_path, "--as-of", as_of)
    assert done.returncode == 2
    assert sentence in done.stderr
