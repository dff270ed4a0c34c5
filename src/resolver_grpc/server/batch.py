"""A request's bytes to a response's bytes: what both RPCs of resolving do, without gRPC.

Bytes that protobuf refuses, and more queries than allowed, fail the whole request; a malformed query fails
alone. ``ResolveStreamRequest`` has the fields of ``ResolveBatchRequest``, so one reading serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from resolver_grpc.errors import MalformedRequestError, TooManyQueriesError, UnknownSenderError
from resolver_grpc.model import Decision, Query, Sender
from resolver_grpc.policy import POLICY_VERSION
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.counting import count_queries
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

Request = TypeVar("Request", bound=Message)

MAX_QUERIES = 10_000
MAX_REQUEST_BYTES = 8 * 1024 * 1024
"""Room for 10,000 queries with long addresses; past it gRPC itself answers RESOURCE_EXHAUSTED."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Answers requests from one snapshot.

    Attributes:
        resolver: resolves against the snapshot's index.
        manifest: the snapshot's manifest.
        senders: the onboarded senders by id.
        horizon: the instant at which the snapshot becomes stale.
        as_of: the instant that everything is judged at, where a past day is replayed.
    """

    resolver: Resolver
    manifest: Manifest
    senders: Mapping[str, Sender]
    horizon: int
    as_of: int | None = None

    def answer(self, request: bytes, instant: int) -> bytes:
        """Resolves one request.

        Args:
            request: a ``ResolveBatchRequest`` or ``ResolveStreamRequest`` in wire format.
            instant: seconds of UTC, at which every query is judged.

        Returns:
            The response in wire format.

        Raises:
            MalformedRequestError: the bytes are no request.
            TooManyQueriesError: it holds more than ``MAX_QUERIES`` queries.
            UnknownSenderError: its sender was never onboarded.
            NotYetValidError: the instant lies before the snapshot's register date.
        """
        queries_held = count_queries(request)
        if queries_held > MAX_QUERIES:
            raise TooManyQueriesError(
                "the request holds too many queries; split it", max_queries=MAX_QUERIES, queries=queries_held
            )
        message = parse_message(ResolveBatchRequest, request)
        sender = self.senders.get(message.sender_id)
        if sender is None:
            raise UnknownSenderError("the sender is not onboarded; check sender_id")
        queries: Sequence[Query] = message.queries
        decisions = self.resolver.resolve(queries, sender, instant, personal_content=message.personal_content)
        return self._write(queries, decisions)

    def _write(self, queries: Sequence[Query], decisions: Sequence[Decision]) -> bytes:
        response = ResolveBatchResponse(
            snapshot_id=self.manifest.snapshot_id,
            change_sequence=self.manifest.change_sequence,
            policy_version=POLICY_VERSION,
        )
        for query, decision in zip(queries, decisions, strict=True):
            row = response.decisions.add(
                reference=query.reference, route=decision.route, reason=decision.reason, field=decision.field
            )
            for target in decision.targets:
                row.targets.add(number=target.number, forwarding_address=target.forwarding_address)
        return response.SerializeToString()


def parse_message(message_type: type[Request], data: bytes) -> Request:
    """Reads a message in wire format.

    Raises:
        MalformedRequestError: the bytes are none.
    """
    try:
        return message_type.FromString(data)
    except DecodeError:
        # Its text may quote the message.
        raise MalformedRequestError(f"the bytes are no {message_type.DESCRIPTOR.name}") from None
