"""From a failed call to a typed error with a sentence that names the fix.

What belongs here: reading a gRPC status. The server's own text is never shown: it could quote anything, and
the sentences below say what a sender can do about it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from resolver_grpc.errors import ServerRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ERROR_DOMAIN = "resolver-grpc"

# What a reason looks like (google.rpc.ErrorInfo); anything else could hold anything.
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}")

_TOO_SOON = "RATE_EXCEEDED"

_BY_REASON: Mapping[str, str] = {
    "UNKNOWN_SENDER": "The server does not know this sender, or not as yours: "
    "use the id that the sender was onboarded with, or ask the server's operator to let you act for it.",
    "UNAUTHENTICATED": "The server does not know who is calling: "
    "show the certificate or the token that its operator gave you, and check that it has not expired.",
    "NOT_PERMITTED": "The server knows who is calling, but not as one who may make this call: "
    "ask its operator for the role intake or delivery to resolve, registrar to tell of changes.",
    "TOO_MANY_QUERIES": "The server takes fewer queries at once than when it was first asked: open a new client.",
    "TOO_MANY_CALLS": "The server takes no more calls of this caller at once: "
    "wait until others have ended, or have fewer under way.",
    "MALFORMED_REQUEST": "The server could not read the request: client and server must be of matching versions.",
    "RATE_EXCEEDED": "The server lets this sender ask fewer queries a second, by whichever of its clients: "
    "be more patient, run fewer at once, or ask its operator for a higher rate.",
    "MISSES_SPENT": "The sender has used up today's budget of recipients who are not found: check what the list was "
    "made from, then send the rest after midnight in Denmark, or ask the server's operator for a larger budget.",
    "ADDRESSES_SPENT": "The sender has used up today's budget of queries by address alone: send the rest after "
    "midnight in Denmark, give names where there are some, or ask the server's operator for a larger budget.",
    "CHANGE_LOG_UNAVAILABLE": "The server can't read or write its log of changes: ask its operator about the disk, "
    "then send what was not answered again.",
    "CHANGES_TRIMMED": "The server doesn't hold these changes any more: begin anew from a snapshot.",
    "SEQUENCE_NOT_REACHED": "The server's changes have not come that far: check that the sequence is this server's.",
    "UNKNOWN_OWNER": "Nothing is held of the owner of that number: check the number.",
    "INVALID_NUMBER": "The number is no CPR or CVR number: check it.",
    "CHANGE_ID_TAKEN": "Another change has this id: give each change its own.",
    "SNAPSHOT_NOT_YET_VALID": "The server's snapshot begins on a later day: "
    "ask its operator to check the register date and the clock.",
}

_BY_CODE: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "The server can't be reached: check its address and that it is running, "
    "then send the whole shipment again.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "The server did not answer a batch in time: "
    "use smaller batches or a longer timeout.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "The server takes no more of this now: "
    "use smaller batches, or ask its operator about the sender's limits.",
    grpc.StatusCode.PERMISSION_DENIED: "The server does not allow this sender: ask its operator to onboard it.",
    grpc.StatusCode.UNAUTHENTICATED: "The server does not know who is calling: ask its operator for access.",
    grpc.StatusCode.INVALID_ARGUMENT: "The server could not take the request: "
    "client and server must be of matching versions.",
    grpc.StatusCode.FAILED_PRECONDITION: "The server is not ready to answer: ask its operator about its snapshot.",
    grpc.StatusCode.UNIMPLEMENTED: "What answers at this address is no resolver: check the server's address.",
    grpc.StatusCode.CANCELLED: "The client was closed before the server answered: "
    "keep it open until the last decision.",
}

_OTHER = "The server failed: ask its operator to look into it, then send the whole shipment again."


def refusal(call: grpc.Call) -> ServerRefusedError:
    """Make the error for a call that ended with another status than OK.

    Args:
        call: the ended call.

    Returns:
        The error; its metadata holds ``code`` (the status code's name) and ``server_reason`` (the reason of
        the server's ErrorInfo, empty where it gave none).
    """
    code = call.code()
    server_reason = read_reason(call)
    sentence = _BY_REASON.get(server_reason) or _BY_CODE.get(code, _OTHER)
    return ServerRefusedError(f"{sentence} ({code.name})", code=code.name, server_reason=server_reason)


def read_reason(call: grpc.Call) -> str:
    """Read the reason of the server's ErrorInfo from the call's trailing metadata; empty if there is none."""
    for detail in _details(call):
        info = error_details_pb2.ErrorInfo()
        if _unpack(detail, info) and info.domain == ERROR_DOMAIN and _REASON.fullmatch(info.reason):
            return str(info.reason)
    return ""


def pause_asked(call: grpc.Call) -> float | None:
    """Read how long to wait before a call is made again that came too soon; None if it is not to be made again.

    A budget of the day comes with a time to wait as well, but nobody is to wait for that.

    Args:
        call: the ended call.
    """
    if call.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or read_reason(call) != _TOO_SOON:
        return None
    for detail in _details(call):
        retry = error_details_pb2.RetryInfo()
        if _unpack(detail, retry):
            return float(retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    return None


def _details(call: grpc.Call) -> Iterable[object]:
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):  # details that contradict the status, or no message at all
        return ()
    return status.details if status else ()


def _unpack(detail: object, message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> bool:
    try:
        return bool(detail.Unpack(message))  # type: ignore[attr-defined]  # google.rpc ships no types
    except DecodeError:
        return False
