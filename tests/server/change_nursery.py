"""Changes sent to real servers, and what the tests ask of them."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count

from access_nursery import bearing, channel_to, entrance, token, write_access

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.keys import KeyRing
from resolver_grpc.model import QueryRow, Reason
from resolver_grpc.v1 import change_service_pb2 as wire
from resolver_grpc.v1.change_service_pb2_grpc import ChangeServiceStub
from resolver_grpc.v1.query_pb2 import Query
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest
from resolver_grpc.v1.resolver_service_pb2_grpc import ResolverServiceStub
from small_register import NOON, build_register, serving

ALWAYS = {"nbf": 0, "exp": 4_000_000_000}


class Clock:
    """The instant of a server, which a test sets."""

    def __init__(self, instant=NOON):
        self.instant = instant

    def __call__(self):
        return self.instant


class Registrar:
    """Whoever changes, and asks, over one channel to a server that knows callers by their tokens."""

    def __init__(self, target):
        self.target = target
        self.channel = channel_to(target)
        self.changes, self.resolver = ChangeServiceStub(self.channel), ResolverServiceStub(self.channel)
        self.registrar, self.delivery = (bearing(token(who, **ALWAYS)) for who in ("registrar", "delivery"))

    def apply(self, *messages):
        """Sends changes in one message; tells the outcome of each."""
        requests = iter([wire.ApplyChangesRequest(changes=messages)])
        (response,) = self.changes.ApplyChanges(requests, metadata=self.registrar)
        return list(response.outcomes)

    def took(self, *messages):
        """Sends changes that must all be taken; tells their sequences."""
        outcomes = self.apply(*messages)
        assert not [outcome for outcome in outcomes if outcome.reason]
        return [outcome.sequence for outcome in outcomes]

    def resolve(self, *queries, sender_id="power", **fields):
        """Asks as delivery; gives the response."""
        rows = [Query(**{name: getattr(row, name) for name in QueryRow.__slots__}) for row in queries]
        request = ResolveBatchRequest(sender_id=sender_id, queries=rows, **fields)
        return self.resolver.ResolveBatch(request, metadata=self.delivery)

    def ask(self, query, sender_id="power"):
        """The reason, and the numbers that are reached."""
        (decision,) = self.resolve(query, sender_id=sender_id).decisions
        return Reason(decision.reason).name, [target.number for target in decision.targets]


def new_log(path, key):
    """Makes an empty log."""
    ChangeLog(path, KeyRing(key)).close()
    return path


def unchanged(folder, **tables):
    """A register whose tables were exported before any change."""
    return build_register(folder, change_sequence=0, **tables)


@contextmanager
def registering(register, log, folder, **options):
    """Serves a register with a log of changes; gives a registrar."""
    with serving(register, changes=log, **entrance(write_access(folder)), **options) as server:
        registrar = Registrar(server.target)
        with registrar.channel:
            yield registrar


ids = count()


def fresh_id():
    """A change id that no other test uses."""
    return f"feed-{next(ids)}"
