"""``resolver-grpc resolve`` against a scripted server."""

import csv

import grpc
import pytest
from click.testing import CliRunner

from resolver_grpc.client import command
from resolver_grpc.client.command import resolve

SHIPMENT = """\
Løbenr;Navn;CPR-nr.;Adresse;Postnr;By;Telefon;12 34 56 78
a1;Anna Hansen;010180-1239;;;;;
a2;Anna Hansen;;Vestergade 12B;8000;Aarhus C;;
a3;;;;;;;
"""
SECRETS = ("Anna", "Hansen", "010180", "0101801239", "Vestergade", "a1", "a2", "a3")


@pytest.fixture
def shipment(tmp_path):
    path = tmp_path / "shipment.csv"
    path.write_bytes(SHIPMENT.encode("cp1252"))
    return path


@pytest.fixture
def run(fake, shipment, tmp_path):
    def run(*more, path=shipment, target=fake.target, out=tmp_path / "out"):
        arguments = [str(path), "--sender", "nordkraft", "--server", target, "--out", str(out), *more]
        return CliRunner().invoke(resolve, arguments)

    return run


def error_of(result, tmp_path):
    """The one line of a failed run, which wrote nothing and showed nothing of a row."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not any(secret in result.stderr for secret in SECRETS)
    out = tmp_path / "out"
    assert not out.exists() or list(out.iterdir()) == []
    return result.stderr


def test_a_bad_row_ends_the_run_before_anything_is_sent(run, fake, shipment, tmp_path):
    shipment.write_text(SHIPMENT + "a4;Anna Hansen\n", encoding="utf-8")
    assert "Line 5 has 2 cells" in error_of(run(), tmp_path)
    assert fake.infos == 0
    assert fake.requests == []


def test_a_server_elsewhere_is_refused(run, tmp_path):
    assert "loopback" in error_of(run(target="resolver.example.dk:50051"), tmp_path)


def test_a_server_that_is_not_there(run, fake, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "_PATIENCE_AT_THE_START", 0.0)
    fake.info_fate = lambda call: call.context.abort(grpc.StatusCode.UNAVAILABLE, "")
    assert "check its address" in error_of(run(), tmp_path)


def test_a_refused_batch_leaves_no_list(run, fake, tmp_path):
    fake.fate = lambda call: call.context.abort(grpc.StatusCode.PERMISSION_DENIED, "Anna Hansen")
    assert "does not allow this sender" in error_of(run(), tmp_path)


def test_a_list_never_takes_the_shipment_s_place(run, tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_bytes(SHIPMENT.encode())
    result = run(path=path, out=tmp_path)
    assert "choose another folder" in error_of(result, tmp_path)
    assert path.read_bytes() == SHIPMENT.encode()


@pytest.mark.parametrize("option", ["--sender", "--server", "--out"])
def test_a_missing_option_is_named(shipment, option):
    arguments = {"--sender": "nordkraft", "--server": "127.0.0.1:1", "--out": "out"}
    del arguments[option]
    result = CliRunner().invoke(resolve, [str(shipment), *(word for pair in arguments.items() for word in pair)])
    assert result.exit_code == 2
    assert f"Missing option '{option}'" in result.stderr


def test_the_lists_of_a_shipment(run, fake, tmp_path):
    result = run("--personal-content", "--shipment-id", "may")
    assert (result.exit_code, result.stderr) == (0, "")
    with (tmp_path / "out" / "decisions.csv").open(encoding="utf-8", newline="") as file:
        assert [row[:5] for row in csv.reader(file, delimiter=";")][1:] == [
            ["a1", "MAILBOX", "DELIVERABLE", "", "010180-1239"],
            ["a2", "HOLD", "HELD_FOR_SENDER", "", ""],
            ["a3", "REJECT", "INVALID_KIND", "kind", ""],
        ]
    (request,) = fake.requests
    assert (request.sender_id, request.shipment_id, request.personal_content) == ("nordkraft", "may", True)
    assert request.queries[1].address_line == "Vestergade 12B, 8000 Aarhus C"


def test_the_summary_counts_and_says_what_is_next_and_shows_no_row(run, tmp_path):
    shown = run().stdout
    assert "3 rows" in shown
    for route, reason in (("MAILBOX", "DELIVERABLE"), ("HOLD", "HELD_FOR_SENDER"), ("REJECT", "INVALID_KIND")):
        (line,) = [line for line in shown.splitlines() if reason in line]
        assert route in line
        assert "1" in line
    assert "Columns that were not read: Telefon, column 8." in shown
    assert f"{tmp_path}/out/fejlliste.csv: 1 rejected. Correct" in shown
    assert not any(secret in shown for secret in SECRETS)


def test_a_shipment_without_rejects_says_so(run, shipment):
    shipment.write_text("cpr\n0101801239\n", encoding="utf-8")
    assert "empty, no row was rejected" in run().stdout


def test_a_heading_is_no_markup(run, shipment):
    shipment.write_text("cpr;[red]x[/red]\n0101801239;\n", encoding="utf-8")
    assert "not read: [red]x[/red]." in run().stdout


def test_a_stale_snapshot_is_told(run, fake):
    assert "horizon" not in run().stdout
    fake.info.stale = True
    assert "past its horizon" in run().stdout


def test_many_rows_make_many_batches_and_one_list(run, shipment, tmp_path):
    shipment.write_text("cpr\n" + "".join(f"{i:010}\n" for i in range(2345)), encoding="utf-8")
    assert run().exit_code == 0
    lines = (tmp_path / "out" / "decisions.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(";")[0] for line in lines[1:]] == [str(i) for i in range(1, 2346)]


def test_help_shows_examples():
    shown = CliRunner().invoke(resolve, ["--help"]).stdout
    assert "--personal-content --shipment-id may-letters" in shown
    assert "postnr and by beside it" in shown
