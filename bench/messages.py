"""Request messages in a file, and whether the answers to them are right.

What belongs here: what programs that send messages, encoded beforehand by ``nation.requests``, share; nothing of
how the messages are made, so that these programs stay small.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from resolver_grpc.errors import ConfigurationError, MismatchedResponseError
from resolver_grpc.v1.decision_pb2 import ROUTE_MAILBOX
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest, ResolveBatchResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_BYTES = b"messages of a benchmark, 1\n"
_LENGTH = struct.Struct("<I")
_HIT = "hit"


def write_messages(path: Path, messages: Iterable[bytes]) -> None:
    """Writes messages to a file, each behind its length."""
    with path.open("wb") as file:
        file.write(_FIRST_BYTES)
        for message in messages:
            file.write(_LENGTH.pack(len(message)) + message)


def read_messages(path: Path) -> list[bytes]:
    """Reads the messages of a file.

    Raises:
        ConfigurationError: it is no file of messages, holds none, or ends within one.
    """
    data = path.read_bytes()
    place, messages = len(_FIRST_BYTES), []
    while data.startswith(_FIRST_BYTES) and place + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        begin = place + _LENGTH.size
        place = begin + length
        messages.append(data[begin:place])
    if not messages or place != len(data):
        raise ConfigurationError(f"{path}: no whole file of messages; make one with `bench/load.py --keep-messages`")
    return messages


def count_queries(message: bytes) -> int:
    """How many queries a message holds."""
    return len(ResolveBatchRequest.FromString(message).queries)


def check_answer(message: bytes, response: bytes) -> None:
    """Holds a response against its request: one decision for each query, and hits found, the others not.

    Raises:
        MismatchedResponseError: it is not the answer that a server of the same country gives.
    """
    asked = [query.reference for query in ResolveBatchRequest.FromString(message).queries]
    try:
        decisions = ResolveBatchResponse.FromString(response).decisions
    except DecodeError:
        raise MismatchedResponseError("a response is no ResolveBatchResponse") from None
    if [decision.reference for decision in decisions] != asked:
        raise MismatchedResponseError("a response has not one decision for each query, in order")
    if any((one.route == ROUTE_MAILBOX) != one.reference.startswith(_HIT) for one in decisions):
        raise MismatchedResponseError(
            "a query that must be found is not, or the other way round; "
            "serve the snapshot of the country that the messages are about, as of its register date"
        )
