"""Several workers on one port, as real processes: they answer, die, are replaced, drain."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import ExitStack

import grpc
import pytest
from worker_nursery import quick_command, serve_command, supervised

from hot_swap_store import TELLING_QUERIES, build_variants, decisions_of
from resolver_grpc.client import Query, ResolverClient
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import QueryRow
from resolver_grpc.server.opening import open_plan
from resolver_grpc.server.plan import Plan
from resolver_grpc.snapshot.placing import place
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query as WireQuery
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import NOON

SENDER_ID = "town"
SENDERS = """
[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
kinds = ["FULL_NAME", "FIRST_NAME", "ADDRESS", "EMAIL", "CPR"]
"""
ANSWER_OF_VARIANT_0 = [(one.route, one.reason) for one in decisions_of(0)]
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
CALLERS = 2
CALLS_AT_A_TIME = 8


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return build_variants(tmp_path_factory.mktemp("variants"), 2)


@pytest.fixture
def folder(variants, tmp_path):
    """What a server needs: snapshot, key file and senders."""
    (tmp_path / "snapshot").symlink_to(variants.folders[0])
    shutil.copy(variants.key_file, tmp_path / "index.key")
    (tmp_path / "senders.toml").write_text(SENDERS, encoding="utf-8")
    return tmp_path


def fields_of(row):
    return {name: getattr(row, name) for name in QueryRow.__slots__}


def request(kind=wire.ResolveBatchRequest):
    return kind(sender_id=SENDER_ID, queries=[WireQuery(**fields_of(row)) for row in TELLING_QUERIES])


def told(response):
    return [(one.route, one.reason) for one in response.decisions]


def resolve(client):
    queries = [Query(**fields_of(row)) for row in TELLING_QUERIES]
    return [(one.route, one.reason) for one in client.resolve(queries, sender_id=SENDER_ID)]


def run_to_its_error(command):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_workers_answer_alike_on_a_port_that_nobody_else_can_have(folder):
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        assert server.logged[0] == server.logged[0] | {"event": "serving", "workers": 2, "senders": 1}
        assert len(server.workers()) == server.listeners() == 2
        with ExitStack() as open_channels:
            for _ in range(16):
                channel = open_channels.enter_context(grpc.insecure_channel(server.address, options=OWN_CONNECTION))
                assert told(ResolverServiceStub(channel).ResolveBatch(request())) == ANSWER_OF_VARIANT_0
        for workers in "12":
            code, error = run_to_its_error(serve_command(folder, "--listen", server.address, "--workers", workers))
            sentence = f"error: {server.address}: can't be listened on; choose a port that is free\n"
            assert (code, error) == (2, sentence)
        assert server.end() == 0
        assert server.listeners() == 0


def test_killed_workers_are_replaced_and_a_client_that_tries_again_notices_nothing(folder):
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        killed = server.workers()
        with ResolverClient(server.address) as client:
            assert resolve(client) == ANSWER_OF_VARIANT_0
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            assert resolve(client) == ANSWER_OF_VARIANT_0
        for _ in killed:
            server.wait_for("worker serving")
        assert server.listeners() == 2
        assert not set(killed) & set(server.workers())
        died = {(line["worker"], line["exit_code"]) for line in server.logged if line["event"] == "worker died"}
        assert died == {(1, -signal.SIGKILL), (2, -signal.SIGKILL)}
        assert server.end() == 0


class Caller:
    """Makes calls without pause until the block ends; one that reached nobody is made again, once.

    The kernel resets a connection that is made at the very instant in which a worker stops to listen.
    """

    def __init__(self, address):
        self.answers, self.fault = 0, None
        self._address = address
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with grpc.insecure_channel(self._address, options=OWN_CONNECTION) as channel:
            stub, message = ResolverServiceStub(channel), request()
            try:
                while not self._enough.is_set():
                    for call in [stub.ResolveBatch.future(message) for _ in range(CALLS_AT_A_TIME)]:
                        assert told(self._answer(stub, message, call)) == ANSWER_OF_VARIANT_0
                        self.answers += 1
            except (grpc.RpcError, AssertionError) as error:
                self.fault = error

    def _answer(self, stub, message, call):
        try:
            return call.result()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return stub.ResolveBatch(message, wait_for_ready=True, timeout=30)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._enough.set()
        self._thread.join()


def test_all_workers_are_replaced_without_a_call_lost(folder):
    """Each client is told to connect to another worker while its own still answers."""
    with supervised(quick_command(folder, NOON)) as server, ExitStack() as running:
        callers = [running.enter_context(Caller(server.address)) for _ in range(CALLERS)]
        seen = set(server.workers())
        for _ in range(2):
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("workers replaced")
            assert not seen & set(server.workers())
            seen |= set(server.workers())
        running.close()
        assert [caller.fault for caller in callers] == [None] * CALLERS
        assert all(caller.answers for caller in callers)
        assert len(seen) == 6
        assert server.end() == 0
    assert "worker died" not in {line["event"] for line in server.logged}
    ends = [line["event"] for line in server.logged if line.get("worker") == 1 and line["event"] != "worker serving"]
    assert ends == ["leaving", "draining", "stopped"] * 2 + ["draining", "stopped"]


def test_workers_that_would_not_serve_replace_nobody(folder):
    with supervised(quick_command(folder, NOON)) as server:
        before = server.workers()
        (folder / "senders.toml").write_text("[[senders]]\n", encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        refused = server.wait_for("workers not replaced")
        assert (refused["level"], refused["worker"]) == ("error", 1)
        assert "senders.toml: sender 1" in refused["reason"]
        assert set(before) <= set(server.workers())
        with ResolverClient(server.address) as client:
            assert resolve(client) == ANSWER_OF_VARIANT_0
        assert server.end() == 0


def test_calls_under_way_are_finished_before_the_workers_end(folder):
    goes_on = threading.Event()

    def requests():
        yield request(wire.ResolveStreamRequest)
        assert goes_on.wait(30)
        yield request(wire.ResolveStreamRequest)

    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        with grpc.insecure_channel(server.address) as channel:
            stream = ResolverServiceStub(channel).ResolveStream(requests())
            assert told(next(stream)) == ANSWER_OF_VARIANT_0
            server.process.send_signal(signal.SIGTERM)
            while "worker" not in server.wait_for("draining"):
                pass
            goes_on.set()
            assert [told(response) for response in stream] == [ANSWER_OF_VARIANT_0]
        rest = server.read_to_the_end()
        assert server.process.wait() == 0
    assert [line.get("worker") for line in rest if line["event"] == "stopped"][-1] is None
    assert {line.get("worker") for line in rest if line["event"] == "stopped"} == {1, 2, None}


def test_a_terminals_interrupt_reaches_all_and_drains_once(folder):
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        os.killpg(server.process.pid, signal.SIGINT)
        rest = server.read_to_the_end()
        assert server.process.wait() == 0
    events = sorted((line["event"], line.get("worker", 0)) for line in rest)
    assert events == [(event, worker) for event in ("draining", "stopped") for worker in (0, 1, 2)]


def test_workers_whose_supervisor_is_killed_end(folder):
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        server.process.kill()
        rest = server.read_to_the_end()
        assert server.listeners() == 0
    assert sorted(line["worker"] for line in rest if line["event"] == "stopped") == [1, 2]


def test_every_worker_follows_the_store(variants, folder):
    store = folder / "store"
    place(store, variants.folders[0], variants.key)
    (folder / "snapshot").unlink()
    (folder / "snapshot").symlink_to(store)
    with supervised(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "2")) as server:
        place(store, variants.folders[1], variants.key)
        lines = [server.wait_for("generation taken up") for _ in range(2)]
        assert server.end() == 0
    assert {line["worker"] for line in lines} == {1, 2}
    assert {(line["generation"], line["snapshot_id"]) for line in lines} == {(2, variants.ids[1])}


def test_what_was_open_when_the_worker_began_is_given_back_once_another_snapshot_is_served(variants, folder):
    """The garbage collector never looks at it again, and need not: nothing of it is held in a circle."""
    served, *_ = open_plan(Plan(folder / "snapshot", folder / "index.key", folder / "senders.toml", "", NOON))
    try:
        index = weakref.ref(served.snapshot.index)
        assert gc.get_freeze_count()
        served.snapshot.index.close()
        del served
        assert index() is None
    finally:
        gc.unfreeze()


def damage_the_snapshot(folder):
    copy = shutil.copytree(folder / "snapshot", folder / "damaged")
    (copy / "index.lmdb").write_bytes((copy / "index.lmdb").read_bytes()[:-4096])
    (folder / "snapshot").unlink()
    (folder / "snapshot").symlink_to(copy)


def take_another_key(folder):
    (folder / "index.key").unlink()
    create_key_file(folder / "index.key")


def lose_the_senders(folder):
    (folder / "senders.toml").unlink()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (damage_the_snapshot, "index.lmdb"),
        (take_another_key, "built under another key; pass the key file that the builder used"),
        (lose_the_senders, "senders.toml: can't be read: No such file or directory"),
    ],
)
def test_what_no_worker_can_open_ends_with_one_line(folder, spoil, sentence):
    spoil(folder)
    code, error = run_to_its_error(serve_command(folder, "--listen", "127.0.0.1:0", "--workers", "3"))
    assert (code, len(error.splitlines())) == (2, 1)
    assert error.startswith("error: ")
    assert sentence in error


def test_the_supervisor_loads_neither_grpc_nor_lmdb():
    program = (
        "import resolver_grpc.cli, sys;"
        "sys.exit(str([name for name in ('grpc', 'lmdb', 'pyroaring', 'google.protobuf') if name in sys.modules]))"
    )
    assert run_to_its_error([sys.executable, "-c", program])[1] == "[]\n"
