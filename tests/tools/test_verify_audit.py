"""The program that verifies an audit and adds it up."""

import importlib.util
import json

import pytest
from click.testing import CliRunner

from nursery import tool
from resolver_grpc.audit.chain import Chain
from resolver_grpc.audit.naming import list_chains
from resolver_grpc.audit.record import Record
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import Reason, Route
from resolver_grpc.times import parse_time

_SPEC = importlib.util.spec_from_file_location("verify_audit", tool("verify_audit"))
verify_audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(verify_audit)

DELIVERED = {(Route.MAILBOX, Reason.DELIVERABLE): 2, (Route.LETTER, Reason.EXEMPT): 1}
MISSED = {(Route.REJECT, Reason.NOT_FOUND): 5}


@pytest.fixture
def written(tmp_path):
    """An audit of three days: two senders, a refused batch."""
    (tmp_path / "audit").mkdir()
    key = create_key_file(tmp_path / "index.key")
    now, log = [parse_time("2026-11-01T12:00:00Z")], []
    chain = Chain(tmp_path / "audit", [AuditKeys.of(key)], 1, lambda: now[0], lambda news, end: log.append((news, end)))
    for day in (1, 2, 3):
        now[0] = parse_time(f"2026-11-0{day}T12:00:00Z")
        for sender_id, counts, targets in (("power", DELIVERED, 2), ("town", MISSED, 0)):
            chain.append([_record(sender_id=sender_id, counts=counts, targets=targets)])
        chain.append([_record(refusal="UNKNOWN_SENDER")])
    chain.close()
    lines = [json.dumps({"event": news.value, **end._asdict()}) for news, end in log]
    (tmp_path / "server.log").write_text("\n".join(["no JSON", "[]", *lines]), encoding="utf-8")
    return tmp_path


def _record(**fields):
    return Record(0, "loopback", "delivery", "5e", 7, 1, **fields)


def run(folder, *words):
    arguments = [str(word) for word in (folder / "audit", "--keys", folder / "index.key", *words)]
    result = CliRunner(env={"COLUMNS": "160"}).invoke(verify_audit.main, arguments)
    return result.exit_code, result.output


def rows(output):
    """The rows of the totals."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if "│" in line]
    return [(row[0], row[3], row[4]) for row in cells if len(row) == 5]


def test_a_sound_audit_is_told_so_and_added_up(written):
    code, output = run(written)
    assert code == 0
    assert "all of it holds" in output
    assert rows(output) == [
        ("", "refused, UNKNOWN_SENDER", "3"),
        ("power", "batches", "3"),
        ("power", "LETTER/EXEMPT", "3"),
        ("power", "MAILBOX/DELIVERABLE", "6"),
        ("power", "targets told", "6"),
        ("town", "batches", "3"),
        ("town", "REJECT/NOT_FOUND", "15"),
        ("town", "targets told", "0"),
    ]


def test_some_days_of_one_sender_are_added_up(written):
    code, output = run(written, "--from", "2026-11-02", "--until", "2026-11-03", "--sender", "power")
    assert code == 0
    assert rows(output) == [
        ("power", "batches", "2"),
        ("power", "LETTER/EXEMPT", "2"),
        ("power", "MAILBOX/DELIVERABLE", "4"),
        ("power", "targets told", "4"),
    ]


def test_tampering_ends_with_1_and_says_where(written):
    name = list_chains(written / "audit")[1]
    path = written / "audit" / name
    path.write_bytes(path.read_bytes().replace(b'"MAILBOX/DELIVERABLE":2', b'"MAILBOX/DELIVERABLE":1'))
    code, output = run(written)
    assert code == 1
    assert f"{name}, line 2: is not what was written here" in output
    assert "1 faults" in output
    assert ("power", "batches", "2") in rows(output)


def test_a_folder_that_was_emptied_is_found_by_a_log_kept_elsewhere(written):
    for path in list((written / "audit").iterdir()):
        path.unlink()
    assert run(written)[0] == 0
    code, output = run(written, "--checkpoints", written / "server.log")
    assert code == 1
    assert output.count("is gone, and a checkpoint states it") == 3


def test_a_log_that_fits_holds(written):
    assert run(written, "--checkpoints", written / "server.log")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "yesterday"], "not a day"),
        (["--checkpoints", "nowhere.log"], "nowhere.log"),
        (["--keys", "nowhere.key"], "nowhere.key: can't be read"),
    ],
)
def test_what_cannot_be_verified_ends_with_2(written, words, sentence):
    code, output = run(written, *words)
    assert code == 2
    assert sentence in output


def test_a_folder_that_is_none_ends_with_2(tmp_path):
    create_key_file(tmp_path / "index.key")
    code, output = run(tmp_path)
    assert code == 2
    assert "no folder" in output


def test_another_key_proves_nothing(written):
    create_key_file(written / "other.key")
    code, output = run(written, "--keys", written / "other.key")
    assert code == 1
    assert "which the key file doesn't hold" in output
