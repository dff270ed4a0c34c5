"""A real gRPC server on a free port whose answers a test writes.

It decides nothing: each query's decision echoes its reference and carries the query's kind and number, so
that a test sees which query a decision answers. ``fate`` may refuse, delay or spoil any call.
"""

from __future__ import annotations

from concurrent import futures
from typing import TYPE_CHECKING, NamedTuple

import grpc

from resolver_grpc.client.patience import Surroundings
from resolver_grpc.v1 import decision_pb2, query_pb2, resolver_service_pb2
from resolver_grpc.v1.resolver_service_pb2_grpc import (
    ResolverServiceServicer,
    add_ResolverServiceServicer_to_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Hours:
    """A clock that only sleeping moves; keeps what was slept."""

    def __init__(self):
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    @property
    def surroundings(self):
        return Surroundings(clock=lambda: self.now, sleep=self.sleep, jitter=lambda: 0.5)


class Call(NamedTuple):
    """One call that came: its number, from 0, its context and its request."""

    number: int
    context: grpc.ServicerContext
    request: object


class FakeResolver(ResolverServiceServicer):
    """Answers every batch, unless ``fate`` says otherwise.

    Attributes:
        target: where it listens.
        info: what GetServerInfo answers.
        fate: is given each ResolveBatch call; whatever it returns is the answer, ``None`` the usual one.
        info_fate: is given each GetServerInfo call; may abort it.
        decide: the decision of one query.
        requests: every ResolveBatch request that came, in order of arrival.
        infos: how often GetServerInfo was called.
    """

    def __init__(self):
        self.target = ""
        self.reset()

    def reset(self):
        self.info = resolver_service_pb2.GetServerInfoResponse(
            max_queries=1000, max_request_bytes=4 * 2**20, snapshot_id="fake"
        )
        self.fate: Callable[[Call], object] = lambda _call: None
        self.info_fate: Callable[[Call], object] = lambda _call: None
        self.decide = decide
        self.requests: list[resolver_service_pb2.ResolveBatchRequest] = []
        self.infos = 0

    def GetServerInfo(self, request, context):  # noqa: N802 - the name in the wire
        self.infos += 1
        self.info_fate(Call(self.infos - 1, context, request))
        return self.info

    def ResolveBatch(self, request, context):  # noqa: N802 - the name in the wire
        self.requests.append(request)
        answer = self.fate(Call(len(self.requests) - 1, context, request))
        return self.answer(request) if answer is None else answer

    def answer(self, request):
        return resolver_service_pb2.ResolveBatchResponse(
            decisions=[self.decide(query) for query in request.queries], snapshot_id="fake"
        )


def decide(query):
    """MAILBOX for whom a number is known, HOLD for the kinds by name, REJECT for a query without a kind."""
    if query.kind == query_pb2.KIND_UNSPECIFIED:
        return decision_pb2.Decision(
            reference=query.reference,
            route=decision_pb2.ROUTE_REJECT,
            reason=decision_pb2.REASON_INVALID_KIND,
            field="kind",
        )
    if query.number:
        return decision_pb2.Decision(
            reference=query.reference,
            route=decision_pb2.ROUTE_MAILBOX,
            reason=decision_pb2.REASON_DELIVERABLE,
            targets=[decision_pb2.Target(number=query.number)],
        )
    return decision_pb2.Decision(
        reference=query.reference, route=decision_pb2.ROUTE_HOLD, reason=decision_pb2.REASON_HELD_FOR_SENDER
    )


def start_fake(resolver):
    """Start a server of the resolver on a free port of the loopback, and tell the resolver its target."""
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    add_ResolverServiceServicer_to_server(resolver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    resolver.target = f"127.0.0.1:{port}"
    return server
