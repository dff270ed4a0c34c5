"""The channel that a client's calls travel by.

What belongs here: gRPC's options, which all clients share, and refusing to speak to a server elsewhere in the clear.
"""

from __future__ import annotations

import grpc

from resolver_grpc.client.target import check_target

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),  # an ADDRESS decision may name many owners
    ("grpc.enable_retries", 0),  # the clients repeat calls; two that do would multiply
    ("grpc.enable_http_proxy", 0),  # nobody stands between: what is asked is personal
    # The channel must have tried to connect again by the time that a client tries again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def open_channel(target: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """Open a channel to a server.

    Args:
        target: its loopback address with its port, or its socket; with credentials any server.
        credentials: TLS, as ``read_channel_credentials`` makes it; without it everything travels in the clear.

    Raises:
        ConfigurationError: the target lacks its port, or is elsewhere and nothing is encrypted.
    """
    check_target(target, encrypted=credentials is not None)
    if credentials:
        return grpc.secure_channel(target, credentials, options=_OPTIONS)
    return grpc.insecure_channel(target, options=_OPTIONS)
