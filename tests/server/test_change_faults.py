"""A log that can't be read or written: nothing is answered that may be wrong, nothing acknowledged that may be lost."""

import pytest
from access_nursery import outcome
from change_nursery import fresh_id, new_log, registering, unchanged
from grpc_health.v1 import health_pb2, health_pb2_grpc

from change_messages import message
from nursery import mounted_disk, room_left
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import Entry, LogKey
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.key_file import read_key_ring, rotate_key_file
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.server.opening import open_plan
from resolver_grpc.server.plan import Plan
from small_register import ANN, NOON, serving

BY_NUMBER = QueryRow("", Kind.CPR, number=ANN)
UNAVAILABLE = "UNAVAILABLE", "CHANGE_LOG_UNAVAILABLE"
OTHER_KEY = MasterKey(b"other" + bytes(27))


def sent(name, number=ANN, **fields):
    return message(name, number, "2026-10-31T12:00:00Z", fresh_id(), **fields)


@pytest.fixture
def register(tmp_path):
    return unchanged(tmp_path)


def healthy(registrar):
    """Which of the names that changes have a say in are SERVING."""
    stub = health_pb2_grpc.HealthStub(registrar.channel)
    ask = health_pb2.HealthCheckRequest
    return [stub.Check(ask(service=name)).status == health_pb2.HealthCheckResponse.SERVING for name in ("", "changes")]


def wait_for_health(registrar, wanted):
    while healthy(registrar) != wanted:
        pass


def write_under(log, key, entry):
    """Has another process's key seal an entry."""
    own, log._active = log._active, LogKey.of(key, log.log_id)
    try:
        log.append([entry])
    finally:
        log._active = own
    log._state_last(log.last_sequence())


def test_while_the_log_can_not_be_read_nothing_is_resolved_and_nothing_is_taken(register, tmp_path):
    """The entry may withdraw a consent: who can't read it must not go on from what was known before."""
    log = new_log(tmp_path / "log", register.key)
    kept = []
    with registering(register, log, tmp_path, keep_log=kept.append) as registrar:
        assert registrar.ask(BY_NUMBER)[0] == "DELIVERABLE"
        assert healthy(registrar) == [True, True]
        write_under(kept[0], OTHER_KEY, Entry("x", b"content"))
        assert outcome(lambda: registrar.resolve(BY_NUMBER)) == UNAVAILABLE
        assert outcome(lambda: registrar.apply(sent("logged_in"))) == UNAVAILABLE
        wait_for_health(registrar, [False, False])


def test_a_server_does_not_begin_with_an_entry_that_it_can_not_read(register, tmp_path):
    log = new_log(tmp_path / "log", register.key)
    with ChangeLog(log, read_key_ring(register.key_file)) as opened:
        write_under(opened, OTHER_KEY, Entry("x", b"content"))
    with (
        pytest.raises(ChangeLogError, match="entry 1 is damaged or under a key not held"),
        serving(register, changes=log),
    ):
        pass


def test_on_a_full_disk_changes_are_refused_and_queries_answered_until_there_is_room(register, tmp_path):
    with mounted_disk(tmp_path / "disk", "1m") as disk:
        log = new_log(disk / "log", register.key)
        with registering(register, log, tmp_path) as registrar:
            registrar.took(sent("logged_in"))
            with room_left(disk, 8192):
                assert outcome(lambda: registrar.apply(*(sent("logged_in") for _ in range(100)))) == UNAVAILABLE
                assert registrar.ask(BY_NUMBER)[0] == "DELIVERABLE"
                wait_for_health(registrar, [True, False])
            assert registrar.took(sent("logged_in")) == [2]
            wait_for_health(registrar, [True, True])


def plan_of(register, tmp_path):
    (tmp_path / "senders.toml").write_text(SENDERS, encoding="utf-8")
    return Plan(register.directory, register.key_file, tmp_path / "senders.toml", "", NOON, changes=tmp_path / "log")


SENDERS = """
[[senders]]
id = "power"
name = "Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["CPR"]
"""


def test_a_log_that_is_gone_is_not_begun_anew(register, tmp_path):
    with pytest.raises(ChangeLogError, match="is missing; restore it"):
        open_plan(plan_of(register, tmp_path))
    assert not (tmp_path / "log").exists()


def test_an_entry_under_a_key_that_was_made_meanwhile_is_read(register, tmp_path):
    """Another worker began after the rotation, and seals under the new key."""
    new_log(tmp_path / "log", register.key)
    opened = open_plan(plan_of(register, tmp_path))
    try:
        rotate_key_file(register.key_file)
        change = sent("mailbox_closed")
        entry = Entry(change.change_id, change.SerializeToString())
        write_under(opened.changes, read_key_ring(register.key_file).active, entry)
        opened.served.overlaid.replay()
        assert opened.served.change_sequence == 1
        state = opened.served.overlaid.state(ANN)
        assert state.facts["mailbox"][-1].end < NOON
    finally:
        opened.close()
