"""The server over the wire: decisions, refusals, limits, health, reflection."""

import grpc
import pytest
from google.protobuf import empty_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from resolver_grpc.model import Kind, QueryRow, Reason, Route
from resolver_grpc.server.batch import MAX_QUERIES, MAX_REQUEST_BYTES
from resolver_grpc.times import parse_time
from resolver_grpc.v1 import resolver_service_pb2 as wire
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import ANN, BO, FIRM, IDA, KVHX, LINE, NOON, QUERIES, build_register, mailbox, person, serving

SERVICE = "/resolver_grpc.v1.ResolverService/"


def on_wire(row):
    return Query(**{name: getattr(row, name) for name in QueryRow.__slots__})


def request(queries=QUERIES, sender_id="power", kind=wire.ResolveBatchRequest, **fields):
    return kind(sender_id=sender_id, queries=map(on_wire, queries), **fields)


@pytest.fixture(scope="module")
def channel(running_server):
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(running_server.target, options) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return ResolverServiceStub(channel)


def told(decision):
    return (
        Route(decision.route).name,
        Reason(decision.reason).name,
        decision.field,
        [(target.number, target.forwarding_address) for target in decision.targets],
    )


def test_a_batch_of_every_kind_is_answered_in_order(stub, register):
    response = stub.ResolveBatch(request())
    assert [decision.reference for decision in response.decisions] == [query.reference for query in QUERIES]
    assert [told(decision) for decision in response.decisions] == [
        ("MAILBOX", "DELIVERABLE", "", [(ANN, "")]),
        ("MAILBOX", "DELIVERABLE", "", [(BO, "")]),
        ("MAILBOX", "DELIVERABLE", "", [(ANN, ""), (BO, "")]),
        ("MAILBOX", "DELIVERABLE", "", [(ANN, "")]),
        ("REJECT", "OPTED_OUT", "", []),
        ("REJECT", "NOT_SUBSCRIBED", "", []),
        ("REJECT", "NOT_FOUND", "", []),
        ("REJECT", "NAME_INCOMPLETE", "full_name", []),
        ("REJECT", "NOT_FOUND", "", []),
        ("REJECT", "INVALID_KIND", "kind", []),
        ("REJECT", "NOT_FOUND", "", []),
        ("MAILBOX", "DELIVERABLE", "", [(ANN, "")]),
    ]
    manifest = register.built.manifest
    assert (response.snapshot_id, response.change_sequence, response.policy_version) == (manifest.snapshot_id, 7, 1)


def test_a_public_sender_reaches_forwarding_and_respects_exemption(stub):
    response = stub.ResolveBatch(request(sender_id="town"))
    decisions = {decision.reference: told(decision) for decision in response.decisions}
    assert decisions["b"] == ("LETTER", "EXEMPT", "", [])
    assert decisions["c"] == ("MAILBOX", "DELIVERABLE", "", [(ANN, "")])
    assert decisions["e"] == ("MAILBOX", "DELIVERABLE", "", [(IDA, "")])
    assert decisions["f"] == ("FORWARD", "FORWARDED", "", [(FIRM, "post@firm.dk")])


def test_kinds_that_a_sender_may_not_use_are_rejected_one_by_one(stub):
    response = stub.ResolveBatch(request(sender_id="shy"))
    reasons = [Reason(decision.reason) for decision in response.decisions]
    assert reasons[0] is Reason.KIND_NOT_ALLOWED
    assert reasons[4] is Reason.NOT_SUBSCRIBED
    assert reasons[7] is Reason.NAME_INCOMPLETE


def test_personal_content_is_not_sent_to_an_address_alone(stub):
    response = stub.ResolveBatch(request(personal_content=True))
    assert told(response.decisions[2]) == ("REJECT", "PERSONAL_CONTENT", "", [])
    assert told(response.decisions[0])[0] == "MAILBOX"


def test_a_stream_answers_each_message_with_one_in_order(stub):
    batches = [QUERIES[:1], [], QUERIES, QUERIES[3:5]]
    responses = list(stub.ResolveStream(request(batch, kind=wire.ResolveStreamRequest) for batch in batches))
    assert [[decision.reference for decision in response.decisions] for response in responses] == [
        [query.reference for query in batch] for batch in batches
    ]


def test_the_messages_of_stream_and_batch_have_the_same_fields():
    """One reading serves both, so that the field numbers, names and types must never part."""
    for batch, stream in (
        (wire.ResolveBatchRequest, wire.ResolveStreamRequest),
        (wire.ResolveBatchResponse, wire.ResolveStreamResponse),
    ):
        fields = [
            [(one.number, one.name, one.type, one.is_repeated, one.message_type) for one in message.DESCRIPTOR.fields]
            for message in (batch, stream)
        ]
        assert fields[0] == fields[1]


def test_a_change_that_the_snapshot_contains_may_be_asked_for_and_no_later_one(stub):
    whole = stub.ResolveBatch(request())
    assert stub.ResolveBatch(request(at_least_sequence=7)) == whole
    with pytest.raises(grpc.RpcError) as refused:
        stub.ResolveBatch(request(at_least_sequence=8))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_batch_is_a_loop_of_singles(stub):
    whole = stub.ResolveBatch(request()).decisions
    singles = [stub.ResolveBatch(request([query])).decisions[0] for query in QUERIES]
    assert list(whole) == singles


def refused(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    status = rpc_status.from_call(error.value)
    info = ErrorInfo()
    if status:
        assert status.code == error.value.code().value[0]
        status.details[0].Unpack(info)
    return error.value.code(), info.reason, error.value.details()


def raw(channel, method, data):
    return channel.unary_unary(SERVICE + method)(data)


@pytest.mark.parametrize("data", [b"\xff", b"\x22\x05\x0a", b"\x0a\x02\xff\xfe", b"\x22\x03\x1a\x01\xff"])
def test_bytes_that_are_no_request_fail_the_call(channel, data):
    """Garbage, truncated, and text that is no UTF-8, at the top or within one query."""
    code, reason, sentence = refused(lambda: raw(channel, "ResolveBatch", data))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert sentence == "the bytes are no ResolveBatchRequest"
    stream = channel.stream_stream(SERVICE + "ResolveStream")
    assert refused(lambda: list(stream(iter([data]))))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_fields_are_taken_for_those_of_a_newer_client(channel):
    data = request(QUERIES[:1]).SerializeToString() + b"\xfa\x01\x01x"
    assert wire.ResolveBatchResponse.FromString(raw(channel, "ResolveBatch", data)).decisions[0].reference == "a"


def test_too_many_queries_fail_the_call_and_the_most_allowed_do_not(stub):
    one = QueryRow("r", Kind.CPR, number=ANN)
    assert len(stub.ResolveBatch(request([one] * MAX_QUERIES)).decisions) == MAX_QUERIES
    code, reason, _ = refused(lambda: stub.ResolveBatch(request([one] * (MAX_QUERIES + 1))))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_QUERIES")


def test_a_message_past_the_byte_limit_is_refused_by_grpc(channel):
    data = wire.ResolveBatchRequest(sender_id="power", shipment_id="x" * MAX_REQUEST_BYTES).SerializeToString()
    assert refused(lambda: raw(channel, "ResolveBatch", data))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("sender_id", ["", "nobody", "POWER"])
def test_an_unknown_sender_is_denied(stub, sender_id):
    code, reason, sentence = refused(lambda: stub.ResolveBatch(request(sender_id=sender_id)))
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "UNKNOWN_SENDER")
    assert not sender_id or sender_id not in sentence


def test_a_refused_message_ends_a_stream_but_the_answers_before_it_stand(stub):
    batches = [request(kind=wire.ResolveStreamRequest), request(sender_id="nobody", kind=wire.ResolveStreamRequest)]
    stream = stub.ResolveStream(iter(batches))
    assert len(next(stream).decisions) == len(QUERIES)
    assert refused(lambda: next(stream))[0] is grpc.StatusCode.PERMISSION_DENIED


def test_server_info_tells_limits_snapshot_and_versions(stub, register):
    info = stub.GetServerInfo(wire.GetServerInfoRequest())
    manifest = register.built.manifest
    assert (info.max_queries, info.max_request_bytes) == (MAX_QUERIES, MAX_REQUEST_BYTES)
    assert (info.snapshot_id, info.register_date) == (manifest.snapshot_id, "2026-11-01")
    assert (info.format_version, info.canonical_version, info.policy_version, info.change_sequence) == (1, 1, 1, 7)
    assert info.build_time.ToJsonString() == manifest.build_time
    assert info.horizon_time.ToJsonString() == "2026-11-07T23:00:00Z"
    assert info.as_of_time.seconds == NOON
    assert not info.stale


def test_server_info_refuses_what_is_no_request(channel):
    assert refused(lambda: raw(channel, "GetServerInfo", b"\xff"))[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "MALFORMED_REQUEST",
    )


def test_health_and_reflection_are_on(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "resolver_grpc.v1.ResolverService", "snapshot"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    listing = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )
    names = {service.name for service in next(iter(listing)).list_services_response.service}
    assert {"resolver_grpc.v1.ResolverService", "grpc.health.v1.Health"} <= names


def health_of(target):
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return [
            stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING
            for service in ("", "snapshot")
        ]


def test_past_its_horizon_a_snapshot_goes_on_and_health_calls_it_stale(tmp_path):
    with serving(build_register(tmp_path), as_of=parse_time("2026-11-08")) as server:
        with grpc.insecure_channel(server.target) as channel:
            stub = ResolverServiceStub(channel)
            assert stub.GetServerInfo(wire.GetServerInfoRequest()).stale
            assert told(stub.ResolveBatch(request()).decisions[0])[0] == "MAILBOX"
        assert health_of(server.target) == [True, False]


def test_before_its_register_date_a_snapshot_answers_nothing(tmp_path):
    eve = parse_time("2026-11-01") - 1
    with serving(build_register(tmp_path), as_of=None, clock=lambda: eve) as server:
        with grpc.insecure_channel(server.target) as channel:
            code, reason, _ = refused(lambda: ResolverServiceStub(channel).ResolveBatch(request()))
            assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SNAPSHOT_NOT_YET_VALID")
        assert health_of(server.target) == [False, False]


def test_time_passes_between_two_batches_of_one_server(tmp_path):
    """A consent withdrawn and a protection begun count from their instant on, without anybody doing anything."""
    withdrawn, protected = parse_time("2026-11-02T10:00:00Z"), parse_time("2026-11-04")
    register = build_register(
        tmp_path,
        persons=[
            person(ANN, "Ann Bo", floor="3", door="tv"),
            person(BO, "Bo Bo", floor="3", door="tv", protections="2026-11-04/"),
        ],
        mailboxes=[mailbox(ANN, address_consent_withdrawn="2026-11-02T10:00:00Z"), mailbox(BO)],
        relations=[],
    )
    now = [withdrawn - 1]
    with (
        serving(register, as_of=None, clock=lambda: now[0]) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        stub = ResolverServiceStub(channel)

        def residents():
            query = QueryRow("r", Kind.ADDRESS, kvhx=KVHX)
            return [target.number for target in stub.ResolveBatch(request([query])).decisions[0].targets]

        assert residents() == [ANN, BO]
        now[0] = withdrawn
        assert residents() == [BO]
        now[0] = protected - 1
        assert residents() == [BO]
        now[0] = protected
        assert residents() == []
        now[0] = withdrawn - 1
        assert residents() == [ANN, BO]


def test_a_fault_of_the_servers_own_says_nothing_of_the_query(tmp_path, capfd, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError(f"Ann Bo, {LINE}, {ANN}")

    monkeypatch.setattr("resolver_grpc.asking.parse_query", broken)
    with serving(build_register(tmp_path)) as server, grpc.insecure_channel(server.target) as channel:
        code, reason, sentence = refused(lambda: ResolverServiceStub(channel).ResolveBatch(request()))
    assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    log = capfd.readouterr().err
    assert "RuntimeError" in log
    assert not any(word in text for word in ("Ann", ANN, "Vestergade") for text in (sentence, log))


def test_an_unknown_method_is_unimplemented(channel):
    assert refused(lambda: raw(channel, "Resolve", empty_pb2.Empty().SerializeToString()))[0] is (
        grpc.StatusCode.UNIMPLEMENTED
    )
