import csv
import subprocess
import sys
from pathlib import Path

import pytest

from resolver_grpc.build.schema import PERSONS
from resolver_grpc.build.tables import TableMeta, open_table

TOOL = Path(__file__).parents[2] / "tools" / "import_cpr_extract.py"
START = "0000000000000110901"
KAREN = "0101801239"
PERSON = f"001{KAREN}          01"
OLE = "0010202791235          01"
NEW = "0303701234"
NAME = f"008{KAREN}" + "Karen".ljust(92) + "Elkjær"


def extract(folder, *records, count=None, name="extract.txt", days="2001111920011116"):
    lines = [START + days, *records, f"9999999999999{len(records) if count is None else count:08}"]
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="iso-8859-1")
    return path


def run(*arguments, **options):
    command = [sys.executable, TOOL, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_extract_becomes_a_persons_table(tmp_path, ending):
    out = tmp_path / f"persons{ending}"
    done = run(extract(tmp_path, PERSON, NAME), "--out", out, "--change-sequence", "4711")
    assert (done.returncode, done.stderr) == (0, "")
    table = open_table(out, PERSONS)
    assert table.meta == TableMeta(4711, "2001-11-19")
    ((_, row),) = table.rows()
    assert {name: cell for name, cell in row.items() if cell} == {
        "number": KAREN,
        "status": "01",
        "full_name": "Karen Elkjær",
    }
    assert done.stdout.split("\n")[0].strip() == "CPR register of 2001-11-19"
    assert "The first extract follows one of 2001-11-16" in done.stdout


def test_rejected_lines_go_to_the_file_asked_for_and_are_counted_by_reason(tmp_path):
    source = extract(tmp_path, PERSON, NAME, NAME, f"0020101{'x' * 12}")
    done = run(source, "--out", tmp_path / "persons.csv", "--rejects", tmp_path / "rejects.csv")
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "rejects.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "record", "reason"],
            [str(source), "4", "008", "a second record of this type for one person"],
            [str(source), "5", "002", "the CPR number is not ten digits"],
        ]
    told = [line.split() for line in done.stdout.splitlines()]
    assert ["persons", "0"] in told
    assert ["persons", "withheld,", "for", "the", "builder", "to", "reject", "1"] in told
    assert ["rejected", "lines", "2"] in told
    assert [*"the CPR number is not ten digits".split(), "1"] in told
    ((_, row),) = open_table(tmp_path / "persons.csv", PERSONS).rows()
    assert (row["number"], row["status"], row["full_name"]) == (KAREN, "", "")


def test_without_a_file_the_first_rejected_lines_are_told_and_nobody_is_named(tmp_path):
    source = extract(tmp_path, PERSON, *[NAME] * 25)
    done = run(source, "--out", tmp_path / "persons.csv")
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[0] == f"{source}, line 4, record 008: a second record of this type for one person"
    assert len(lines) == 21
    assert lines[20].startswith("and 4 more: --rejects")
    assert KAREN not in done.stdout + done.stderr
    assert "Elk" not in done.stdout + done.stderr


def three_days(folder):
    """A full extract and the changes of two days; a person moves away, one comes, one can't be read any more."""
    extract(folder, PERSON, NAME, OLE, name="full.txt", days="2001111900000000")
    extract(folder, f"{PERSON[:-2]}80", f"001{NEW}          01", name="monday.txt", days="2001112020011119")
    extract(folder, OLE, OLE, name="tuesday.txt", days="2001112120011120")
    return ["full.txt", "monday.txt", "tuesday.txt"]


def test_changes_are_merged_and_each_file_is_told_of(tmp_path):
    done = run(*three_days(tmp_path), "--out", "persons.parquet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        0,
        "tuesday.txt, line 3, record 001: a second record of this type for one person\n",
    )
    table = open_table(tmp_path / "persons.parquet", PERSONS)
    assert table.meta == TableMeta(0, "2001-11-21")
    statuses = {row["number"]: row["status"] + row["full_name"] for _, row in table.rows()}
    assert statuses == {KAREN: "80", OLE[3:13]: "", NEW: "01"}
    told = [line.split() for line in done.stdout.splitlines()]
    assert told[0] == ["CPR", "register", "of", "2001-11-21"]
    assert told[2:5] == [
        ["full.txt", "2001-11-19", "2", "0", "0"],
        ["monday.txt", "2001-11-20", "1", "1", "0"],
        ["tuesday.txt", "2001-11-21", "0", "1", "1"],
    ]
    assert ["persons", "2"] in told
    assert "follows one" not in done.stdout


def test_the_same_file_twice_is_one_line_and_leaves_nothing(tmp_path):
    full, monday, _ = three_days(tmp_path)
    before = set(tmp_path.iterdir())
    done = run(full, monday, monday, "--out", "persons.csv", "--rejects", "rejects.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: monday.txt (produced 2001-11-20, after an extract of 2001-11-19) can't follow monday.txt (produced "
        "2001-11-20): give the full extract and the changes in the order of their production, each once and none "
        "left out\n"
    )
    assert set(tmp_path.iterdir()) == before


def test_a_missing_change_is_one_line_and_leaves_nothing(tmp_path):
    full = extract(tmp_path, PERSON)
    done = run(full, tmp_path / "none.txt", "--out", tmp_path / "persons.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: No such file or directory: {tmp_path / 'none.txt'}\n"
    assert list(tmp_path.iterdir()) == [full]


@pytest.mark.parametrize(
    ("count", "out", "sentence"),
    [
        (7, "persons.csv", "counts more records"),
        (2, "persons.xls", "give the table one of these endings"),
        (2, "nowhere/persons.csv", "No such file or directory"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(tmp_path, count, out, sentence):
    source = extract(tmp_path, PERSON, NAME, count=count)
    done = run(source, "--out", tmp_path / out, "--rejects", tmp_path / "rejects.csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert KAREN not in done.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_extract_is_one_line(tmp_path):
    done = run(tmp_path / "none.txt", "--out", tmp_path / "persons.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: No such file or directory: {tmp_path / 'none.txt'}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "e.csv"],
        ["c.csv", "--out", "c.csv"],
        ["c.csv", "--out", "p.csv", "--rejects", "c.csv"],
        ["--out", "p.csv", "--rejects", "p.csv"],
    ],
)
def test_a_file_is_not_written_over_another_of_the_same_import(tmp_path, arguments):
    source = extract(tmp_path, PERSON).rename(tmp_path / "e.csv")
    before = source.read_bytes()
    places = [tmp_path / word if word.endswith(".csv") else word for word in arguments]
    done = run(source, *places)
    assert done.returncode == 2
    assert "must be different files" in done.stderr
    assert source.read_bytes() == before


def test_help_shows_how_it_is_used():
    done = run("--help")
    assert done.returncode == 0
    assert "FULL [CHANGE]..." in done.stdout
    assert "tools/import_cpr_extract.py u12170.txt --out persons.parquet" in done.stdout
    assert "tools/import_cpr_extract.py full.txt monday.txt tuesday.txt --out persons.parquet" in done.stdout
