"""Who comes in, with real servers: tokens, roles, senders, and the default, which is no."""

import threading

import grpc
import pytest
import structlog
from access_nursery import (
    NOW,
    SERVICE,
    bearing,
    channel_to,
    copied,
    entrance,
    info_over,
    outcome,
    token,
    write_access,
)
from change_nursery import new_log, unchanged
from grpc.aio._server import Server

from resolver_grpc.model import Kind, Reason, Role
from resolver_grpc.server.served import open_served
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse
from small_register import ANN, IDA, KNOWN_SENDERS, NOON, serving

CHANGES = "/resolver_grpc.v1.ChangeService/"
LET_IN = "OK", ""
NOT_KNOWN = "UNAUTHENTICATED", "UNAUTHENTICATED"
LACKING = {
    SERVICE + "ResolveBatch": ("PERMISSION_DENIED", "UNKNOWN_SENDER"),
    SERVICE + "ResolveStream": ("PERMISSION_DENIED", "UNKNOWN_SENDER"),
    CHANGES + "GetOwner": ("INVALID_ARGUMENT", "INVALID_NUMBER"),
    CHANGES + "EraseOwner": ("INVALID_ARGUMENT", "INVALID_NUMBER"),
}
NOT_PERMITTED = "PERMISSION_DENIED", "NOT_PERMITTED"

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEALTH = "/grpc.health.v1.Health/"
WHOSE = {
    SERVICE + "ResolveBatch": {Role.INTAKE, Role.DELIVERY},
    SERVICE + "ResolveStream": {Role.INTAKE, Role.DELIVERY},
    SERVICE + "GetServerInfo": {Role.INTAKE, Role.DELIVERY, Role.OPERATOR},
    CHANGES + "ApplyChanges": {Role.REGISTRAR},
    CHANGES + "WatchChanges": {Role.REGISTRAR},
    CHANGES + "GetOwner": {Role.REGISTRAR},
    CHANGES + "EraseOwner": {Role.REGISTRAR},
    REFLECTION: set(Role),
    HEALTH + "Check": {None, *Role},
    HEALTH + "Watch": {None, *Role},
    HEALTH + "List": set(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def registered():
    """Every handler that was registered with a server of this module, by the path of its RPC."""
    return {}


@pytest.fixture(scope="module")
def guarded(folder, registered):
    """A server in the clear that knows callers by their tokens."""
    register = unchanged(folder)
    log = new_log(folder / "log", register.key)
    add_generic, add_registered = Server.add_generic_rpc_handlers, Server.add_registered_method_handlers

    def keep_generic(server, handlers):
        for handler in handlers:
            registered.update(handler._method_handlers)
        add_generic(server, handlers)

    def keep_registered(server, service, handlers):
        registered.update({f"/{service}/{name}": handler for name, handler in handlers.items()})
        add_registered(server, service, handlers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "add_generic_rpc_handlers", keep_generic)
        patch.setattr(Server, "add_registered_method_handlers", keep_registered)
        with serving(register, changes=log, **entrance(write_access(folder))) as server:
            yield server


def first_answer(channel, rpc, handler, metadata):
    """Makes any call with an empty message, and reads its first answer."""
    if handler.request_streaming:
        kind = channel.stream_stream if handler.response_streaming else channel.stream_unary
        call = kind(rpc)(iter([b""]), metadata=metadata)
    else:
        kind = channel.unary_stream if handler.response_streaming else channel.unary_unary
        call = kind(rpc)(b"", metadata=metadata)
    if handler.response_streaming:
        next(call)
        call.cancel()


def metadata_of(role):
    return bearing(token(role.value)) if role else ()


def test_every_rpc_that_is_registered_is_walked(guarded, registered):
    assert set(registered) == set(WHOSE)


@pytest.mark.parametrize("role", [None, *Role], ids=str)
@pytest.mark.parametrize("rpc", WHOSE)
def test_an_rpc_is_for_those_whose_it_is_and_for_nobody_else(guarded, registered, rpc, role):
    """An empty batch names no sender, an empty question about an owner no number, and each is refused for that."""
    with channel_to(guarded.target) as channel:
        came_to = outcome(lambda: first_answer(channel, rpc, registered[rpc], metadata_of(role)))
    if role in WHOSE[rpc]:
        assert came_to == LACKING.get(rpc, LET_IN)
    else:
        assert came_to == (NOT_PERMITTED if role else NOT_KNOWN)


def test_what_nobody_registered_stays_unimplemented(guarded):
    with channel_to(guarded.target) as channel:
        call = channel.unary_unary(SERVICE + "Other")
        assert outcome(lambda: call(b"", metadata=metadata_of(Role.DELIVERY)))[0] == "UNIMPLEMENTED"


def test_without_a_role_reflection_tells_nothing_and_with_one_it_lists(guarded):
    with channel_to(guarded.target) as channel:
        call = channel.stream_stream(REFLECTION)
        assert outcome(lambda: next(call(iter([b"\x3a\x00"])))) == NOT_KNOWN
        assert b"ResolverService" in next(call(iter([b"\x3a\x00"]), metadata=metadata_of(Role.REGISTRAR)))


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearing(""),
        bearing("x"),
        bearing(token("nobody")),
        bearing(token(exp=NOW)),
        bearing(token(nbf=NOW + 1)),
        bearing(token(aud="another")),
        bearing(token()) * 2,
        (("authorization", token()),),
        (("authorization", f"Basic {token()}"),),
        (("authorization-bin", f"Bearer {token()}".encode()),),
        (("x-authorization", f"Bearer {token()}"),),
    ],
)
def test_whoever_shows_no_good_token_is_not_known(guarded, metadata):
    assert info_over(guarded.target, metadata=metadata) == NOT_KNOWN


def test_a_scheme_may_be_written_in_any_case(guarded):
    assert info_over(guarded.target, metadata=(("authorization", f"bearer {token()}"),)) == LET_IN


def whole_refusal(call):
    """All that a refusal consists of."""
    with pytest.raises(grpc.RpcError) as refused:
        call()
    error = refused.value
    return error.code(), error.details(), error.trailing_metadata(), error.initial_metadata()


def request(sender_id):
    return ResolveBatchRequest(sender_id=sender_id).SerializeToString()


def test_a_sender_of_others_is_refused_byte_for_byte_as_one_that_is_unknown(guarded):
    with channel_to(guarded.target) as channel:
        batch, stream = channel.unary_unary(SERVICE + "ResolveBatch"), channel.stream_stream(SERVICE + "ResolveStream")
        intake, delivery = metadata_of(Role.INTAKE), metadata_of(Role.DELIVERY)
        assert batch(request("power"), metadata=intake)
        assert batch(request("town"), metadata=delivery)
        unknown = whole_refusal(lambda: batch(request("nobody"), metadata=intake))
        assert whole_refusal(lambda: batch(request("town"), metadata=intake)) == unknown
        assert whole_refusal(lambda: next(stream(iter([request("town")]), metadata=intake))) == unknown


@pytest.mark.parametrize("way", ["fast", "plain"])
def test_both_ways_refuse_a_sender_of_others_alike(register, tmp_path, way):
    served = open_served(copied(register, tmp_path / "copy").directory, register.key, KNOWN_SENDERS, NOON)
    try:
        batches = served.plain if way == "plain" else served.batches
        messages = []
        for sender_id, allowed in (("town", False), ("nobody", True)):
            with pytest.raises(Exception, match="onboarded") as refused:
                next(batches.steps(request(sender_id), NOON, lambda _, allowed=allowed: allowed, Role.INTAKE))
            messages.append((type(refused.value), refused.value.message, refused.value.metadata))
        assert messages[0] == messages[1]
    finally:
        served.snapshot.index.close()


def test_a_stream_ends_when_its_token_expires(register, tmp_path):
    now = [NOW]
    told = entrance(write_access(tmp_path)) | {"now": lambda: now[0]}
    go_on = threading.Event()

    def requests():
        yield request("power")
        go_on.wait()
        yield request("power")

    with serving(copied(register, tmp_path / "copy"), **told) as server, channel_to(server.target) as channel:
        metadata = bearing(token(exp=NOW + 10))
        answers = channel.stream_stream(SERVICE + "ResolveStream")(requests(), metadata=metadata)
        assert next(answers)
        now[0] = NOW + 10
        go_on.set()
        assert outcome(lambda: next(answers)) == NOT_KNOWN


def test_a_replayed_day_brings_no_expired_token_back(guarded):
    """The server judges queries as of 2026-11-01, tokens as of now."""
    assert NOON < NOW
    assert info_over(guarded.target, metadata=bearing(token(nbf=NOON - 10, exp=NOON + 10))) == NOT_KNOWN


def test_a_refusal_is_logged_with_its_cause_and_nothing_that_was_shown(register, tmp_path):
    lines = []

    def keep(_logger, level, event):
        lines.append(event)
        raise structlog.DropEvent

    log = structlog.wrap_logger(None, processors=[keep])
    shown = token("somebody-unheard-of")
    told = entrance(write_access(tmp_path), log=log)
    with serving(copied(register, tmp_path / "copy"), log=log, **told) as server:
        for _ in range(30):
            assert info_over(server.target, metadata=bearing(shown)) == NOT_KNOWN
    rpc = SERVICE + "GetServerInfo"
    why = "what was shown is verified, but stands for no caller of the access file"
    assert lines[0] == {"event": "caller refused", "rpc": rpc, "why": why}
    assert len(lines) == 20
    assert not any(word in str(lines) for word in ("somebody", shown, shown[-20:]))


@pytest.mark.parametrize("rpc", ["ResolveBatch", "ResolveStream"])
def test_what_a_caller_is_told_hangs_on_its_role(guarded, rpc):
    """Delivery gets numbers, and who opted out; intake handles, and nobody there."""
    queries = [Query(reference="r", kind=Kind.CPR, number=number) for number in (ANN, IDA)]
    asked = ResolveBatchRequest(sender_id="power", queries=queries).SerializeToString()
    told = {}
    with channel_to(guarded.target) as channel:
        for role in (Role.INTAKE, Role.DELIVERY):
            if rpc == "ResolveBatch":
                answer = channel.unary_unary(SERVICE + rpc)(asked, metadata=metadata_of(role))
            else:
                answer = next(channel.stream_stream(SERVICE + rpc)(iter([asked]), metadata=metadata_of(role)))
            decisions = ResolveBatchResponse.FromString(answer).decisions
            targets = [target for decision in decisions for target in decision.targets]
            assert [len(target.handle) for target in targets] == [16]
            told[role] = [decision.reason for decision in decisions], [target.number for target in targets]
    assert told[Role.INTAKE] == ([Reason.DELIVERABLE, Reason.NOT_FOUND], [""])
    assert told[Role.DELIVERY] == ([Reason.DELIVERABLE, Reason.OPTED_OUT], [ANN])


def test_in_the_clear_without_an_access_file_everybody_is_delivery(running_server):
    with channel_to(running_server.target) as channel:
        assert channel.unary_unary(SERVICE + "ResolveBatch")(request("town"))
