"""Clients that mean harm, against real servers: what they hold is bounded, and others are served meanwhile."""

import gzip
import random
import socket
import ssl
import sys
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from access_nursery import (
    bearing,
    channel_to,
    copied,
    entrance,
    info_over,
    outcome,
    token,
    write_access,
    write_server_files,
)
from prometheus_client import CollectorRegistry, generate_latest
from test_server import on_wire

from resolver_grpc.server import gate
from resolver_grpc.server.batch import MAX_REQUEST_BYTES
from resolver_grpc.server.options import LIMITS
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveStreamRequest
from small_register import LINE, serving

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    call_headers,
    frame,
    header,
    message,
)
from resolver_grpc.model import Kind, QueryRow

MARKER = "Zaphodqx"
"""A word of no query but those that mean harm."""
SERVED = "OK", ""
TOO_MANY = "RESOURCE_EXHAUSTED", "TOO_MANY_CALLS"
NOT_KNOWN, TOO_LARGE = b"grpc-status\x0216", b"grpc-status\x018"
STREAM = "/resolver_grpc.v1.ResolverService/ResolveStream"
WATCH = "/grpc.health.v1.Health/Watch"
SOON = (("grpc.so_reuseport", 0), ("grpc.server_handshake_timeout_ms", 200), ("grpc.max_connection_idle_ms", 200))


@pytest.fixture(scope="module")
def guarded(register, tmp_path_factory):
    """A server that knows callers by their tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    with serving(copied(register, folder / "copy"), **entrance(write_access(folder))) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(register, tmp_path_factory):
    """A server over TLS that waits for nobody for long."""
    folder, ca = tmp_path_factory.mktemp("hasty"), trustme.CA()
    tls = write_server_files(folder, ca)
    with serving(copied(register, folder / "copy"), **entrance(write_access(folder), tls), options=SOON) as server:
        yield server, ca


def others_are_served(target):
    """Whether somebody who is known is answered, over a connection of their own."""
    return info_over(target, metadata=bearing(token("operator"))) == SERVED


@contextmanager
def connection(target):
    with closing(Connection.to(target)) as made:
        yield made


def is_told(caller, words):
    """Whether headers with some words come."""
    while not any(words in one.payload for one in caller.frames if one.kind == HEADERS):
        if not caller.read(5):
            return False
    return True


def stream_of(count, *frames_of):
    return b"".join(part(1 + 2 * number) for number in range(count) for part in frames_of)


OPENED = lambda stream: frame(HEADERS, END_HEADERS, stream, call_headers("ResolveStream"))  # noqa: E731 - a row of a table
JUNK = {
    "noise": random.Random(5).randbytes(1 << 16),  # noqa: S311 - no secret
    "another protocol": b"GET / HTTP/1.1\r\nHost: " + MARKER.encode() + b"\r\n\r\n",
    "streams reset as soon as they are opened": stream_of(
        3_000, OPENED, lambda stream: frame(RST_STREAM, 0, stream, bytes(4))
    ),
    "pings": frame(PING, 0, 0, b"Zaphodqx") * 10_000,
    "settings": frame(SETTINGS, 0, 0) * 10_000,
    "headers without end": frame(HEADERS, 0, 1, call_headers("ResolveStream"))
    + frame(CONTINUATION, 0, 1, header(f"x-{MARKER.lower()}", "b" * 1_000)) * 3_000,
    "headers past the limit": stream_of(
        50,
        lambda stream: frame(HEADERS, END_HEADERS, stream, call_headers("ResolveStream", *[("x-a", "b" * 900)] * 15)),
    ),
    "data of nothing": OPENED(1) + frame(DATA, 0, 1) * 20_000,
    "windows past the largest": frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "priorities": frame(PRIORITY, 0, 1, b"\0\0\0\0\1") * 20_000,
    "streams of the server's numbers": frame(HEADERS, END_HEADERS, 2, call_headers("ResolveStream")),
    "frames of no kind": frame(99, 255, 2**31 - 1, MARKER.encode()) * 1_000,
    "a frame longer than it may be": b"\xff\xff\xff" + frame(DATA, 0, 1, MARKER.encode() * 1_000)[3:],
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_whatever_bytes_come_others_are_served_and_nothing_of_them_is_told(guarded, junk, capfd):
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(connection(guarded.target)).put(junk)
        assert all(others_are_served(guarded.target) for _ in range(5))
    assert MARKER.casefold() not in "".join(capfd.readouterr()).casefold()


def test_no_message_is_read_before_its_caller_is_known(guarded):
    """Half a message of eight megabytes stays unread, and the refusal doesn't wait for the rest."""
    with connection(guarded.target) as stranger:
        stranger.call(1, "ResolveBatch")
        unsent = memoryview(message(bytes(1 << 16), stated=MAX_REQUEST_BYTES))
        stranger.send(1, unsent)
        told = stranger.read_until(HEADERS, 1)
        assert told
        assert NOT_KNOWN in told.payload


@pytest.mark.parametrize("method", ["ResolveBatch", "ResolveStream"])
@pytest.mark.parametrize(
    "content",
    [
        message(b"", stated=2**32 - 1),
        message(gzip.compress(bytes(MAX_REQUEST_BYTES + 1)), compressed=True),
    ],
    ids=["four gigabytes stated", "a little that inflates to too much"],
)
def test_a_message_past_the_limit_is_refused_however_it_comes(guarded, method, content):
    with connection(guarded.target) as caller:
        caller.call(1, method, *bearing(token("intake")), ("grpc-encoding", "gzip"))
        caller.put(frame(DATA, 0, 1, content))
        assert is_told(caller, TOO_LARGE)
    assert others_are_served(guarded.target)


def test_a_call_without_a_message_is_refused(guarded):
    with connection(guarded.target) as caller:
        caller.call(1, "ResolveBatch", *bearing(token("intake")))
        caller.put(frame(DATA, END_STREAM, 1))
        told = caller.read_until(HEADERS, 1)
        assert told
        assert b"grpc-status\x013" in told.payload


def test_a_connection_holds_a_hundred_streams_and_no_more(guarded):
    with connection(guarded.target) as caller:
        assert caller.read_until(SETTINGS, 0)
        assert caller.settings[MAX_CONCURRENT_STREAMS] == 100


def test_a_caller_has_so_many_calls_under_way_and_others_have_theirs(guarded, monkeypatch):
    """Past the limit a call is refused at once; what ends makes room."""
    monkeypatch.setattr(gate, "MOST_CALLS", 3)
    with connection(guarded.target) as greedy:
        for stream in (1, 3, 5, 7, 9):
            greedy.call(stream, "ResolveStream", *bearing(token("intake")))
        for stream in (7, 9):
            assert b"too many calls" in greedy.read_until(HEADERS, stream).payload
        assert ask(guarded.target, "intake") == TOO_MANY
        assert ask(guarded.target, "delivery") == SERVED
        assert others_are_served(guarded.target)
        greedy.put(frame(RST_STREAM, 0, 3, bytes(4)))
        assert any(ask(guarded.target, "intake") == SERVED for _ in range(200))
    assert any(ask(guarded.target, "intake") == SERVED for _ in range(200))


def ask(target, subject):
    """How a stream of one message ends."""
    request = ResolveStreamRequest(sender_id="power").SerializeToString()
    with channel_to(target) as channel:
        method = channel.stream_stream(STREAM)
        return outcome(lambda: list(method(iter([request]), metadata=bearing(token(subject)))))


def test_who_watches_the_health_takes_no_call_from_who_asks_for_it(guarded, monkeypatch):
    """Strangers may watch, so many of them at a time; a check is always answered."""
    monkeypatch.setattr(gate, "MOST_CALLS", 3)
    with connection(guarded.target) as stranger, channel_to(guarded.target) as channel:
        for stream in (1, 3, 5, 7):
            stranger.call(stream, WATCH)
        assert b"too many calls" in stranger.read_until(HEADERS, 7).payload
        assert outcome(lambda: channel.unary_unary("/grpc.health.v1.Health/Check")(b"")) == SERVED


def test_of_a_client_that_takes_no_answers_the_server_soon_reads_no_more(guarded):
    """A window's worth and a few batches, of what goes on coming; left alone gRPC would open its windows further."""
    queries = [
        on_wire(QueryRow(f"{number}", Kind.FULL_NAME, full_name="Ann Bo", address_line=LINE)) for number in range(500)
    ]
    batch = message(ResolveStreamRequest(sender_id="power", queries=queries).SerializeToString())
    offered = memoryview(batch * 600)
    with connection(guarded.target) as slow:
        slow.call(1, "ResolveStream", *bearing(token("delivery")))
        left = offered
        while left and (len(rest := slow.send(1, left)) < len(left) or slow.read(0.5)):
            slow.read()
            left = rest
        assert len(offered) - len(left) < 3 << 20 < len(offered)
        assert others_are_served(guarded.target)


def closed_after(end, seconds=5):
    """Reads a socket to its end; false where that doesn't come."""
    end.settimeout(seconds)
    try:
        while end.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize(
    "said", [b"", b"\x16\x03\x01\x02\x00\x01\x00", PREFACE], ids=["nothing", "half a hello", "no TLS"]
)
def test_who_begins_no_tls_is_not_waited_for(hasty, said):
    server, _ = hasty
    host, _, port = server.target.rpartition(":")
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(said)
        assert closed_after(silent)


def test_a_connection_without_calls_is_ended(hasty):
    server, ca = hasty
    host, _, port = server.target.rpartition(":")
    context = ssl.create_default_context()
    ca.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port))) as bare,
        context.wrap_socket(bare, server_hostname="localhost") as idle,
    ):
        idle.sendall(PREFACE + frame(SETTINGS, 0, 0))
        assert closed_after(idle)


def test_silence_is_borne_for_as_long_as_the_document_says():
    options = dict(LIMITS)
    assert options["grpc.server_handshake_timeout_ms"] == 10_000
    assert options["grpc.max_connection_idle_ms"] == 300_000
    assert options["grpc.keepalive_time_ms"] == 60_000
    assert options["grpc.max_allowed_incoming_connections"] == 2_000
    assert gate.MOST_CALLS == 256


def test_connections_past_the_limit_are_ended_at_once(register, tmp_path):
    """Whoever is connected stays so."""
    options = (("grpc.so_reuseport", 0), ("grpc.max_allowed_incoming_connections", 2))
    with (
        serving(copied(register, tmp_path / "copy"), **entrance(write_access(tmp_path)), options=options) as server,
        connection(server.target) as first,
        connection(server.target) as second,
    ):
        assert first.read_until(SETTINGS, 0)
        assert second.read_until(SETTINGS, 0)
        with connection(server.target) as third:
            assert closed_after(third.socket)
        first.call(1, "GetServerInfo", *bearing(token("operator")))
        first.put(frame(DATA, END_STREAM, 1, message(b"")))
        assert b"grpc-status\x010" in first.read_until(HEADERS, 1).payload or first.read_until(DATA, 1)


@pytest.mark.parametrize("field", ["full_name", "address_line", "kvhx", "number", "email_address", "reference"])
def test_nothing_of_a_query_is_told_anywhere_but_in_its_answer(register, tmp_path, field, capfd):
    """Not in details or trailers of a refusal, nor in the log, nor in the metrics; whether it can be read or not."""
    registry = CollectorRegistry()
    with (
        serving(copied(register, tmp_path / "copy"), registry=registry) as server,
        channel_to(server.target) as channel,
    ):
        method = channel.unary_unary("/resolver_grpc.v1.ResolverService/ResolveBatch")
        query = on_wire(QueryRow(kind=Kind.FULL_NAME, **{"reference": "r", field: MARKER}))
        whole = ResolveBatchRequest(sender_id="power", queries=[query], shipment_id=MARKER).SerializeToString()
        told = [
            refusal_of(lambda data=data: method(data))
            # Of the last only the protobuf library finds that it is none: its text is no UTF-8.
            for data in (whole + b"\xff", whole[:-1], whole.replace(b"power", b"poweR"), whole + b"\x0a\x01\xff")
        ]
        assert refusal_of(lambda: method(whole)) == ""
    assert all(told)
    shown = "".join([*told, *capfd.readouterr(), generate_latest(registry).decode()])
    assert MARKER.casefold() not in shown.casefold()


def refusal_of(call):
    """Everything that a refusal tells, as text; empty where the call is answered."""
    try:
        call()
    except grpc.RpcError as error:
        return f"{error.code()} {error.details()} {error.trailing_metadata()} {error.initial_metadata()}"
    return ""
