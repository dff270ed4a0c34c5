"""WatchChanges with a real server: every change as it was sent, in order, and on from wherever one stopped."""

import grpc
import pytest
from access_nursery import copied, outcome
from change_nursery import fresh_id, new_log, registering, unchanged
from prometheus_client import CollectorRegistry

from change_messages import EVENTS, FIRM, OF_FIRMS, message, person
from resolver_grpc.server import watching
from resolver_grpc.v1 import change_service_pb2 as wire
from resolver_grpc.v1.change_service_pb2_grpc import ChangeServiceStub
from small_register import ANN, BO

BEFORE = "2026-10-31T12:00:00Z"


def sent(event, number=None, **fields):
    return message(event, number, BEFORE, fresh_id(), **fields)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watching")
    register = unchanged(folder)
    return register, new_log(folder / "log", register.key), folder


@pytest.fixture(scope="module")
def registrar(place):
    register, log, folder = place
    with registering(register, log, folder) as registrar:
        yield registrar


def watch(registrar, first):
    return registrar.changes.WatchChanges(wire.WatchChangesRequest(from_sequence=first), metadata=registrar.registrar)


def take(call, count):
    """Takes so many changes; tells them, and where to go on."""
    changes = []
    while len(changes) < count:
        response = next(call)
        changes += response.changes
        assert response.next_sequence == (changes[-1].sequence + 1 if changes else response.next_sequence)
    return changes, response.next_sequence


def next_sequence(registrar):
    (sequence,) = registrar.took(sent("logged_in", BO))
    return sequence + 1


def test_every_event_is_told_as_it_was_sent_then_and_later(registrar):
    first = next_sequence(registrar)
    names = [name for name in EVENTS if name not in {"erased", "number_replaced", "opt_out_cancelled"}]
    changes = [sent(name, FIRM if name in OF_FIRMS else ANN) for name in names]
    sequences = registrar.took(*changes[:9])
    call = watch(registrar, first)
    told, following = take(call, 9)
    assert [one.sequence for one in told] == sequences
    assert [one.change for one in told] == changes[:9]
    registrar.took(*changes[9:])
    assert [one.change for one in take(call, len(changes) - 9)[0]] == changes[9:]
    call.cancel()
    again = watch(registrar, following)
    assert [one.change for one in take(again, len(changes) - 9)[0]] == changes[9:]
    again.cancel()


def test_more_changes_than_a_response_holds_come_in_several(registrar):
    first = next_sequence(registrar)
    registrar.took(*(sent("logged_in", ANN) for _ in range(700)))
    call = watch(registrar, first)
    told, following = take(call, 700)
    call.cancel()
    assert [one.sequence for one in told] == list(range(first, first + 700))
    assert following == first + 700


def test_at_the_end_of_the_log_a_checkpoint_comes_at_once(registrar):
    following = next_sequence(registrar)
    call = watch(registrar, following)
    assert next(call) == wire.WatchChangesResponse(next_sequence=following)
    call.cancel()


def test_past_the_end_of_the_log_nothing_can_be_watched(registrar):
    call = watch(registrar, next_sequence(registrar) + 1)
    assert outcome(lambda: next(call)) == ("FAILED_PRECONDITION", "SEQUENCE_NOT_REACHED")


def test_bytes_that_are_no_request_are_refused(registrar):
    call = registrar.channel.unary_stream("/resolver_grpc.v1.ChangeService/WatchChanges")
    assert outcome(lambda: next(call(b"\xff", metadata=registrar.registrar))) == (
        "INVALID_ARGUMENT",
        "MALFORMED_REQUEST",
    )


def test_a_slow_reader_is_cut_off_and_goes_on_from_the_last_response_that_it_took(place, monkeypatch):
    """Its window holds a response or two; it takes no more until the server has given it up."""
    monkeypatch.setattr(watching, "SECONDS_FOR_A_RESPONSE", 0.05)
    register, _, folder = place
    long = {"person": person(street_name="x" * 250, supplementary_town="y" * 250)}
    registry = CollectorRegistry()
    again, log = copied(register, folder / "copy"), new_log(folder / "slow", register.key)
    with registering(again, log, folder, registry=registry) as registrar:
        for _ in range(8):
            registrar.took(*(sent("moved", ANN, **long) for _ in range(500)))
        # One that doesn't widen its window by itself, as gRPC does on a fast connection.
        target, options = registrar.target, [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        with grpc.insecure_channel(target, options) as channel:
            call = ChangeServiceStub(channel).WatchChanges(
                wire.WatchChangesRequest(), metadata=registrar.registrar, timeout=60
            )
            responses = [next(call)]
            while registry.get_sample_value("resolver_refused_calls_total", {"code": "RESOURCE_EXHAUSTED"}) is None:
                pass
            ended = outcome(lambda: responses.extend(call))
        assert ended == ("RESOURCE_EXHAUSTED", "SLOW_READER")
        monkeypatch.undo()
        call = watch(registrar, responses[-1].next_sequence)
        rest, _ = take(call, 4_001 - responses[-1].next_sequence)
        call.cancel()
        told = [one.sequence for response in responses for one in response.changes] + [one.sequence for one in rest]
        assert told == list(range(1, 4_001))
