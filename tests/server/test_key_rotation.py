"""Keys rotate while a real server answers without pause, and what it does about keys that it can't have."""

import asyncio
import gc
import itertools
import shutil

import grpc
import pytest
from click.testing import CliRunner
from worker_nursery import serve_command, supervised

from hot_swap_load import Calls, Stream, expected_of, request, told
from hot_swap_store import Following, Variants, mailboxes_of
from resolver_grpc.build.snapshot import build_snapshot
from resolver_grpc.cli import main
from resolver_grpc.errors import KeyFileError
from resolver_grpc.key_file import create_key_file, drop_kept_key, read_key_ring, rotate_key_file
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.opening import open_plan
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.reload import Reload
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.placing import place, prune, roll_back
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import NOON, quiet, write_tables

SENDERS = """
[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
kinds = ["FULL_NAME", "FIRST_NAME", "ADDRESS", "EMAIL", "CPR"]
"""


def build(folder, variant):
    """Builds the snapshot of a register under the key that is active now, and places it."""
    tables = folder / f"tables-{variant}"
    tables.mkdir()
    key = read_key_ring(folder / "index.key").active
    build_snapshot(write_tables(tables, mailboxes=mailboxes_of(variant)), folder / f"built-{variant}", key, NOON, quiet)
    return folder / f"built-{variant}", key


@pytest.fixture
def folder(tmp_path):
    """A key file, senders, and a store whose one generation is the register's of variant 0."""
    (tmp_path / "senders.toml").write_text(SENDERS, encoding="utf-8")
    create_key_file(tmp_path / "index.key")
    place(tmp_path / "store", *build(tmp_path, 0))
    (tmp_path / "snapshot").symlink_to(tmp_path / "store")
    return tmp_path


def keys(*words):
    return CliRunner().invoke(main, ["keys", *map(str, words)])


def test_keys_rotate_under_load_without_a_restart(folder):
    """Nothing fails, every batch is one snapshot's whole, whichever of the two keys that snapshot was built under."""
    store, file = folder / "store", folder / "index.key"
    former = read_key_ring(file).active.key_id
    with (
        supervised(serve_command(folder, "--listen", "127.0.0.1:0")) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = ResolverServiceStub(channel)
        with Stream(stub) as stream, Calls(stub) as calls:
            old = read_manifest(folder / "built-0").snapshot_id
            wait_for(stream, calls, old)
            assert keys("rotate", file).exit_code == 0
            snapshot, key = build(folder, 1)
            assert told(stub.ResolveBatch(request()))[0] == old, "it serves the old one while the new one is built"
            assert place(store, snapshot, key).number == 2
            new = read_manifest(snapshot).snapshot_id
            wait_for(stream, calls, new)
            roll_back(store)
            wait_for(stream, calls, old)
            roll_back(store, 2)
            wait_for(stream, calls, new)
            assert (
                "needs that key for generation 1; prune it first" in keys("drop", file, former, "--store", store).stderr
            )
            assert prune(store, keep=1) == [1]
            assert keys("drop", file, former, "--store", store).exit_code == 0
            assert told(stub.ResolveBatch(request()))[0] == new
        assert server.end() == 0
    expected = expected_of(Variants(key, file, [folder / "built-0", snapshot]))
    assert read_manifest(snapshot).key_id == key.key_id != former == read_manifest(folder / "built-0").key_id
    assert expected[old] != expected[new]
    for reader in (stream, calls):
        assert reader.fault is None
        assert all(decisions == expected[snapshot_id] for snapshot_id, decisions in reader.responses)
        assert [one for one, _ in itertools.groupby(one for one, _ in reader.responses)] == [old, new, old, new]
    events = [(line["event"], line.get("generation")) for line in server.logged]
    taken_up = [("generation taken up", number) for number in (2, 1, 2)]
    assert events == [("serving", 1), *taken_up, ("draining", None), ("stopped", None)]


def wait_for(stream, calls, snapshot_id):
    for reader in (stream, calls):
        reader.wait_for(snapshot_id)


@pytest.fixture
def followed(folder):
    """What follows the store, opened as the program opens it, with the key file that it reads and what it logs."""
    file = shutil.copy(folder / "index.key", folder / "server.key")
    served, store, _ = open_plan(Plan(folder / "store", file, folder / "senders.toml", "", NOON))
    gc.unfreeze()
    logged = Following(folder / "store", None)
    in_service = InService(served)
    yield Reload(store, in_service, lambda: NOON, logged.log), in_service, logged
    asyncio.run(in_service.close())


def test_a_generation_under_a_key_that_the_server_lacks_is_refused_until_it_has_it(folder, followed):
    """A key file of its own, which the new key was not brought to in time; then named once more it is taken up."""
    reload, in_service, logged = followed
    rotate_key_file(folder / "index.key")
    snapshot, key = build(folder, 1)
    place(folder / "store", snapshot, key)
    asyncio.run(reload.look())
    assert in_service.served.generation == 1
    assert in_service.refusal.generation == 2
    assert in_service.refusal.reason == (
        f"The key file holds no key '{key.key_id}': the snapshot was built under another key; pass the key file that "
        "the builder used."
    )
    shutil.copy(folder / "index.key", folder / "server.key")
    roll_back(folder / "store", 2)
    asyncio.run(reload.look())
    assert (in_service.served.generation, in_service.refusal) == (2, None)
    assert logged.events() == [("generation refused", 2), ("generation taken up", 2)]


def test_a_key_file_that_turned_bad_refuses_the_generation_and_tells_callers_no_folder(folder, followed):
    reload, in_service, _ = followed
    rotate_key_file(folder / "index.key")
    place(folder / "store", *build(folder, 1))
    (folder / "server.key").chmod(0o644)
    asyncio.run(reload.look())
    assert in_service.served.generation == 1
    assert in_service.refusal.reason == "server.key: others may read it; run `chmod 600` on it"


def test_a_start_on_a_generation_whose_key_was_dropped_fails(folder):
    former = read_key_ring(folder / "index.key").active
    rotate_key_file(folder / "index.key")
    drop_kept_key(folder / "index.key", former.key_id)
    with pytest.raises(KeyFileError, match=f"holds no key '{former.key_id}'"):
        open_plan(Plan(folder / "store", folder / "index.key", folder / "senders.toml", "", NOON))
