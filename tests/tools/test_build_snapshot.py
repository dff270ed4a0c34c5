import csv

import pytest

from resolver_grpc.build.schema import MAILBOXES
from resolver_grpc.key_file import create_key_file
from resolver_grpc.snapshot.files import check_index_file, read_manifest
from small_register import ANN, MAILBOX_ROWS, PERSONS_ROWS, RELATION_ROWS, person, write_tables
from tool_nursery import run_here

TABLES = ("persons", "mailboxes", "relations", "roads")


def arguments(folder, suffix=".csv", **changed):
    given = {name: folder / f"{name}{suffix}" for name in TABLES}
    given |= {"keys": folder / "index.key", "out": folder / "snapshot"}
    return [word for name, path in (given | changed).items() if path for word in (f"--{name}", path)]


def run(*words):
    return run_here("build_snapshot", *words)


@pytest.fixture
def folder(tmp_path):
    create_key_file(tmp_path / "index.key")
    write_tables(tmp_path, persons=[*PERSONS_ROWS, person("0909889012", "Ulf Uldum", house_number="12-14")])
    return tmp_path


def told(output):
    return [[word for word in line.split() if word.isascii()] for line in output.splitlines()]


def test_a_build_reports_its_rows_and_where_it_was_published(folder):
    done = run(*arguments(folder, rejects=folder / "rejects.csv"))
    assert (done.exit_code, done.stderr) == (0, "")
    manifest = read_manifest(folder / "snapshot")
    check_index_file(folder / "snapshot", manifest)
    lines = told(done.stdout)
    assert ["persons", "7", "1"] in lines
    assert ["mailboxes", "7", "0"] in lines
    assert [*"persons house_number can't be read".split(), "1"] in lines
    assert f"Snapshot {manifest.snapshot_id} published at {folder / 'snapshot'}\n" in done.stdout
    assert "7 owners: persons 6, organisations 1" in done.stdout
    with (folder / "rejects.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["table", "row", "problem"], ["persons", "7", "house_number can't be read"]]
    again = run(*arguments(folder))
    assert again.exit_code == 0
    assert "was published already, and is unchanged, at" in again.stdout
    assert "Give --rejects FILE" in again.stdout


def test_parquet_without_roads_is_built_too(tmp_path):
    create_key_file(tmp_path / "index.key")
    write_tables(tmp_path, suffix=".parquet")
    done = run(*arguments(tmp_path, ".parquet", roads=None))
    assert (done.exit_code, done.stderr) == (0, "")
    assert [source.table for source in read_manifest(tmp_path / "snapshot").sources] == list(TABLES[:3])


def bad_line(folder):
    with (folder / "relations.csv").open("a") as file:
        file.write(f"{ANN},power\r\n")


def no_column(folder):
    text = (folder / "persons.csv").read_text(encoding="utf-8")
    (folder / "persons.csv").write_text(text.replace("full_name", ANN, 1), encoding="utf-8")


def wrong_table(folder):
    (folder / "mailboxes.csv").write_bytes((folder / "persons.csv").read_bytes())


def take_target(folder):
    (folder / "snapshot").mkdir()
    (folder / "snapshot" / "letter.txt").write_text("mine")


def open_key(folder):
    (folder / "index.key").chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "changed", "sentence"),
    [
        (lambda folder: (folder / "roads.csv").unlink(), {}, "roads.csv does not exist"),
        (lambda folder: (folder / "persons.csv.meta.json").unlink(), {}, "persons.csv.meta.json is missing"),
        (lambda folder: (folder / "index.key").unlink(), {}, "index.key: can't be read"),
        (open_key, {}, "run `chmod 600` on it"),
        (bad_line, {}, "relations.csv, line 4: 2 cells where the header has 4"),
        (no_column, {}, "persons.csv: column 5 is unknown"),
        (wrong_table, {}, f"a {MAILBOXES.name} table starts with a header"),
        (take_target, {}, "choose a new directory"),
        (None, {"out": "nowhere/snapshot"}, "to publish a snapshot in; make it first"),
        (None, {"out": "persons.csv"}, "choose a new directory"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_everything_as_it_was(folder, spoil, changed, sentence):
    if spoil:
        spoil(folder)
    before = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
    changed = {name: folder / path for name, path in changed.items()}
    done = run(*arguments(folder, rejects=folder / "rejects.csv", **changed))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    personal = {
        cell for row in (*PERSONS_ROWS, *MAILBOX_ROWS, *RELATION_ROWS) for cell in row.values() if len(cell) > 6
    }
    assert not [cell for cell in personal if cell in done.stderr]
    assert {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")} == before


@pytest.mark.parametrize("taken", ["persons.csv", "index.key", "snapshot"])
def test_the_list_of_rejects_is_not_written_over_anything_else(folder, taken):
    before = (folder / "index.key").read_bytes(), (folder / "persons.csv").read_bytes()
    done = run(*arguments(folder, rejects=folder / "." / taken))
    assert done.exit_code == 2
    assert "--rejects must be a file of its own" in done.stderr
    assert ((folder / "index.key").read_bytes(), (folder / "persons.csv").read_bytes()) == before
    assert not (folder / "snapshot").exists()


def test_what_would_fail_in_the_end_fails_at_once(folder):
    """Before a row is read: where the snapshot or the list of rejects is to stand."""
    (folder / "persons.csv").write_text("no table", encoding="utf-8")
    for options in ({"out": folder / "none" / "snapshot"}, {"rejects": folder / "none" / "rejects.csv"}):
        done = run(*arguments(folder, **options))
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert "there is no folder" in done.stderr.lower()


def test_help_shows_how_it_is_used():
    done = run("--help")
    assert done.exit_code == 0
    assert "tools/build_snapshot.py --persons persons.parquet" in done.stdout
