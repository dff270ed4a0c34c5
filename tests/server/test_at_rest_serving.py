"""At rest: nothing that names somebody stands in any file that a serving day leaves, or in anything that is said."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from contextlib import suppress
from datetime import date
from urllib.request import urlopen

import grpc
import pytest
from access_nursery import copied
from click.testing import CliRunner
from worker_nursery import serve_command, supervised

from needles import Needles
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.build.population.generation import Settings, noon
from resolver_grpc.build.population.writing import write_population
from resolver_grpc.key_file import create_key_file
from resolver_grpc.model import Kind, QueryRow
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from scratch_files import family, scratch_files
from small_register import ANN, BO, serving
from tool_nursery import load

DAY = date(2026, 11, 1)
TABLES = ("persons", "mailboxes", "relations", "roads")
PERSONS, QUERIES = 200, 400
TOOLS = ("build_snapshot", "publish_snapshot", "inspect_snapshot", "verify_snapshot", "verify_audit")
PROGRAMS = {name: load(name).main for name in TOOLS}


def make_night(folder, seed):
    """The tables of a night, judged queries and senders."""
    write_population(Settings(PERSONS, QUERIES, seed, DAY, noon(DAY)), folder, "csv")


class Day:
    """A day of building, publishing and serving, each by its program.

    Attributes:
        site: where all of it writes to.
        said: what each program said.
    """

    def __init__(self, root):
        self.root, self.site = root, root / "site"
        (self.site / "tmp").mkdir(parents=True)
        (self.site / "audit").mkdir()
        self.said = {}

    def run(self, name, *words, code=0):
        done = CliRunner().invoke(PROGRAMS[name], list(map(str, words)))
        assert done.exit_code == code, done.output
        self.said[f"{name} {len(self.said)}"] = done.output_bytes

    def tables(self, night):
        return [word for table in TABLES for word in (f"--{table}", self.root / night / f"{table}.csv")]

    def publish(self, night):
        snapshot, keys = self.site / f"snapshot-{night}", ("--keys", self.root / "index.key")
        rejects = self.site / f"rejects-{night}.csv"
        self.run("build_snapshot", *self.tables(night), *keys, "--out", snapshot, "--rejects", rejects)
        self.run("publish_snapshot", "place", self.site / "snapshot", snapshot, *keys)

    def contents(self):
        """Everything that lies there, and everything that was said."""
        for path in self.site.rglob("*"):
            with suppress(OSError):
                if path.is_file():
                    yield path.relative_to(self.site).as_posix(), path.read_bytes()
        yield from self.said.items()


def some_number(night):
    with (night / "persons.csv").open(encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file))["number"]


def ask_everything(channel, night):
    """All queries of a night, as its senders ask them, with names of shipments that should not be such."""
    stub = ResolverServiceStub(channel)
    by_envelope = {}
    with (night / "queries.jsonl").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            fields = {name: cell for name, cell in row.items() if name in QueryRow.__slots__}
            kind, handle = fields.pop("kind"), bytes.fromhex(fields.pop("handle", ""))
            query = Query(kind=Kind[kind] if kind in Kind.__members__ else kind, handle=handle, **fields)
            by_envelope.setdefault((row["sender_id"], row["personal_content"]), []).append(query)
    for (sender_id, personal_content), queries in by_envelope.items():
        request = wire.ResolveBatchRequest(sender_id=sender_id, personal_content=personal_content, queries=queries)
        request.shipment_id = some_number(night)
        stub.ResolveBatch(request)


def ask_amiss(channel, number):
    """Calls that are refused, each with a number where none belongs."""
    service = "/resolver_grpc.v1.ResolverService/"
    amiss = [
        (service + "ResolveBatch", wire.ResolveBatchRequest(sender_id=number).SerializeToString()),
        (service + "ResolveBatch", b"\x0a\x01" + number.encode()),
        (service + "ResolveBatch", wire.ResolveBatchRequest(queries=[Query()] * 10_001).SerializeToString()),
        (service + number, b""),
        (f"/{number}/ResolveBatch", b""),
        (service + "GetServerInfo", number.encode()),
    ]
    for rpc, request in amiss:
        with suppress(grpc.RpcError):
            channel.unary_unary(rpc)(request, metadata=[("authorization", f"Bearer {number}"), ("x-number", number)])


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Two nights of one key, served one after the other by two workers."""
    root = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as patch:
        one = Day(root)
        patch.setenv("TMPDIR", str(one.site / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        create_key_file(root / "index.key")
        for seed, night in ((5, "first"), (6, "second")):
            make_night(root / night, seed)
        shutil.copy(root / "first" / "senders.toml", root)
        one.publish("first")
        live(one)
        keys = ("--keys", root / "index.key")
        one.run("inspect_snapshot", one.site / "snapshot-first", *keys)
        # Of the other night's tables, so that it has something to tell.
        one.run("verify_snapshot", one.site / "snapshot-first", *keys, *one.tables("second"), code=2)
        one.run("verify_audit", one.site / "audit", *keys)
    return one


def live(day):
    options = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--audit", day.site / "audit", "--workers", "2"]
    command = serve_command(day.root, *options)
    command[command.index(day.root / "snapshot")] = day.site / "snapshot"
    with supervised(command) as server:
        for night in ("first", "second"):
            if night == "second":
                day.publish(night)
                server.wait_for("generation taken up")
                server.wait_for("generation taken up")
            with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                ask_everything(channel, day.root / night)
                ask_amiss(channel, some_number(day.root / night))
        with urlopen(f"http://{server.logged[0]['metrics']}/metrics", timeout=10) as page:
            day.said["metrics"] = page.read()
        # What is gone when it ends: the folder in which the workers count, files without a name.
        day.said |= {f"serving, {name}": content for name, content in day.contents()}
        for process in family(server.process.pid):
            day.said |= {f"nameless of {process}": file.read_bytes() for file in scratch_files(process)}
        assert server.end() == 0
    day.said["log"] = "\n".join(map(json.dumps, server.logged)).encode()


@pytest.fixture(scope="module")
def needles(day):
    return Needles.of_tables(*(day.root / night / f"{table}.csv" for night in ("first", "second") for table in TABLES))


def test_nothing_that_a_serving_day_leaves_or_says_names_anybody(day, needles):
    found, looked_at = {}, []
    for name, content in day.contents():
        looked_at.append(name)
        if what := needles.found_in(content):
            found[name] = what
    assert found == {}
    told = " ".join(looked_at)
    for part in ("index.lmdb", "manifest.json", "CURRENT", "rejects-first", "audit-2", ".head", "sums_", ".db", "log"):
        assert part in told


def test_the_day_was_a_full_one(day):
    """What was looked through tells of thousands of decisions, and of every call that was amiss."""
    page = day.said["metrics"].decode()
    answered = [float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith("resolver_queries_")]
    assert sum(answered) == 2 * QUERIES
    assert len(answered) > 20
    assert 'resolver_refused_calls_total{code="PERMISSION_DENIED"} 2.0' in page
    assert b'"shipment"' in b"".join(content for name, content in day.contents() if name.endswith(".jsonl"))


@pytest.mark.parametrize("shipment_id", [ANN, "Ann Bo til pia@post.dk"])
def test_an_audit_with_shipments_in_the_clear_is_found_out(register, tmp_path, monkeypatch, shipment_id):
    needles = Needles([{"number": ANN, "email_address": "pia@post.dk"}, {"number": BO}])
    monkeypatch.setattr(AuditKeys, "hash_shipment", lambda _self, _sender_id, shipment: shipment)
    (tmp_path / "audit").mkdir()
    with (
        serving(copied(register, tmp_path / "copy"), audit=tmp_path / "audit") as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        ResolverServiceStub(channel).ResolveBatch(wire.ResolveBatchRequest(sender_id="power", shipment_id=shipment_id))
    (written,) = (tmp_path / "audit").glob("*.jsonl")
    assert sum(needles.found_in(written.read_bytes()).values()) == 1
