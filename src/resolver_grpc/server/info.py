"""What ``GetServerInfo`` tells: limits, versions, the snapshot that is served and the generation that is not."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from resolver_grpc.policy import POLICY_VERSION
from resolver_grpc.server.batch import MAX_QUERIES, MAX_REQUEST_BYTES, parse_message
from resolver_grpc.server.in_service import Refusal
from resolver_grpc.server.served import Served
from resolver_grpc.times import parse_time
from resolver_grpc.v1.resolver_service_pb2 import GetServerInfoRequest, GetServerInfoResponse


def answer_server_info(request: bytes, served: Served, refusal: Refusal | None, instant: int) -> bytes:
    """Answers ``GetServerInfo``.

    Args:
        request: a ``GetServerInfoRequest`` in wire format.
        served: what is served.
        refusal: why the store's live generation is not the one that is served, if so.
        instant: now, in seconds of UTC.

    Returns:
        The response in wire format.

    Raises:
        MalformedRequestError: the bytes are no request.
    """
    parse_message(GetServerInfoRequest, request)
    manifest, as_of = served.snapshot.manifest, served.batches.as_of
    response = GetServerInfoResponse(
        max_queries=MAX_QUERIES,
        max_request_bytes=MAX_REQUEST_BYTES,
        snapshot_id=manifest.snapshot_id,
        register_date=manifest.register_date,
        horizon_time=Timestamp(seconds=served.horizon),
        stale=instant >= served.horizon,
        build_time=Timestamp(seconds=parse_time(manifest.build_time)),
        format_version=manifest.format_version,
        canonical_version=manifest.canonical_version,
        policy_version=POLICY_VERSION,
        change_sequence=served.change_sequence,
        as_of_time=None if as_of is None else Timestamp(seconds=as_of),
        generation=served.generation,
        refused_generation=refusal.generation if refusal else 0,
        refusal_reason=refusal.reason if refusal else "",
    )
    return response.SerializeToString()
