"""Senders change while the server runs: what their file says now counts from the next batch on."""

import asyncio
import os
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest
import structlog
from test_auditing import status_of
from worker_nursery import COMMAND, supervised

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Kind, Reason, Role
from resolver_grpc.server.batch import finish, for_any_sender
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.roster import Roster, RosterWatch
from resolver_grpc.server.served import open_served
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import NOON, build_register, serving

NOBODY = Query(reference="r", kind=Kind.CPR.value, number="0101801200")
BROKEN = "[[senders]]\nid = 3\n"


def table(sender_id, **more):
    cells = {"id": sender_id, "name": "S", "cvr": "13585628", "class": "PRIVATE"} | more
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in cells.items()
    ]
    return "\n".join(["[[senders]]", *lines, 'kinds = ["CPR", "FULL_NAME"]', ""])


def write(path, *tables):
    """Puts another file in the place of the senders'."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text("\n".join(tables), encoding="utf-8")
    fresh.rename(path)


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "senders.toml", table("power"))
    return tmp_path / "senders.toml"


class Watched:
    """A roster without a server around it."""

    def __init__(self, path):
        self.logged = []
        self.roster = Roster(path)
        self.in_service = InService(SimpleNamespace())
        self.watch = RosterWatch(self.roster, self.in_service, structlog.wrap_logger(None, processors=[self.keep]))

    def keep(self, _logger, _level, event):
        self.logged.append(event["event"])
        raise structlog.DropEvent

    def look(self):
        asyncio.run(self.watch.look())
        return sorted(self.roster)


def test_senders_come_and_go_with_the_file(path):
    watched = Watched(path)
    assert watched.look() == ["power"]
    write(path, table("power"), table("town"))
    assert watched.look() == ["power", "town"]
    write(path, table("town"))
    assert watched.look() == ["town"]
    assert watched.logged == ["senders taken up"] * 2


def test_a_file_that_was_only_touched_is_read_once_and_one_that_was_not_is_not_read(path):
    watched = Watched(path)
    watched.look()
    os.utime(path)
    assert watched.look() == watched.look() == ["power"]
    assert watched.logged == ["senders taken up"]


def test_a_broken_or_missing_file_is_refused_once_and_the_former_senders_stay(path):
    watched = Watched(path)
    for break_it in (lambda: write(path, BROKEN), path.unlink):
        break_it()
        assert watched.look() == watched.look() == ["power"]
        assert "senders.toml" in watched.in_service.senders_refusal
    write(path, table("town"))
    assert watched.look() == ["town"]
    assert watched.in_service.senders_refusal == ""
    assert watched.logged == ["senders refused", "senders refused", "senders taken up"]


def test_a_file_that_changes_while_it_is_read_is_left_to_the_next_look(path, monkeypatch):
    """The first half of a file can be a sound one, with fewer senders."""
    watched, whole = Watched(path), [table("power"), table("town")]
    write(path, whole[0])
    read_senders = "resolver_grpc.server.roster.read_senders"

    def read_half(file):
        write(path, *whole)
        return {}

    with monkeypatch.context() as half_way:
        half_way.setattr(read_senders, read_half)
        assert watched.look() == ["power"]
    assert watched.look() == ["power", "town"]


def test_a_file_that_is_refused_at_the_start_is_an_error(path):
    write(path, BROKEN)
    with pytest.raises(ConfigurationError, match="sender 1"):
        Roster(path)


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    return build_register(tmp_path_factory.mktemp("roster"))


@contextmanager
def following(register, path):
    with serving(register, Roster(path), interval=0.005) as server, grpc.insecure_channel(server.target) as channel:
        yield channel


def reason_for(channel, sender_id):
    """What a query that nobody is found by comes to."""
    request = wire.ResolveBatchRequest(sender_id=sender_id, queries=[NOBODY])
    try:
        (row,) = ResolverServiceStub(channel).ResolveBatch(request).decisions
    except grpc.RpcError as error:
        return error.code().name
    return Reason(row.reason).name


def wait_until(told, expected):
    """Asks again and again; a test that waits for nothing ends by its own time-out."""
    while told() != expected:
        pass


@pytest.mark.parametrize("way", ["on", "off"])
def test_a_running_server_takes_up_senders_and_what_they_may(register, path, monkeypatch, way):
    monkeypatch.setenv("RESOLVER_FASTPATH", way)
    with following(register, path) as channel:
        assert [reason_for(channel, one) for one in ("power", "town")] == ["NOT_FOUND", "PERMISSION_DENIED"]
        write(path, table("power"), table("town"))
        wait_until(lambda: reason_for(channel, "town"), "NOT_FOUND")
        write(path, table("power", hold=True, terms_consent=True))
        wait_until(lambda: reason_for(channel, "power"), "HELD_FOR_SENDER")
        assert reason_for(channel, "town") == "PERMISSION_DENIED"
        write(path, BROKEN)
        wait_until(lambda: status_of(channel, "senders"), "NOT_SERVING")
        assert (reason_for(channel, "power"), status_of(channel, "")) == ("HELD_FOR_SENDER", "SERVING")
        write(path, table("power"))
        wait_until(lambda: reason_for(channel, "power"), "NOT_FOUND")
        wait_until(lambda: status_of(channel, "senders"), "SERVING")


def test_a_stream_notices_between_two_messages(register, path):
    with following(register, path) as channel:
        request = wire.ResolveStreamRequest(sender_id="power", queries=[NOBODY])
        state = {"is_over": False}

        def requests():
            while not state["is_over"]:
                yield request

        reasons = []
        for response in ResolverServiceStub(channel).ResolveStream(requests()):
            reason = Reason(response.decisions[0].reason)
            if reason not in reasons:
                reasons.append(reason)
                write(path, table("power", hold=True, terms_consent=True))
            state["is_over"] = reason is Reason.HELD_FOR_SENDER
        assert reasons == [Reason.NOT_FOUND, Reason.HELD_FOR_SENDER]


def test_a_batch_under_way_keeps_the_sender_that_it_began_with(register, path):
    """Its queries are decided by one profile, whatever becomes of the file in between."""
    roster = Roster(path)
    served = open_served(register.directory, register.key, roster, NOON)
    request = wire.ResolveBatchRequest(sender_id="power", queries=[NOBODY] * 2_000).SerializeToString()
    steps = served.batches.steps(request, NOON, for_any_sender, Role.INTAKE)
    next(steps)
    write(path, table("power", hold=True, terms_consent=True))
    roster.take_up(dict(Roster(path)))
    response = wire.ResolveBatchResponse.FromString(finish(steps).response)
    reasons = {row.reason for row in response.decisions}
    assert reasons == {Reason.NOT_FOUND}
    served.snapshot.index.close()


def test_every_worker_takes_up_what_changed_without_a_signal(register, path):
    words = ["--snapshot", register.directory, "--keys", register.key_file, "--senders", path, "--workers", "2"]
    command = [COMMAND, "serve", "--insecure", *words, "--as-of", "2026-11-01", "--listen", "127.0.0.1:0"]
    with supervised(command) as server:
        write(path, table("power"), table("town"))
        told = {server.wait_for("senders taken up")["worker"] for _ in range(2)}
        assert told == {1, 2}
        for _ in range(8):
            with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                assert reason_for(channel, "town") == "NOT_FOUND"
        write(path, BROKEN)
        assert "sender 1" in server.wait_for("senders refused")["reason"]
        os.kill(server.process.pid, signal.SIGTERM)
        server.read_to_the_end()
        assert server.process.wait() == 0
