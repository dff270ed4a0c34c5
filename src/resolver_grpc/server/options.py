"""What gRPC is told of a server's limits: messages, calls, connections; why, and what was measured, is in ADR 0025.

What belongs here: options of gRPC's, which one server has like any other. What a caller may is the gate's.
"""

from __future__ import annotations

from typing import Final

from resolver_grpc.server.batch import MAX_REQUEST_BYTES

LIMITS: Final = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # Left to itself gRPC doubles the windows as long as data comes quickly, up to what a machine can carry.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.http2.max_frame_size", 1 << 20),
    # What one connection may hold, and for how long one that says nothing is held.
    ("grpc.max_concurrent_streams", 100),
    # Past these gRPC drops calls that nobody took up yet at random, whoever's they are.
    ("grpc.server.max_pending_requests", 10_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.max_allowed_incoming_connections", 2_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
# Two servers that share a port by mistake would answer from two snapshots.
ALONE: Final = (("grpc.so_reuseport", 0),)
