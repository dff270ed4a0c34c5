"""A running server takes up what becomes the live generation: streams that never pause, health, server info."""

import itertools
import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hot_swap_load import DEADLINE_SECONDS, Calls, Stream, expected_of, poll, request, told
from hot_swap_store import SENDER, Following, build_variants, change_manifest, make_current, server_following
from redaction import checked_lines
from resolver_grpc.cli import main
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.snapshot.generations import generation_path
from resolver_grpc.snapshot.placing import place, roll_back
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub

SWAPS = 20
REGISTERS = 6


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return build_variants(tmp_path_factory.mktemp("variants"), REGISTERS)


def test_streams_and_calls_go_on_through_twenty_swaps_and_a_rollback(variants, tmp_path):
    """Nothing fails, every batch is one snapshot's whole, and the snapshots come in the order of publishing."""
    store, expected = tmp_path / "store", expected_of(variants)
    published = [variants.ids[number % REGISTERS] for number in range(SWAPS + 1)]
    for number in range(SWAPS + 1):
        place(store, variants.folders[number % REGISTERS], variants.key)
    roll_back(store, 1)
    following = Following(store, variants.key)
    with server_following(following) as target, grpc.insecure_channel(target) as channel:
        stub = ResolverServiceStub(channel)
        with Stream(stub) as stream, Calls(stub) as calls:
            for number, snapshot_id in enumerate(published, start=1):
                make_current(store, number)
                for reader in (stream, calls):
                    reader.wait_for(snapshot_id)
            roll_back(store)
            for reader in (stream, calls):
                reader.wait_for(published[-2])
    assert len(set(expected.values())) == REGISTERS
    for reader in (stream, calls):
        assert reader.fault is None
        assert all(decisions == expected[snapshot_id] for snapshot_id, decisions in reader.responses)
        served = [snapshot_id for snapshot_id, _ in itertools.groupby(snapshot for snapshot, _ in reader.responses)]
        assert served == [*published, published[-2]]
    assert following.openings == SWAPS + 2, "each is opened once each time that it becomes the live one"
    assert all(len(still_open) <= 1 for still_open in following.open_at_openings)
    assert [event for event, _ in following.events()] == ["generation taken up"] * (SWAPS + 1)


@contextmanager
def asking(target):
    with grpc.insecure_channel(target) as channel:
        yield ResolverServiceStub(channel), health_pb2_grpc.HealthStub(channel)


def info_of(stub):
    return stub.GetServerInfo(wire.GetServerInfoRequest())


def is_well(health, name):
    answer = health.Check(health_pb2.HealthCheckRequest(service=name))
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_refusal_is_told_by_server_info_and_health_until_it_is_over(variants, tmp_path):
    store = tmp_path / "store"
    for folder in variants.folders[:2]:
        place(store, folder, variants.key)
    roll_back(store)
    index = generation_path(store, 2) / INDEX_FILE
    index.write_bytes(index.read_bytes()[:-1] + b"\x01")
    following = Following(store, variants.key)
    with server_following(following) as target, asking(target) as (stub, health):
        before = info_of(stub)
        assert (before.generation, before.snapshot_id) == (1, variants.ids[0])
        assert (before.refused_generation, before.refusal_reason) == (0, "")
        assert is_well(health, "generation")

        make_current(store, 2)
        refused = poll(lambda: (info := info_of(stub)).refusal_reason and info, "the refusal")
        assert (refused.generation, refused.snapshot_id, refused.refused_generation) == (1, variants.ids[0], 2)
        assert refused.refusal_reason == (
            "The index store/generations/2/index.lmdb is damaged, its digest is another; publish the snapshot again."
        )
        poll(lambda: not is_well(health, "generation"), "health of the refusal")
        assert [is_well(health, name) for name in ("", "resolver_grpc.v1.ResolverService", "snapshot")] == [True] * 3
        assert told(stub.ResolveBatch(request()))[1] == expected_of(variants)[variants.ids[0]]

        (tmp_path / "shipment.csv").write_text("Løbenr;CPR-nr\n1;0101801239\n", encoding="utf-8")
        shipment = [str(tmp_path / "shipment.csv"), "--out", str(tmp_path / "lists")]
        resolved = CliRunner().invoke(main, ["resolve", *shipment, "--sender", SENDER.id, "--server", target])
        assert "The server refuses the snapshot that is live and answers from another" in resolved.stdout

        place(store, variants.folders[1], variants.key)
        after = poll(lambda: (info := info_of(stub)).generation == 3 and info, "generation 3")
        assert (after.snapshot_id, after.refused_generation, after.refusal_reason) == (variants.ids[1], 0, "")
        poll(lambda: is_well(health, "generation"), "health of generation 3")
    assert following.events() == [("generation refused", 2), ("generation taken up", 3)]
    assert str(index) in following.logged[0]["reason"]


def test_health_and_server_info_follow_the_register_date_of_what_is_served(variants, tmp_path):
    """A stale snapshot's successor is fresh; a rollback to it is stale again."""
    store, week_later = tmp_path / "store", parse_time("2026-11-08")
    for folder in variants.folders[:2]:
        place(store, folder, variants.key)
    change_manifest(generation_path(store, 2), register_date="2026-11-08")
    roll_back(store)
    following = Following(store, variants.key, as_of=None)
    with server_following(following, clock=lambda: week_later) as target, asking(target) as (stub, health):
        assert (info_of(stub).register_date, info_of(stub).stale) == ("2026-11-01", True)
        poll(lambda: is_well(health, "") and not is_well(health, "snapshot"), "health of generation 1")
        roll_back(store, 2)
        info = poll(lambda: (info := info_of(stub)).generation == 2 and info, "generation 2")
        assert (info.register_date, info.stale) == ("2026-11-08", False)
        assert info.horizon_time.ToJsonString() == "2026-11-14T23:00:00Z"
        poll(lambda: is_well(health, "snapshot"), "health of generation 2")
        roll_back(store)
        poll(lambda: not is_well(health, "snapshot"), "health of the rollback")
        assert info_of(stub).stale


def test_a_snapshot_in_no_store_is_no_generation_and_well(running_server):
    with asking(running_server.target) as (stub, health):
        info = info_of(stub)
        assert (info.generation, info.refused_generation, info.refusal_reason) == (0, 0, "")
        assert is_well(health, "generation")


def test_a_generation_that_is_being_opened_when_the_server_drains_is_closed_unserved(variants, tmp_path):
    store, ids = tmp_path / "store", variants.ids
    place(store, variants.folders[0], variants.key)
    is_opening, is_draining = threading.Event(), threading.Event()
    following = Following(store, variants.key)
    with server_following(following) as target, asking(target) as (stub, _):

        def wait_for_the_drain():
            is_opening.set()
            assert is_draining.wait(DEADLINE_SECONDS)

        def tell_of_the_drain():
            with asking(target) as (_, health):
                for answer in health.Watch(health_pb2.HealthCheckRequest(service="")):
                    if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                        is_draining.set()
                        return

        following.before = wait_for_the_drain
        watcher = threading.Thread(target=tell_of_the_drain)
        watcher.start()
        place(store, variants.folders[1], variants.key)
        assert is_opening.wait(DEADLINE_SECONDS)
        assert told(stub.ResolveBatch(request()))[0] == ids[0]
    watcher.join()
    assert [served.generation for served in following.opened] == [1, 2]
    assert following.events() == []


COMMAND = Path(sys.executable).with_name("resolver-grpc")
SENDERS = '[[senders]]\nid = "town"\nname = "Town"\ncvr = "61126228"\nclass = "PUBLIC"\nkinds = ["CPR"]\n'


def test_the_program_follows_a_store_and_says_so_in_its_log(variants, tmp_path):
    store = tmp_path / "store"
    place(store, variants.folders[0], variants.key)
    (tmp_path / "senders.toml").write_text(SENDERS, encoding="utf-8")
    options = ["--snapshot", "store", "--keys", variants.key_file, "--senders", "senders.toml"]
    options += ["--listen", "127.0.0.1:0", "--as-of", "2026-11-01T11:00:00Z"]
    with subprocess.Popen(
        [COMMAND, "serve", "--insecure", *options], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        lines = (json.loads(line) for line in checked_lines(server.stderr))
        assert (first := next(lines))["event"] == "serving"
        place(store, variants.folders[1], variants.key)
        second = next(lines)
        make_current(store, 7)
        third = next(lines)
        roll_back(store, 1)
        fourth = next(lines)
        server.send_signal(signal.SIGTERM)
        assert [line["event"] for line in lines] == ["draining", "stopped"]
    assert server.returncode == 0
    assert (first["generation"], first["snapshot_id"]) == (1, variants.ids[0])
    assert (second["event"], second["generation"], second["snapshot_id"]) == ("generation taken up", 2, variants.ids[1])
    assert (third["event"], third["generation"], third["level"]) == ("generation refused", 7, "error")
    assert third["reason"] == (
        f"The store {store} names generation 7 as the live one, but it is missing; roll back to one that is there."
    )
    assert (fourth["event"], fourth["generation"], fourth["former_generation"]) == ("generation taken up", 1, 2)
