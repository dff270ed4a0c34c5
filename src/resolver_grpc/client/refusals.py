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
    from collections.abc import Mapping

ERROR_DOMAIN = "resolver-grpc"

# What a reason looks like (google.rpc.ErrorInfo); anything else could hold anything.
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}")

_BY_REASON: Mapping[str, str] = {
    "UNKNOWN_SENDER": "The server does not know this sender, or not as yours: "
    "use the id that the sender was onboarded with, or ask the server's operator to let you act for it.",
    "UNAUTHENTICATED": "The server does not know who is calling: "
    "show the certificate or the token that its operator gave you, and check that it has not expired.",
    "NOT_PERMITTED": "The server knows who is calling, but not as one who resolves: "
    "ask its operator for the role intake or delivery.",
    "TOO_MANY_QUERIES": "The server takes fewer queries at once than when it was first asked: open a new client.",
    "MALFORMED_REQUEST": "The server could not read the request: client and server must be of matching versions.",
    "SNAPSHOT_NOT_YET_VALID": "The server's snapshot begins on a later day: "
    "ask its operator to check the register date and the clock.",
}

_BY_CODE: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAVAILABLE: "The server can't be reached: check its address and that it is running, "
    "then send the whole shipment again.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "The server did not answer a batch in time: "
    "use smaller batches or a longer timeout.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "The server takes no more of this now, by size or by the sender's budget: "
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
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):  # details that contradict the status, or no message at all
        return ""
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if _unpack(detail, info) and info.domain == ERROR_DOMAIN and _REASON.fullmatch(info.reason):
            return str(info.reason)
    return ""


def _unpack(detail: object, info: error_details_pb2.ErrorInfo) -> bool:
    try:
        return bool(detail.Unpack(info))  # type: ignore[attr-defined]  # google.rpc ships no types
    except DecodeError:
        return False
