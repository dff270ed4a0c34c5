"""A request's bytes to a response's bytes: what both RPCs of resolving do, without gRPC.

Bytes that protobuf refuses, and more queries than allowed, fail the whole request; a malformed query fails
alone. ``ResolveStreamRequest`` has the fields of ``ResolveBatchRequest``, so one reading serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from resolver_grpc.errors import (
    MalformedRequestError,
    SequenceNotReachedError,
    TooManyQueriesError,
    UnknownSenderError,
)
from resolver_grpc.model import Decision, Query, Role, Sender
from resolver_grpc.policy import POLICY_VERSION
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.answer import Answer, Steps, Tally
from resolver_grpc.server.counting import count_queries
from resolver_grpc.server.metering import UNMETERED, Meter
from resolver_grpc.server.overlaid import Overlaid
from resolver_grpc.snapshot.manifest import Manifest
from resolver_grpc.v1.decision_pb2 import Decision as DecisionRow
from resolver_grpc.v1.decision_pb2 import Reason as ReasonNumber
from resolver_grpc.v1.decision_pb2 import Route as RouteNumber
from resolver_grpc.v1.decision_pb2 import Target as TargetRow
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

Request = TypeVar("Request", bound=Message)

MAX_QUERIES = 10_000
MAX_REQUEST_BYTES = 8 * 1024 * 1024
"""Room for 10,000 queries with long addresses; past it gRPC itself answers RESOURCE_EXHAUSTED."""
QUERIES_AT_ONCE = 4
"""Queries that the plain way resolves before it lets others go first; most take a tenth of a millisecond."""


MayActFor: TypeAlias = Callable[[str], bool]
"""Whether a request may be made in a sender's name."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Answers requests from one snapshot, the plain way.

    Attributes:
        resolver: resolves against the snapshot's index.
        manifest: the snapshot's manifest.
        senders: the onboarded senders by id.
        horizon: the instant at which the snapshot becomes stale.
        as_of: the instant that everything is judged at, where a past day is replayed.
        overlaid: the changes over the snapshot, where the resolver sees them.
    """

    resolver: Resolver
    manifest: Manifest
    senders: Mapping[str, Sender]
    horizon: int
    as_of: int | None = None
    overlaid: Overlaid | None = None

    @property
    def change_sequence(self) -> int:
        """The sequence of the last change that decisions take account of."""
        return self.overlaid.sequence if self.overlaid else self.manifest.change_sequence

    def answer(self, request: bytes, instant: int, *, role: Role = Role.DELIVERY) -> bytes:
        """Resolves one request at once, in any sender's name, and gives the response; see ``steps``."""
        return finish(self.steps(request, instant, for_any_sender, role)).response

    def steps(
        self, request: bytes, instant: int, may_act_for: MayActFor, role: Role, meter: Meter = UNMETERED
    ) -> Steps:
        """Resolves one request, some queries at a time.

        Args:
            request: a ``ResolveBatchRequest`` or ``ResolveStreamRequest`` in wire format.
            instant: seconds of UTC, at which every query is judged.
            may_act_for: whether the caller may ask in a sender's name.
            role: the caller's, which decides what it is told.
            meter: keeps the sender's budgets.

        Returns:
            The answer, by steps of about half a millisecond.

        Raises:
            MalformedRequestError: the bytes are no request.
            TooManyQueriesError: it holds more than ``MAX_QUERIES`` queries.
            UnknownSenderError: its sender was never onboarded, or is none that the caller may act for.
            SequenceNotReachedError: it asks for a later change than was laid over the snapshot.
            NotYetValidError: the instant lies before the snapshot's register date.
            OverBudgetError: the sender has used up a budget, before this request or by it.
            BudgetFileError: budgets can't be kept.
        """
        queries_held = count_queries(request)
        if queries_held > MAX_QUERIES:
            raise TooManyQueriesError(
                "the request holds too many queries; split it", max_queries=MAX_QUERIES, queries=queries_held
            )
        message = parse_message(ResolveBatchRequest, request)
        sender = self.sender(message.sender_id, may_act_for)
        queries: Sequence[Query] = message.queries
        self.check_sequence(message.at_least_sequence)
        self.resolver.check_instant(instant)
        meter.admit(sender, len(queries))
        response, told = self.response(), Tally()
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            if first:
                yield
            some = queries[first : first + QUERIES_AT_ONCE]
            decisions = self.resolver.resolve(
                some, sender, instant, personal_content=message.personal_content, role=role, counted=told.counted
            )
            response.decisions.extend(map(decision_row, some, decisions))
            told.add_decisions(some, decisions)
        meter.settle(sender, told.counted)
        return Answer(response.SerializeToString(), sender.id, message.shipment_id, told)

    def check_sequence(self, asked: int) -> None:
        """Refuses a request that asks for a later change than there is.

        Raises:
            SequenceNotReachedError: it does.
        """
        if asked > self.change_sequence:
            raise SequenceNotReachedError(
                "the changes have not reached at_least_sequence; check that this server's log gave it",
                asked=asked,
                change_sequence=self.change_sequence,
            )

    def sender(self, sender_id: str, may_act_for: MayActFor) -> Sender:
        """The onboarded sender of an id.

        Raises:
            UnknownSenderError: there is none that the caller may act for; which of both is not told.
        """
        sender = self.senders.get(sender_id)
        if sender is None or not may_act_for(sender_id):
            raise UnknownSenderError("the sender is not onboarded; check sender_id")
        return sender

    def response(self) -> ResolveBatchResponse:
        """A response without decisions."""
        return ResolveBatchResponse(
            snapshot_id=self.manifest.snapshot_id,
            change_sequence=self.change_sequence,
            policy_version=POLICY_VERSION,
        )


def for_any_sender(_sender_id: str) -> bool:
    """Says of every sender that a request may be made in its name."""
    return True


def finish(steps: Steps) -> Answer:
    """Takes all steps of an answer one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def decision_row(query: Query, decision: Decision) -> DecisionRow:
    """A decision as the wire has it, with the reference of its query."""
    targets = [
        TargetRow(handle=target.handle, number=target.number, forwarding_address=target.forwarding_address)
        for target in decision.targets
    ]
    return DecisionRow(
        reference=query.reference,
        route=cast("RouteNumber.ValueType", decision.route),
        reason=cast("ReasonNumber.ValueType", decision.reason),
        field=decision.field,
        targets=targets,
    )


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
