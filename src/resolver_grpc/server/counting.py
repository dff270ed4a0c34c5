"""How many queries or changes a request holds, before any of them is read; and a request of queries that were not read.

What belongs here: the framing, and nothing of what a query says. A query that protobuf has read takes more
than a hundred times the two bytes of an empty one on the wire, so that a request within the byte limit could
take a gigabyte of memory: it is to be refused before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from resolver_grpc.errors import MalformedRequestError
from resolver_grpc.v1.change_service_pb2 import ApplyChangesRequest
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest


def _unread(field: FieldDescriptor) -> type[Message]:
    """A message whose one field holds the bytes of what another's has of messages."""
    unread = FieldDescriptorProto(
        name=field.name,
        number=field.number,
        type=FieldDescriptorProto.TYPE_BYTES,
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    # In a pool of its own: reflection is not to show it.
    pool = DescriptorPool()
    message = DescriptorProto(name="Request", field=[unread])
    pool.Add(FileDescriptorProto(name="unread.proto", package="unread", message_type=[message]))
    return GetMessageClass(pool.FindMessageTypeByName("unread.Request"))


_UnreadRequest: Any = _unread(ResolveBatchRequest.DESCRIPTOR.fields_by_name["queries"])
_UnreadChanges: Any = _unread(ApplyChangesRequest.DESCRIPTOR.fields_by_name["changes"])


def count_queries(request: bytes) -> int:
    """Counts a request's queries without reading them.

    Args:
        request: a ``ResolveBatchRequest`` or ``ResolveStreamRequest`` in wire format.

    Raises:
        MalformedRequestError: the bytes are no message, whatever its queries are.
    """
    try:
        return len(_UnreadRequest.FromString(request).queries)
    except DecodeError:
        raise MalformedRequestError("the bytes are no ResolveBatchRequest") from None


def count_changes(request: bytes) -> int:
    """Counts a request's changes without reading them.

    Args:
        request: an ``ApplyChangesRequest`` in wire format.

    Raises:
        MalformedRequestError: the bytes are no message, whatever its changes are.
    """
    try:
        return len(_UnreadChanges.FromString(request).changes)
    except DecodeError:
        raise MalformedRequestError("the bytes are no ApplyChangesRequest") from None


def frame_queries(queries: Sequence[bytes]) -> bytes:
    """Makes a request of some queries of another.

    Within a request protobuf reads a query as it did there; by itself it would take groups nested one deeper.

    Args:
        queries: queries in wire format.
    """
    request: bytes = _UnreadRequest(queries=queries).SerializeToString()
    return request
