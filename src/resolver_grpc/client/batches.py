"""Cutting an iterable of queries into requests that the server takes.

What belongs here: counting queries and bytes, and turning any query into the wire's message. Nothing here
knows about calls, time or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from resolver_grpc.errors import UnsendableQueryError
from resolver_grpc.v1 import query_pb2, resolver_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resolver_grpc import model

FIELDS = tuple(query_pb2.Query.DESCRIPTOR.fields_by_name)
_values = attrgetter(*FIELDS)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most queries and the most bytes that one request may hold."""

    max_queries: int
    max_request_bytes: int


def cut_batches(
    queries: Iterable[model.Query], envelope: resolver_service_pb2.ResolveBatchRequest, limits: Limits
) -> Iterator[resolver_service_pb2.ResolveBatchRequest]:
    """Cut queries into requests within the limits, in order, taking no query before it is needed.

    Args:
        queries: anything with the fields of ``model.Query``; may be endless.
        envelope: a request with everything but queries; each batch starts as a copy of it.
        limits: what one request may hold.

    Raises:
        UnsendableQueryError: a query that the wire can't carry, or that alone exceeds the byte limit.
    """
    batch = _copy(envelope)
    empty = size = envelope.ByteSize()
    for row, query in enumerate(queries, 1):
        message = encode_query(query, row)
        added = _element_size(message.ByteSize())
        if empty + added > limits.max_request_bytes:
            raise UnsendableQueryError(
                f"Query {row} alone is larger than the server takes in one request: shorten its fields.", row=row
            )
        if len(batch.queries) == limits.max_queries or size + added > limits.max_request_bytes:
            yield batch
            batch, size = _copy(envelope), empty
        # Appending copies: a caller may fill one message again and again.
        batch.queries.append(message)
        size += added
    if batch.queries:
        yield batch


def encode_query(query: model.Query, row: int) -> query_pb2.Query:
    """Give the wire's message for a query; a wire message is itself.

    Args:
        query: the query.
        row: its place among the queries, from 1, for the error's sentence.

    Raises:
        UnsendableQueryError: a field that is missing, of another type, or no Unicode text.
    """
    if isinstance(query, query_pb2.Query):
        return query
    try:
        # An empty field is the wire's default: leaving it out halves the time that a query takes.
        return query_pb2.Query(**{name: value for name, value in zip(FIELDS, _values(query), strict=True) if value})
    except (AttributeError, TypeError, ValueError):
        field = _unsendable_field(query)
    # Outside the handler, so that protobuf's error, which quotes the value, is not chained to this one.
    raise UnsendableQueryError(
        f"Query {row} can't be sent: its field {field} is missing or holds a value of another type than query.proto's.",
        row=row,
        field=field,
    )


def _unsendable_field(query: model.Query) -> str:
    for name in FIELDS:
        try:
            query_pb2.Query(**{name: getattr(query, name)})
        except (AttributeError, TypeError, ValueError):
            return name
    raise AssertionError("a message can't be made, yet each of its fields can")


def _copy(envelope: resolver_service_pb2.ResolveBatchRequest) -> resolver_service_pb2.ResolveBatchRequest:
    batch = resolver_service_pb2.ResolveBatchRequest()
    batch.CopyFrom(envelope)
    return batch


def _element_size(length: int) -> int:
    """The bytes that an embedded message adds: tag, length as varint, content."""
    return 1 + max(1, (length.bit_length() + 6) // 7) + length
