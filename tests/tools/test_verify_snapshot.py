"""The program that verifies, and the looking up of a sample of source rows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resolver_grpc.build.sampling import Sample
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.build.verify_rows import verify_rows
from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import SnapshotError, TableError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.snapshot.store import Snapshot, open_snapshot
from small_register import (
    ANN,
    FIRM,
    MAILBOX_ROWS,
    NOON,
    PERSONS_ROWS,
    RELATION_ROWS,
    THIRD_LEFT,
    build_register,
    mailbox,
    person,
    quiet,
    write_tables,
)

TOOL = Path(__file__).parents[2] / "tools" / "verify_snapshot.py"
LEA, BAD = "0707867890", "0909889012"
TABLES = {
    "persons": [*PERSONS_ROWS, person(LEA, "Lea Lund"), person(BAD, "Ulf Uldum", house_number="12-14")],
    "mailboxes": [*MAILBOX_ROWS, mailbox(BAD)],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A register with a person without a mailbox and one whose row is rejected."""
    return build_register(tmp_path_factory.mktemp("verified"), **TABLES)


def tables_of(built):
    folder = built.directory.parent
    return {name: folder / f"{name}.csv" for name in ("persons", "mailboxes", "relations", "roads")}


def run(*words):
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run([sys.executable, TOOL, *words], capture_output=True, text=True, check=False, env=environment)


def told(output):
    lines = (line.strip("│").split("│") for line in output.splitlines() if line.startswith("│"))
    return {cells[0].strip(): cells[1].strip() for cells in lines}


def options(tables):
    return [word for name, path in tables.items() for word in (f"--{name}", path)]


def test_a_whole_snapshot_is_told_part_by_part(built):
    done = run(built.directory, "--keys", built.key_file)
    assert (done.returncode, done.stderr) == (0, "")
    rows = told(done.stdout)
    assert list(rows) == [
        "manifest", "index file", "pages", "posting lists", "facts", "columns", "roads", "counts", "snapshot id",
    ]  # fmt: skip
    assert rows["columns"] == "7 owners"


def test_with_the_tables_every_number_is_looked_up(built):
    done = run(built.directory, "--keys", built.key_file, *options(tables_of(built)), "--seed", "3")
    assert (done.returncode, done.stderr) == (0, "")
    rows = told(done.stdout)
    assert rows["source tables"] == "4 tables"
    assert rows["rows with an owner"] == "8 sampled"  # one of the seven owners has an old number
    assert rows["rows without one"] == "2 sampled"
    assert not [word for word in (ANN, FIRM, "Ann", "Vestergade", "post.dk") if word in done.stdout]


def verify(inputs, snapshot, key, size=100):
    return verify_rows(inputs, snapshot, key.index_keys, Sample(size, 0), quiet)


def opened(built):
    return open_snapshot(built.directory, built.key.columns_secret, built.key.key_id, CANONICAL_VERSION)


def other_index(built, folder, **tables):
    """The index of other tables under the same key, with the manifest of the first."""
    folder.mkdir()
    inputs = write_tables(folder, **(TABLES | tables))
    build_snapshot(inputs, folder / "snapshot", built.key, NOON, quiet)
    other = open_snapshot(folder / "snapshot", built.key.columns_secret, built.key.key_id, CANONICAL_VERSION)
    return Snapshot(built.built.manifest, other.index)


def changed(rows, place, **cells):
    return [*rows[:place], {**rows[place], **cells}, *rows[place + 1 :]]


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"mailboxes": TABLES["mailboxes"][1:]}, "is not found under the number"),
        ({"mailboxes": [*TABLES["mailboxes"], mailbox(LEA)]}, "is found, although the tables know none"),
        ({"persons": changed(TABLES["persons"], 7, house_number="12")}, "is found, although the tables know none"),
        ({"persons": changed(TABLES["persons"], 0, house_number="99")}, "is not found under a key"),
        ({"persons": changed(TABLES["persons"], 0, full_name="Ann Vo")}, "is not found under a key"),
        ({"mailboxes": changed(MAILBOX_ROWS, 0, email_address="b@post.dk")}, "is not found under a key"),
        ({"mailboxes": changed(MAILBOX_ROWS, 2, address_consent_given="2024-01-01")}, "is found by an address"),
        ({"persons": changed(TABLES["persons"], 3, protections="")}, "is found by an address"),
        ({"mailboxes": changed(MAILBOX_ROWS, 6, forwarding_address="b@firm.dk")}, "forwarding address"),
        ({"relations": RELATION_ROWS[:1]}, "has other facts"),
        ({"mailboxes": changed(MAILBOX_ROWS, 1, exempt_from="")}, "has other facts"),
        ({"mailboxes": changed(MAILBOX_ROWS, 1, exempt_to="2026-11-03")}, "has other facts"),
        ({"persons": changed(TABLES["persons"], 0, **(THIRD_LEFT | {"floor": "4"}))}, "is not found under a key"),
    ],
)
def test_an_index_of_other_tables_is_found(built, tmp_path, tables, fault):
    """The fault is told by row, and never by number, name or address."""
    snapshot = other_index(built, tmp_path / "other", **tables)
    with pytest.raises(
        SnapshotError, match=f"owner of (row [0-9]+ of (persons|mailboxes)|a rejected row) .*{fault}"
    ) as e:
        verify(Inputs(**tables_of(built)), snapshot, built.key)
    snapshot.index.close()
    assert not [word for word in (ANN, FIRM, LEA, BAD, "Ann", "post.dk") if word in e.value.message]


def test_the_seed_picks_the_sample_and_the_sample_is_no_larger_than_asked(built):
    snapshot = opened(built)
    checks = verify(Inputs(**tables_of(built)), snapshot, built.key, 4)
    snapshot.index.close()
    assert sum(check.amount for check in checks[1:]) == 4


def test_tables_that_are_not_those_of_the_snapshot_are_refused(built, tmp_path):
    inputs = write_tables(tmp_path)
    snapshot = opened(built)
    with pytest.raises(TableError, match=r"persons.csv is not the table that the snapshot was built from"):
        verify(inputs, snapshot, built.key)
    own = tables_of(built)
    with pytest.raises(TableError, match="with a roads table or without one"):
        verify(Inputs(own["persons"], own["mailboxes"], own["relations"]), snapshot, built.key)
    snapshot.index.close()


def flip(directory):
    path = directory / INDEX_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words", "sentence"),
    [
        (flip, [], "is damaged, its digest is another"),
        (shutil.rmtree, [], "There is no snapshot at"),
        (None, ["--persons", "persons.csv"], "--persons, --mailboxes and --relations are needed"),
        (None, ["--roads", "roads.csv"], "--persons, --mailboxes and --relations are needed"),
    ],
)
def test_a_refusal_is_one_line(built, tmp_path, harm, words, sentence):
    directory = tmp_path / "snapshot"
    shutil.copytree(built.directory, directory)
    if harm:
        harm(directory)
    done = run(directory, "--keys", built.key_file, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_help_shows_how_it_is_used():
    done = run("--help")
    assert done.returncode == 0
    assert "tools/verify_snapshot.py snapshot --keys index.key" in done.stdout
