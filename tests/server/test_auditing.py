"""A server that keeps an audit: each batch is recorded before its answer leaves, or there is no answer."""

import json
import os
import signal
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from worker_nursery import COMMAND, supervised

from resolver_grpc.audit import writer
from resolver_grpc.audit.naming import list_chains
from resolver_grpc.audit.sealing import AuditKeys
from resolver_grpc.audit.verify import Listener, verify_folder
from resolver_grpc.model import Kind, QueryRow, Reason, Route
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from scratch_files import family
from small_register import ANN, QUERIES, build_register, serving

SHIPMENT = "invoices of November"


@pytest.fixture(scope="module")
def register(tmp_path_factory):
    return build_register(tmp_path_factory.mktemp("audited"))


@pytest.fixture
def audit(tmp_path):
    folder = tmp_path / "audit"
    folder.mkdir()
    return folder


def request(queries=QUERIES, sender_id="power", kind=wire.ResolveBatchRequest, **fields):
    rows = [Query(**{name: getattr(row, name) for name in QueryRow.__slots__}) for row in queries]
    return kind(sender_id=sender_id, queries=rows, **fields)


@contextmanager
def audited(register, folder):
    with serving(register, audit=folder) as server, grpc.insecure_channel(server.target) as channel:
        yield channel


def found_in(folder, key):
    """The records of a sound folder, in order of their files."""
    bodies, keys = [], AuditKeys.of(key)
    found = verify_folder(folder, {keys.key_id: keys}, listener=Listener(bodies.append))
    assert found.faults == []
    return bodies


def counts_of(response):
    return Counter(f"{Route(row.route).name}/{Reason(row.reason).name}" for row in response.decisions)


def status_of(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(
        stub.Check(health_pb2.HealthCheckRequest(service=service)).status
    )


def test_each_batch_is_on_record_when_its_answer_arrives(register, audit):
    """Unary and on a stream; the counts are those of the response."""
    with audited(register, audit) as channel:
        stub = ResolverServiceStub(channel)
        responses = []
        for queries in (QUERIES, [], QUERIES[:3]):
            responses.append(stub.ResolveBatch(request(queries, shipment_id=SHIPMENT)))
            assert len(found_in(audit, register.key)) == len(responses)
        stream = (request(queries, kind=wire.ResolveStreamRequest) for queries in (QUERIES[:1], QUERIES))
        for response in stub.ResolveStream(stream):
            responses.append(response)
            # The next message may be on its way already.
            assert len(found_in(audit, register.key)) >= len(responses)
    bodies = found_in(audit, register.key)
    assert [body["counts"] for body in bodies] == [counts_of(response) for response in responses]
    assert [body["targets"] for body in bodies] == [
        sum(len(row.targets) for row in response.decisions) for response in responses
    ]
    shipment = AuditKeys.of(register.key).hash_shipment("power", SHIPMENT)
    assert [body["shipment"] for body in bodies] == [shipment] * 3 + [""] * 2
    assert {
        (body["sender"], body["caller"], body["role"], body["judged"], body["worker"], body["refusal"])
        for body in bodies
    } == {("power", "loopback", "delivery", "2026-11-01T11:00:00Z", 1, "")}
    assert {(body["snapshot"], body["change_sequence"], body["policy_version"]) for body in bodies} == {
        (responses[0].snapshot_id, responses[0].change_sequence, responses[0].policy_version)
    }


def test_nothing_of_a_query_stands_in_the_audit(register, audit):
    with audited(register, audit) as channel:
        ResolverServiceStub(channel).ResolveBatch(request(shipment_id=SHIPMENT))
    text = b"".join(path.read_bytes() for path in audit.iterdir()).decode()
    told = {word for row in QUERIES for name in QueryRow.__slots__ for word in str(getattr(row, name)).split()}
    assert not [word for word in (*told, SHIPMENT, ANN) if len(word) > 3 and word in text]


def test_a_batch_that_is_refused_is_on_record_with_its_reason_alone(register, audit):
    with audited(register, audit) as channel:
        stub = ResolverServiceStub(channel)
        for refused in (request(sender_id="0101801239"), request([QueryRow("r", Kind.CPR)] * 10_001)):
            with pytest.raises(grpc.RpcError):
                stub.ResolveBatch(refused)
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/resolver_grpc.v1.ResolverService/ResolveBatch")(b"\xff")
    bodies = found_in(audit, register.key)
    assert [body["refusal"] for body in bodies] == ["UNKNOWN_SENDER", "TOO_MANY_QUERIES", "MALFORMED_REQUEST"]
    assert {(body["sender"], body["shipment"], str(body["counts"])) for body in bodies} == {("", "", "{}")}


def test_while_nothing_can_be_recorded_nothing_is_resolved(register, audit, capfd):
    away = audit.with_name("away")
    with audited(register, audit) as channel:
        stub = ResolverServiceStub(channel)
        stub.ResolveBatch(request())
        audit.rename(away)
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as error:
                stub.ResolveBatch(request())
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert str(audit) not in error.value.details()
        with pytest.raises(grpc.RpcError):
            list(stub.ResolveStream(iter([request(kind=wire.ResolveStreamRequest)])))
        assert [status_of(channel, name) for name in ("", "audit")] == ["NOT_SERVING"] * 2
        assert status_of(channel, "snapshot") == "SERVING"
        assert stub.GetServerInfo(wire.GetServerInfoRequest()).max_queries
        away.rename(audit)
        seen = (one.status for one in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
        assert health_pb2.HealthCheckResponse.SERVING in seen
        stub.ResolveBatch(request())
    assert len(found_in(audit, register.key)) == 2
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [(line["event"], line["level"], line.get("reason")) for line in logged]
    assert ("audit can't be written", "error", "No such file or directory") in told
    assert ("audit written again", "info", None) in told


def keeper_of(process):
    """The keeper of a server's audit."""
    (keeper,) = [
        one for one in family(process) if b"resolver_grpc.audit.keeper" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]
    return keeper


def test_while_there_is_no_keeper_nothing_is_resolved_and_the_next_one_goes_on(register, audit, capfd, monkeypatch):
    monkeypatch.setattr(writer, "SECONDS_BETWEEN_STARTS", 3600)
    with audited(register, audit) as channel:
        stub = ResolverServiceStub(channel)
        stub.ResolveBatch(request())
        keeper = keeper_of(os.getpid())
        os.kill(keeper, signal.SIGSTOP)
        os.waitpid(keeper, os.WUNTRACED)
        try:
            waiting = [stub.ResolveBatch.future(request()) for _ in range(3)]
            seen = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="audit"))
            assert next(seen).status == health_pb2.HealthCheckResponse.SERVING
        finally:
            os.kill(keeper, signal.SIGKILL)
        assert next(seen).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as error:
            stub.ResolveBatch(request())
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert [one.code() for one in waiting] == [grpc.StatusCode.UNAVAILABLE] * 3
        monkeypatch.setattr(writer, "SECONDS_BETWEEN_STARTS", 0)
        assert next(seen).status == health_pb2.HealthCheckResponse.SERVING
        stub.ResolveBatch(request())
    assert len(found_in(audit, register.key)) == 2
    assert len(list_chains(audit)) == 2
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [(line["event"], line.get("reason")) for line in logged]
    assert ("audit can't be written", "the process that writes it has ended") in told
    assert ("audit written again", None) in told


def test_a_server_logs_the_checkpoints_that_are_to_be_kept_elsewhere(register, audit, capfd):
    with audited(register, audit) as channel:
        ResolverServiceStub(channel).ResolveBatch(request())
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (checkpoint,) = [line for line in logged if line["event"] == "audit checkpoint"]
    last = (audit / checkpoint["file"]).read_bytes().splitlines()[-1]
    assert (json.loads(last)["sequence"], json.loads(last)["seal"]) == (checkpoint["sequence"], checkpoint["seal"])


SENDERS = """
[[senders]]
id = "power"
name = "Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["FULL_NAME", "ADDRESS", "CPR"]
"""


def test_each_worker_keeps_a_chain_and_its_successor_goes_on_from_it(register, audit, tmp_path):
    senders = tmp_path / "senders.toml"
    senders.write_text(SENDERS, encoding="utf-8")
    paths = ["--snapshot", register.directory, "--keys", register.key_file, "--senders", senders, "--audit", audit]
    with supervised(
        [COMMAND, "serve", "--insecure", *paths, "--as-of", "2026-11-01", "--workers", "2", "--listen", "127.0.0.1:0"]
    ) as server:
        answered = 0
        for _ in range(6):
            with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                ResolverServiceStub(channel).ResolveBatch(request(QUERIES[:2]))
                answered += 1
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for("worker serving")
        with grpc.insecure_channel(server.address) as channel:
            ResolverServiceStub(channel).ResolveBatch(request(QUERIES[:2]), wait_for_ready=True)
        assert server.end() == 0
    assert len(found_in(audit, register.key)) == answered + 1
    openings = [json.loads((audit / name).read_bytes().splitlines()[0]) for name in list_chains(audit)]
    assert sorted(one["worker"] for one in openings) in ([1, 1, 2], [1, 2, 2])
    assert sorted(len(one["continues"]) for one in openings) == [0, 0, 1]
