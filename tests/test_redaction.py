"""Nothing personal is said: what is looked for is found, and a test that has it said fails."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redaction import know, listening, look_through, personal_in, take_findings
from resolver_grpc.errors import TableError
from resolver_grpc.server.log import make_log
from small_register import ANN, FIRM

TESTS = Path(__file__).parent

PLANTED = """
import subprocess, sys
from click.testing import CliRunner
import click
from resolver_grpc.errors import TableError
from resolver_grpc.server.log import make_log

def test_raises():
    TableError("row 3 is no person: 0101801239")

def test_raises_with_metadata():
    TableError("row 3 is no person", number="010180-1239")

def test_logs():
    make_log().bind(worker=1).info("caller refused", why="Øllegård was here")

def test_starts_a_program():
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('anne@post.dk')"], capture_output=True)

def test_starts_a_program_that_shares_standard_error():
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('anne@post.dk')"])

@click.command()
def command():
    click.echo("error: 0101801239", err=True)

def test_calls_a_command():
    CliRunner().invoke(command, [])

def test_says_nothing_of_anybody():
    TableError("row 3 is no person", row=3)
    make_log().info("generation taken up", generation=3, snapshot_id="01018012390a")
"""


@pytest.mark.parametrize(
    ("said", "sort"),
    [
        (ANN, "a CPR number"),
        ("0101801239", "a CPR number"),
        ("the row of 010180-1239, rejected", "a CPR number"),
        ('{"number":"3112991239"}', "a CPR number"),
        (FIRM, "a CVR number"),
        ("claimed as pia+1@post.dk.", "an e-mail address"),
        ("Marianne", "a name or a street"),
        ("no house at Vestergade 3", "a name or a street"),
        ("no person called O'Brien", "a name or a street"),
        ("Lise-Lotte", "a name or a street"),
        ("Hovsafjord lives there", "a name or a street"),
    ],
)
def test_what_names_somebody_is_found(said, sort):
    know([{"number": FIRM, "full_name": "Ann Hovsafjord", "short_street_name": "Vestergade"}])
    assert personal_in(said) == {sort}


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-01T11:00:00Z",
        "audit-20261122-1-081503123456.jsonl",
        "9901801239 is no date, nor is 0113801239",
        "0101801239abcdef",
        "1762345678.25 seconds",
        "the persons table has no column full_name: add it",
        "/somewhere/pytest-of-somebody/pytest-3/test_0101801239_Marianne0/persons.csv can't be read",
        "the sender Power is not onboarded",
    ],
)
def test_what_names_nobody_is_left_alone(said):
    assert personal_in(said) == set()


@given(st.dates().map(lambda day: day.strftime("%d%m%y")), st.integers(0, 9_999), st.sampled_from(["", "-"]))
def test_every_cpr_number_is_found(day, serial, dash):
    assert personal_in(f"row 3: {day}{dash}{serial:04}!") == {"a CPR number"}


def test_errors_and_the_log_are_looked_through(capsys):
    with listening():
        TableError(f"row 3 is no person: {ANN}")
        make_log().info("nothing", number=ANN)
        make_log().info("nothing", row=3)
    assert len(capsys.readouterr().err.splitlines()) == 2
    look_through("a program", "anne@post.dk")
    found = [finding.partition(": ")[0] for finding in take_findings()]
    once = {"a TableError tells a CPR number", "the log tells a CPR number", "a program tells an e-mail address"}
    assert set(found) == once


def test_a_test_that_has_somebody_named_fails(tmp_path):
    """The very hooks of this suite, on tests that are planted."""
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_planted.py").write_text(PLANTED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join([str(TESTS), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outcomes = {line.split("::")[1].split()[0]: line.split()[1] for line in done.stdout.splitlines() if "%]" in line}
    planted = {f"test_{name}" for name in ("raises", "raises_with_metadata", "logs", "starts_a_program")}
    planted |= {"test_starts_a_program_that_shares_standard_error", "test_calls_a_command"}
    expected = dict.fromkeys(planted, "FAILED") | {"test_says_nothing_of_anybody": "PASSED"}
    assert outcomes == expected, done.stdout
