import csv
import subprocess
import sys
from pathlib import Path

import pytest

from resolver_grpc.build.schema import PERSONS
from resolver_grpc.build.tables import TableMeta, open_table

TOOL = Path(__file__).parents[2] / "tools" / "import_cpr_extract.py"
START = "0000000000000110901" + "2001111920011116"
KAREN = "0101801239"
PERSON = f"001{KAREN}          01"
NAME = f"008{KAREN}" + "Karen".ljust(92) + "Elkjær"


def extract(folder, *records, count=None):
    lines = [START, *records, f"9999999999999{len(records) if count is None else count:08}"]
    path = folder / "extract.txt"
    path.write_text("\n".join(lines) + "\n", encoding="iso-8859-1")
    return path


def run(*arguments):
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)


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
    assert done.stdout.split("\n")[0].strip() == "CPR extract of 2001-11-19"
    assert "The extract follows one of 2001-11-16" in done.stdout


def test_rejected_lines_go_to_the_file_asked_for_and_are_counted_by_reason(tmp_path):
    source = extract(tmp_path, PERSON, NAME, NAME, f"0020101{'x' * 12}")
    done = run(source, "--out", tmp_path / "persons.csv", "--rejects", tmp_path / "rejects.csv")
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "rejects.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "record", "reason"],
            ["4", "008", "a second record of this type for one person"],
            ["5", "002", "the CPR number is not ten digits"],
        ]
    told = [line.split() for line in done.stdout.splitlines()]
    assert ["persons", "0"] in told
    assert ["persons", "withheld,", "for", "the", "builder", "to", "reject", "1"] in told
    assert ["rejected", "lines", "2"] in told
    assert [*"the CPR number is not ten digits".split(), "1"] in told
    ((_, row),) = open_table(tmp_path / "persons.csv", PERSONS).rows()
    assert (row["number"], row["status"], row["full_name"]) == (KAREN, "", "")


def test_without_a_file_the_first_rejected_lines_are_told_and_nobody_is_named(tmp_path):
    done = run(extract(tmp_path, PERSON, *[NAME] * 25), "--out", tmp_path / "persons.csv")
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[0] == "line 4, record 008: a second record of this type for one person"
    assert len(lines) == 21
    assert lines[20].startswith("and 4 more: --rejects")
    assert KAREN not in done.stdout + done.stderr
    assert "Elk" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("count", "out", "sentence"),
    [
        (7, "persons.csv", "counts 7 records"),
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


@pytest.mark.parametrize("arguments", [["--out", "e.csv"], ["--out", "p.csv", "--rejects", "p.csv"]])
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
    assert "tools/import_cpr_extract.py u12170.txt --out persons.parquet" in done.stdout
