"""Tables in, a published snapshot out: what it answers, that it is one and whole, and what it never tells."""

import re
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nursery import Nursery
from resolver_grpc.build.schema import PERSONS, RELATIONS
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.build.tables import TableMeta, open_table, write_table
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.canonical.address_line import parse_address_line
from resolver_grpc.canonical.kvhx import parse_kvhx
from resolver_grpc.errors import SnapshotError, TableError
from resolver_grpc.index.layout import INDEX_FILE, STREET_SHARED, TOWN_TELLS
from resolver_grpc.key_file import create_key_file
from resolver_grpc.keys import KeyKind, MasterKey
from resolver_grpc.model import Fact
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from resolver_grpc.snapshot.manifest import MANIFEST_FILE
from resolver_grpc.snapshot.store import open_snapshot
from resolver_grpc.times import parse_time
from small_register import (
    ANN,
    ANN_TWO,
    BO,
    EVA,
    FIRM,
    IDA,
    MAILBOX_ROWS,
    NOON,
    OLD_IDA,
    PERSONS_ROWS,
    PIA,
    RELATION_ROWS,
    mailbox,
    person,
    quiet,
    write_tables,
)

KEY = MasterKey(b"k" * 32)
TEXT = "Vestergade 12, 3. tv, 8000 Aarhus C"
KVHX = "07511234__12__3__tv"
LEA, MAX, BAD = "0707867890", "0808878901", "0909889012"
ROADS_ROWS = [
    {"municipality_code": "0751", "road_code": "1234", "name": "Vestergade", "postal_code": "8000"},
    {
        "municipality_code": "0751",
        "road_code": "5678",
        "name": "Havnegade",
        "short_name": "Havneg",
        "supplementary_town": "Vejlby",
        "postal_code": "8000",
    },
]
TABLES = {
    "persons": [
        *PERSONS_ROWS,
        person(LEA, "Lea Å", road_code="5678", short_street_name="Havneg", house_number="1"),
        person(MAX, "Max Å", road_code="5679", short_street_name="Havneg", house_number="1"),
        person(BAD, "Ulf Uldum", house_number="12-14"),
    ],
    "mailboxes": [*MAILBOX_ROWS, *(mailbox(number) for number in (LEA, MAX, BAD))],
    "relations": RELATION_ROWS,
    "roads": ROADS_ROWS,
}


def build(folder, instant=NOON, **tables):
    folder.mkdir(exist_ok=True)
    return build_snapshot(write_tables(folder, **(TABLES | tables)), folder / "snapshot", KEY, instant, quiet)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return folder / "snapshot", build(folder)


@pytest.fixture(scope="module")
def index(built):
    found = open_snapshot(built[0], KEY.columns_secret, KEY.key_id, CANONICAL_VERSION).index
    yield found
    found.close()


def numbers(index, *keys):
    return [{index.number(ordinal) for ordinal in ordinals} for ordinals in index.find(keys)]


def test_an_open_snapshot_leads_from_each_key_to_its_owners(index):
    keys, home = KEY.index_keys, parse_address_line(TEXT)
    assert numbers(
        index,
        keys.place(home),
        keys.place(home, "ann"),
        keys.place(parse_kvhx(KVHX), "bo", "bo"),
        keys.place(parse_address_line("Vestergade 14, 8000")),
        keys.key(KeyKind.EMAIL, "ann@post.dk"),
        keys.key(KeyKind.EMAIL, "pia@post.dk"),
        keys.key(KeyKind.CPR, OLD_IDA),
        keys.key(KeyKind.CPR, IDA),
        keys.key(KeyKind.CVR, FIRM),
        keys.key(KeyKind.CPR, PIA),
        keys.key(KeyKind.CPR, BAD),
    ) == [{ANN, BO}, {ANN}, {BO}, set(), {ANN}, set(), {IDA}, {IDA}, {FIRM}, {PIA}, set()]


def test_roads_are_told_apart_by_their_town(index):
    keys = KEY.index_keys
    home = parse_address_line("Havneg 1, 8000")
    assert numbers(index, keys.place(home), keys.place(home._replace(town="vejlby"))) == [{LEA, MAX}, {LEA}]
    assert index.road(keys.street("8000", "havneg")) == STREET_SHARED
    assert index.road(keys.street_with_town("8000", "havneg", "vejlby")) == TOWN_TELLS
    assert index.road(keys.street("8000", "vestergade")) == 0


def test_facts_and_columns_stand_by_ordinal(index):
    keys = KEY.index_keys
    of = {
        number: index.find([keys.key(KeyKind.CVR if number == FIRM else KeyKind.CPR, number)])[0][0]
        for number in (ANN, BO, ANN_TWO, PIA, EVA, IDA, FIRM, LEA, MAX)
    }
    facts = index.facts_at(NOON)
    held = {
        name: {number for number, ordinal in of.items() if ordinal in facts[name]}
        for name in (Fact.PROTECTION, Fact.EXEMPT, Fact.FORWARDING, Fact.CLAIM, "opted_out/power", "subscribed/power")
    }
    assert held == {
        Fact.PROTECTION: {PIA},
        Fact.EXEMPT: {BO},
        Fact.FORWARDING: {FIRM},
        Fact.CLAIM: {ANN, PIA},
        "opted_out/power": {IDA},
        "subscribed/power": {ANN},
    }
    assert index.forwarding_address(of[FIRM]) == "post@firm.dk"
    addresses = {number: index.address_number(ordinal) for number, ordinal in of.items()}
    assert addresses[ANN] == addresses[BO] != 0
    assert {number for number, address in addresses.items() if not address} == {ANN_TWO, PIA, EVA, FIRM}
    assert addresses[LEA] != addresses[MAX]
    by_hash = sorted(of, key=lambda number: keys.key(KeyKind.OWNER, number))
    assert by_hash == sorted(of, key=of.__getitem__)


def test_the_manifest_counts_what_was_read_and_what_came_of_it(built):
    directory, result = built
    manifest = read_manifest(directory)
    assert manifest == result.manifest
    assert [(source.table, source.rows, source.rejected) for source in manifest.sources] == [
        ("persons", 9, 1),
        ("mailboxes", 10, 1),
        ("relations", 2, 0),
        ("roads", 2, 0),
    ]
    assert (manifest.register_date, manifest.change_sequence, manifest.owners) == ("2026-11-01", 7, 9)
    assert manifest.counts | {"keys": 0} == {
        "persons": 8,
        "organisations": 1,
        "keys": 0,
        "keys_of_several_owners": 3,  # two residents by text and KVHX, and a text on a shared street
        "addresses": 4,
        "contested_claims": 0,
        "shared_streets": 1,
    }


def test_nothing_personal_stands_in_clear_in_any_file(built):
    """Neither as it was written, nor in its canonical form, nor in either case."""
    words = {cell for rows in TABLES.values() for row in rows for cell in row.values() if len(cell) > 4}
    words |= {word for row in TABLES["persons"] for word in row["full_name"].split() if len(word) > 2}
    words = {word for word in words if not word.startswith("20")} - {"power", "SUBSCRIBED", "OPTED_OUT"}
    assert words >= {ANN, OLD_IDA, FIRM, "ann@post.dk", "post@firm.dk", "Vestergade", "Krag"}
    files = sorted(built[0].rglob("*"))
    assert {file.name for file in files} == {INDEX_FILE, MANIFEST_FILE}
    # A manifest is written in words of its own, of which "Ring" may be a part, as of "sorting".
    told = set(re.findall(r"\w+(?:[@.]\w+)*", (built[0] / MANIFEST_FILE).read_text().lower()))
    assert {word.lower() for word in words} & told == set()
    content = (built[0] / INDEX_FILE).read_bytes().lower()
    assert [word for word in words if word.lower().encode() in content or word.encode("utf-16-le") in content] == []
    assert b"opted_out/power" in content  # what may be found is found


def rebuild(folder, tables):
    shutil.rmtree(folder / "snapshot", ignore_errors=True)
    return build(folder, **tables)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_same_rows_in_any_order_make_the_same_snapshot(tmp_path, random_order):
    """Rejected, doubled and contradicting rows included."""
    wild = {
        "persons": [
            *TABLES["persons"],
            person(LEA, "Lea Å"),
            person(BAD, "Ulf Uldum", old_numbers="0101011111"),
            person("0202021111", "Old One", status="60", current_number="0101011111", old_numbers="0303031111"),
            person("0404041111", "Other", old_numbers="0303031111"),
        ],
        "mailboxes": [
            *TABLES["mailboxes"],
            mailbox(EVA, email_address="ann@post.dk"),
            *(mailbox(number) for number in ("0101011111", "0202021111", "0303031111", "0404041111")),
            mailbox(MAX, email_address="ann@post.dk", closed="?"),
        ],
        "relations": [*TABLES["relations"], RELATION_ROWS[0]],
    }
    tables = TABLES | wild
    straight = rebuild(tmp_path, tables)
    shuffled = {name: random_order.sample(rows, len(rows)) for name, rows in tables.items()}
    other = rebuild(tmp_path, shuffled)
    assert other.manifest.snapshot_id == straight.manifest.snapshot_id
    assert other.manifest.counts == straight.manifest.counts
    rejected = [[source.rejected for source in made.manifest.sources] for made in (straight, other)]
    assert rejected[0] == rejected[1]


def test_csv_and_parquet_at_any_time_make_the_same_file(tmp_path, built):
    inputs = write_tables(tmp_path, **TABLES, suffix=".parquet")
    later = build_snapshot(inputs, tmp_path / "snapshot", KEY, NOON + 86_400, quiet).manifest
    assert later.snapshot_id == built[1].manifest.snapshot_id
    assert later.file_digest == built[1].manifest.file_digest
    assert later.build_time != built[1].manifest.build_time


@pytest.mark.parametrize(
    "tables",
    [
        {"persons": [{**TABLES["persons"][0], "full_name": "Ann Mo By"}, *TABLES["persons"][1:]]},
        {"mailboxes": TABLES["mailboxes"][1:]},
        {"relations": []},
        {"roads": ROADS_ROWS[1:]},
    ],
    ids=lambda tables: next(iter(tables)),
)
def test_other_rows_make_another_snapshot(tmp_path, built, tables):
    is_same = build(tmp_path, **tables).manifest.snapshot_id == built[1].manifest.snapshot_id
    assert is_same is ("roads" in tables)  # that road's one name is its residents' too


def test_another_key_makes_another_snapshot(tmp_path, built):
    inputs = write_tables(tmp_path, **TABLES)
    other = build_snapshot(inputs, tmp_path / "snapshot", MasterKey(b"l" * 32), NOON, quiet).manifest
    assert other.snapshot_id != built[1].manifest.snapshot_id
    assert other.key_id != built[1].manifest.key_id


def test_tables_without_rows_make_a_snapshot_of_nobody(tmp_path):
    manifest = build(tmp_path, persons=[], mailboxes=[], relations=[], roads=[]).manifest
    opened = open_snapshot(tmp_path / "snapshot", KEY.columns_secret, KEY.key_id, CANONICAL_VERSION)
    assert (manifest.owners, opened.index.owners) == (0, 0)
    assert [list(found) for found in opened.index.find([bytes(16)])] == [[]]
    opened.index.close()


def test_the_oldest_change_sequence_of_the_tables_is_the_snapshots(tmp_path):
    inputs = write_tables(tmp_path, **TABLES)
    with write_table(inputs.relations, RELATIONS, TableMeta(3)):
        pass
    assert build_snapshot(inputs, tmp_path / "snapshot", KEY, NOON, quiet).manifest.change_sequence == 3


def test_the_same_build_again_leaves_the_snapshot_as_it_is(tmp_path):
    assert build(tmp_path).is_new
    before = (tmp_path / "snapshot" / MANIFEST_FILE).read_bytes()
    again = build(tmp_path, instant=NOON + 1)
    assert not again.is_new
    assert (tmp_path / "snapshot" / MANIFEST_FILE).read_bytes() == before


def spoil_last_table(inputs, _target):
    inputs.roads.write_bytes(inputs.roads.read_bytes() + b"0751,1234\n")


def take_target(_inputs, target):
    target.mkdir()
    (target / "letter.txt").write_text("mine")


def publish_other(inputs, target):
    build_snapshot(Inputs(inputs.persons, inputs.mailboxes, inputs.relations), target, MasterKey(b"l" * 32), 0, quiet)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(spoil_last_table, TableError), (take_target, SnapshotError), (publish_other, SnapshotError)],
)
def test_a_build_that_fails_leaves_everything_as_it_was(tmp_path, spoil, error):
    inputs, target = write_tables(tmp_path, **TABLES), tmp_path / "snapshot"
    spoil(inputs, target)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(error) as raised:
        build_snapshot(inputs, target, KEY, NOON, quiet)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not any(word in raised.value.message for word in (ANN, "Ann", "Vestergade"))


def test_with_more_rejected_rows_than_allowed_nothing_is_published_and_the_list_is_written(tmp_path):
    """Two rows of the tables are rejected: a person's, and the mailbox of the same."""
    inputs = replace(write_tables(tmp_path, **TABLES), rejects_file=tmp_path / "rejects.csv")
    target = tmp_path / "snapshot"
    with pytest.raises(TableError, match="2 rows were rejected, more than the 1 that --max-rejects allows"):
        build_snapshot(replace(inputs, max_rejects=1), target, KEY, NOON, quiet)
    assert not target.exists()
    assert len(inputs.rejects_file.read_text(encoding="utf-8").splitlines()) == 3
    assert build_snapshot(replace(inputs, max_rejects=2), target, KEY, NOON, quiet).is_new


def test_a_build_killed_before_it_is_done_leaves_nothing_that_opens(tmp_path):
    """As the stages at which something is spilled or written begin or end; tests/tools has every instant."""
    inputs = write_tables(tmp_path, **TABLES)
    create_key_file(tmp_path / "index.key")
    target = tmp_path / "snapshot"
    words = [word for table in TABLES for word in (f"--{table}", getattr(inputs, table))]
    words += ["--keys", tmp_path / "index.key", "--out", target]
    fates, left = [], 0
    with closing(Nursery(Path(__file__).parents[1] / "tool_nursery.py")) as nursery:
        while 0 not in fates:
            where = ("stage", len(fates) + 1, tmp_path, tmp_path / "said.txt")
            fates.append(nursery.fate(*where, "build_snapshot", *words))
            assert target.exists() is (fates[-1] == 0)
            for unpublished in tmp_path.glob(".*"):
                with pytest.raises(SnapshotError, match="left behind by a builder that did not finish"):
                    open_snapshot(unpublished, KEY.columns_secret, KEY.key_id, CANONICAL_VERSION)
                shutil.rmtree(unpublished)
                left += 1
    assert fates[:-1] == ["died"] * (len(fates) - 1)
    assert len(fates) > 10
    assert left >= 4  # writing and measuring, their beginning and end
    check_index_file(target, read_manifest(target))


def test_a_snapshot_is_readable_for_its_owner_alone(built):
    modes = {path.name: path.stat().st_mode & 0o077 for path in (built[0], *built[0].iterdir())}
    assert modes == dict.fromkeys(modes, 0)


def test_the_demo_extract_becomes_a_snapshot(shared, tmp_path):
    """Everybody of the register's own demonstration with a mailbox is an owner, or their row is reported."""
    persons = tmp_path / "persons.csv"
    tool = Path(__file__).parents[2] / "tools" / "import_cpr_extract.py"
    extract = shared / "data" / "cpr_demo" / "u12170_demo.txt"
    subprocess.run([sys.executable, tool, extract, "--out", persons], check=True, capture_output=True)
    rows = [row for _, row in open_table(persons, PERSONS).rows()]
    everyone = [mailbox(row["number"], address_consent_given="2001-01-01", opened="2001-01-01") for row in rows]
    current = [row for row, cells in zip(everyone, rows, strict=True) if not cells["current_number"]]
    (tmp_path / "tables").mkdir()
    inputs = write_tables(tmp_path / "tables", mailboxes=current, relations=[])
    made = build_snapshot(Inputs(persons, inputs.mailboxes, inputs.relations), tmp_path / "snapshot", KEY, NOON, quiet)
    taken = {reject.row for reject in made.rejects.rows if reject.table == "mailboxes"}
    assert made.manifest.owners == len(current) - len(taken) > 60
    index = open_snapshot(tmp_path / "snapshot", KEY.columns_secret, KEY.key_id, CANONICAL_VERSION).index
    assert len(index.facts_at(parse_time("2001-11-19T12:00:00Z"))[Fact.PROTECTION]) == 5
    index.close()
