"""Where a server may be.

What belongs here: reading a target's text. Until callers have identities the server listens on loopback
only, and what a client sends (names, addresses, CPR numbers) would cross a network in the clear; a server
elsewhere is reached through a tunnel that ends on this machine.
"""

from __future__ import annotations

import re

from resolver_grpc.errors import ConfigurationError

_LOOPBACK = re.compile(
    r"(?:(?:dns|ipv4|ipv6):(?:///)?)?(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]{1,5}", re.IGNORECASE
)
_SOCKET_FILE = re.compile(r"unix(?:-abstract)?:.+")


def check_target(target: str) -> None:
    """Refuse a target that is not on this machine.

    Args:
        target: gRPC's name of a server: ``localhost:50051``, ``127.0.0.1:50051``, ``[::1]:50051``,
            ``unix:/run/resolver.sock``.

    Raises:
        ConfigurationError: the target is elsewhere, or lacks its port.
    """
    if not (_LOOPBACK.fullmatch(target) or _SOCKET_FILE.fullmatch(target)):
        raise ConfigurationError(
            "The server must be named by a loopback address with its port, such as 127.0.0.1:50051: queries travel "
            "unencrypted. Reach a server elsewhere through a tunnel that ends on this machine."
        )
