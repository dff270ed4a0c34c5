"""The registrar's client with a real server: retries by change id, and watching that goes on where it stopped."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from change_messages import message
from resolver_grpc.client import ChangesClient
from resolver_grpc.client.patience import Surroundings
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError, ServerRefusedError
from resolver_grpc.v1 import change_service_pb2 as wire
from resolver_grpc.v1.change_service_pb2_grpc import ChangeServiceServicer, add_ChangeServiceServicer_to_server
from small_register import ANN

HURRIED = Surroundings(sleep=lambda _seconds: None)


class FakeLog(ChangeServiceServicer):
    """A server that takes everything, and is gone at some of its calls and messages."""

    def __init__(self):
        self.taken = {}
        self.fails = []
        self.calls = 0
        self.is_mistaken = False

    def _fail(self, context):
        if self.fails and self.fails[0] == self.calls:
            self.fails.pop(0)
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        self.calls += 1

    def ApplyChanges(self, request_iterator, context):  # noqa: N802 - gRPC's name
        for request in request_iterator:
            # Taken, and then not told.
            for change in request.changes:
                self.taken.setdefault(change.change_id, len(self.taken) + 1)
            self._fail(context)
            changes = request.changes[1:] if self.is_mistaken else request.changes
            outcomes = [
                wire.ChangeOutcome(change_id=one.change_id, sequence=self.taken[one.change_id]) for one in changes
            ]
            yield wire.ApplyChangesResponse(outcomes=outcomes)

    def WatchChanges(self, request, context):  # noqa: N802 - gRPC's name
        for sequence in range(request.from_sequence, 10):
            self._fail(context)
            yield wire.WatchChangesResponse(changes=[{"sequence": sequence}], next_sequence=sequence + 1)
        context.abort(grpc.StatusCode.OUT_OF_RANGE, "over")

    def EraseOwner(self, request, context):  # noqa: N802 - gRPC's name
        self._fail(context)
        return wire.EraseOwnerResponse(sequence=len(request.change_id))


@pytest.fixture
def fake():
    return FakeLog()


@pytest.fixture
def client(fake):
    server = grpc.server(ThreadPoolExecutor(4))
    add_ChangeServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with ChangesClient(f"127.0.0.1:{port}", surroundings=HURRIED) as client:
            yield client
    finally:
        server.stop(None)


def changes(count):
    return [message("logged_in", ANN, change_id=f"c-{number}") for number in range(count)]


@pytest.mark.parametrize("fails", [[], [0], [2], [0, 1, 2, 3], [4]])
def test_each_change_has_one_outcome_in_order_however_often_the_server_is_gone(client, fake, fails):
    fake.fails = fails
    outcomes = list(client.apply(iter(changes(2_200))))
    assert [(one.change_id, one.sequence) for one in outcomes] == [(f"c-{at}", at + 1) for at in range(2_200)]
    assert not fake.fails


def test_no_change_is_no_message(client, fake):
    assert list(client.apply([])) == []
    assert fake.calls == 0


def test_a_server_that_stays_away_is_given_up(client):
    with pytest.raises(ServerRefusedError, match="UNAVAILABLE"), ChangesClient("127.0.0.1:1", retry_for=0) as lonely:
        list(lonely.apply(changes(1)))


def test_outcomes_of_other_changes_are_refused(client, fake):
    fake.is_mistaken = True
    with pytest.raises(MismatchedResponseError):
        list(client.apply(changes(3)))


def test_watching_goes_on_from_the_last_response(client, fake):
    fake.fails = [0, 3, 4]
    watching = client.watch(2)
    seen = [next(watching).changes[0].sequence for _ in range(2, 10)]
    assert seen == list(range(2, 10))
    assert not fake.fails
    with pytest.raises(ServerRefusedError, match="OUT_OF_RANGE"):
        next(watching)


def test_an_erasure_is_sent_again(client, fake):
    fake.fails = [0]
    assert client.erase(ANN, "e-1") == 3


def test_a_server_elsewhere_is_not_spoken_to_in_the_clear():
    with pytest.raises(ConfigurationError, match="loopback"):
        ChangesClient("10.0.0.1:50051")
