"""The command line as a person or a job meets it: the programs themselves, started for real."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from redaction import checked_lines
from resolver_grpc.cli import main
from resolver_grpc.policy.table import table_markdown
from small_register import ANN, build_register

COMMAND = Path(sys.executable).with_name("resolver-grpc")
TOOLS = Path(__file__).parents[1] / "tools"
SENDERS = """
[[senders]]
id = "power"
name = "Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["FULL_NAME", "CPR"]
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A register that no other server in this process has open."""
    return build_register(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def options(own, tmp_path):
    (tmp_path / "senders.toml").write_text(SENDERS, encoding="utf-8")
    return {
        "--snapshot": str(own.directory),
        "--keys": str(own.key_file),
        "--senders": str(tmp_path / "senders.toml"),
        "--listen": "127.0.0.1:0",
        "--as-of": "2026-11-01T11:00:00Z",
    }


def serve(options):
    return CliRunner().invoke(main, ["serve", "--insecure", *(word for option in options.items() for word in option)])


def truncated(options, tmp_path):
    copy = tmp_path / "truncated"
    shutil.copytree(options["--snapshot"], copy)
    index = copy / "index.lmdb"
    index.write_bytes(index.read_bytes()[:-4096])
    return {"--snapshot": str(copy)}


def flipped(options, tmp_path):
    copy = tmp_path / "flipped"
    shutil.copytree(options["--snapshot"], copy)
    data = bytearray((copy / "index.lmdb").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "index.lmdb").write_bytes(data)
    return {"--snapshot": str(copy)}


def foreign_key(_options, tmp_path):
    CliRunner().invoke(main, ["keys", "new", str(tmp_path / "other.key")])
    return {"--keys": str(tmp_path / "other.key")}


def open_key(options, tmp_path):
    copy = tmp_path / "open.key"
    shutil.copy(options["--keys"], copy)
    copy.chmod(0o644)
    return {"--keys": str(copy)}


def new_log_of_changes(options, tmp_path):
    CliRunner().invoke(main, ["changes", "new", str(tmp_path / "log"), "--keys", options["--keys"]])
    return {"--changes": str(tmp_path / "log")}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--snapshot": "nowhere"}, "There is no snapshot at nowhere"),
        (truncated, "index.lmdb"),
        (flipped, "index.lmdb"),
        (foreign_key, "built under another key; pass the key file that the builder used"),
        ({"--keys": "nowhere.key"}, "nowhere.key: can't be read"),
        (open_key, "others may read it; run `chmod 600` on it"),
        ({"--senders": "nowhere.toml"}, "nowhere.toml: can't be read"),
        ({"--listen": "0.0.0.0:50051"}, "loopback"),
        ({"--listen": "192.168.1.2:50051"}, "loopback"),
        ({"--listen": "example.dk:50051"}, "loopback"),
        ({"--listen": "127.0.0.1"}, "--listen wants HOST:PORT"),
        ({"--listen": "127.0.0.1:x"}, "--listen wants HOST:PORT"),
        ({"--as-of": "2026-10-31T22:59:59Z"}, "--as-of lies before the snapshot's register date 2026-11-01"),
        ({"--as-of": "2106-02-08"}, "--as-of lies after 2106"),
        ({"--as-of": "noon"}, "--as-of is neither a day"),
        ({"--changes": "nowhere"}, "nowhere: is missing; restore it, or make the first one with"),
        (new_log_of_changes, "up to 7, and the log ends with 0"),
        ({"--audit": "nowhere"}, "nowhere: the audit can't be written there (No such file or directory)"),
    ],
)
def test_serve_ends_with_one_line_that_says_what_and_where(options, tmp_path, changed, sentence):
    result = serve(options | (changed(options, tmp_path) if callable(changed) else changed))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert sentence in result.stderr
    assert not result.stdout


def test_a_port_that_is_taken_is_told(options, running_server):
    result = serve(options | {"--listen": running_server.target})
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert f"{running_server.target}: can't be listened on" in result.stderr


def test_a_shipment_resolves_from_program_to_program_and_the_server_drains(options, tmp_path):
    command = [COMMAND, "serve", "--insecure", *(word for option in options.items() for word in option)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        started = json.loads(server.stderr.readline())
        assert (started["event"], started["register_date"]) == ("serving", "2026-11-01")
        shipment = tmp_path / "shipment.csv"
        shipment.write_text(
            "Løbenr;Navn;Adresse;Postnr;By;CPR-nr\n1;Ann Bo;Vestergade 12, 3. tv;8000;Aarhus C;\n"
            f"2;;;;;{ANN}\n3;Ann;;;;\n",
            encoding="cp1252",
        )
        resolve = [COMMAND, "resolve", shipment, "--sender", "power", "--server", started["address"]]
        done = subprocess.run([*resolve, "--out", tmp_path / "lists"], check=True, capture_output=True, text=True)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
        log = [json.loads(line)["event"] for line in checked_lines(server.stderr)]
    assert log == ["draining", "stopped"]
    assert "DELIVERABLE" in done.stdout
    with (tmp_path / "lists" / "decisions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["reference"], row["reason"], row["numbers"]) for row in csv.DictReader(file, delimiter=";")]
    assert rows == [("1", "DELIVERABLE", ANN), ("2", "DELIVERABLE", ANN), ("3", "NAME_INCOMPLETE", "")]


def test_a_store_is_served_by_its_live_generation(options, own, tmp_path):
    store = tmp_path / "store"
    placed = [sys.executable, TOOLS / "publish_snapshot.py", "place", store, own.directory, "--keys", own.key_file]
    subprocess.run(placed, check=True, capture_output=True)
    command = [
        COMMAND,
        "serve",
        "--insecure",
        *(word for pair in (options | {"--snapshot": str(store)}).items() for word in pair),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        started = json.loads(server.stderr.readline())
        server.send_signal(signal.SIGTERM)
        server.communicate()
    assert (started["snapshot_id"], server.returncode) == (own.built.manifest.snapshot_id, 0)


def test_a_store_without_a_generation_is_refused(options, tmp_path):
    (tmp_path / "store" / "generations").mkdir(parents=True)
    result = serve(options | {"--snapshot": str(tmp_path / "store")})
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "has no generation yet; place a snapshot in it first" in result.stderr


def test_a_key_is_new_each_time_and_never_overwritten(tmp_path):
    file = tmp_path / "index.key"
    first = CliRunner().invoke(main, ["keys", "new", str(file)])
    assert (first.exit_code, file.stat().st_mode & 0o777) == (0, 0o600)
    content = file.read_bytes()
    assert content.decode().split()[-2] not in first.output
    again = CliRunner().invoke(main, ["keys", "new", str(file)])
    assert (again.exit_code, file.read_bytes()) == (2, content)
    assert again.stderr.startswith("error: ")
    other = CliRunner().invoke(main, ["keys", "new", str(tmp_path / "other.key")])
    assert other.output.split()[-1] != first.output.split()[-1]


def test_a_log_of_changes_is_begun_once_for_its_owner_alone(own, tmp_path):
    words = ["changes", "new", str(tmp_path / "log"), "--keys", str(own.key_file)]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    again = CliRunner().invoke(main, words)
    assert (again.exit_code, len(again.stderr.splitlines())) == (2, 1)
    assert "is there already" in again.stderr


def test_the_decision_table_is_printed():
    assert CliRunner().invoke(main, ["decision-table"]).output == table_markdown()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["resolve"],
        ["keys"],
        ["keys", "new"],
        ["keys", "list"],
        ["keys", "rotate"],
        ["keys", "drop"],
        ["changes"],
        ["changes", "new"],
    ],
)
def test_help_has_examples(arguments):
    shown = CliRunner().invoke(main, [*arguments, "--help"])
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert "resolver-grpc " in shown.output


@pytest.mark.parametrize("tool", sorted(TOOLS.glob("*.py")), ids=lambda path: path.stem)
def test_every_tool_has_help_with_examples(tool):
    shown = subprocess.run([sys.executable, tool, "--help"], check=True, capture_output=True, text=True).stdout
    assert "Example" in shown
    assert f"tools/{tool.name} " in shown
