"""Queries are counted on the wire before any is read: an empty one takes two bytes there and far more in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import MalformedRequestError, TooManyQueriesError
from resolver_grpc.model import Sender, SenderClass
from resolver_grpc.server.batch import MAX_QUERIES, Batches
from resolver_grpc.server.counting import count_queries
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest

EMPTY_QUERY = b"\x22\x00"
# Fields that no version of the message knows: a number, eight and four bytes, text, and a group with a "query" in it.
UNKNOWN = [b"\x78\x96\x01", b"\x79" + bytes(8), b"\x7d" + bytes(4), b"\x7a\x02hi", b"\x7b" + EMPTY_QUERY + b"\x7c"]
UNKNOWN += [b"\xfa\xff\xff\xff\x0f\x00"]  # the highest field number


@given(st.lists(st.sampled_from([EMPTY_QUERY, b"\x22\x03\x0a\x01r", b"\x0a\x01s", b"\x18\x01", b"\x20\x01", *UNKNOWN])))
def test_a_request_has_as_many_queries_as_protobuf_reads(fields):
    request = b"".join(fields)
    assert count_queries(request) == len(ResolveBatchRequest.FromString(request).queries)


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(MalformedRequestError):
        count_queries(EMPTY_QUERY + b"\x22\x05cut")


def test_a_request_with_too_many_queries_is_refused_unread():
    """Nobody came so far as to see that no byte of its queries can be read."""
    batches = Batches(None, None, {"s": Sender("s", "S", "13585628", SenderClass.PRIVATE)}, 0)
    with pytest.raises(TooManyQueriesError):
        batches.answer(b"\x0a\x01s" + b"\x22\x01\xff" * (MAX_QUERIES + 1), 0)
