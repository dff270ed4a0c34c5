"""Where a server may be.

What belongs here: reading a target's text. Without TLS what a client sends (names, addresses, CPR numbers) would cross
a network in the clear, so that a server elsewhere is reached by TLS, or through a tunnel that ends on this machine.
"""

from __future__ import annotations

import re

from resolver_grpc.errors import ConfigurationError

_LOOPBACK = re.compile(
    r"(?:(?:dns|ipv4|ipv6):(?:///)?)?(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]):[0-9]{1,5}", re.IGNORECASE
)
_ANYWHERE = re.compile(r"(?:(?:dns|ipv4|ipv6):(?:///)?)?(?:[^\s:/,]+|\[[0-9a-f:.]+\]):[0-9]{1,5}", re.IGNORECASE)
_SOCKET_FILE = re.compile(r"unix(?:-abstract)?:.+")


def check_target(target: str, *, encrypted: bool = False) -> None:
    """Refuse a target that is not on this machine, unless the way there is encrypted.

    Args:
        target: gRPC's name of a server: ``localhost:50051``, ``127.0.0.1:50051``, ``[::1]:50051``,
            ``unix:/run/resolver.sock``, with TLS also ``resolver.example.dk:50051``.
        encrypted: whether the channel uses TLS.

    Raises:
        ConfigurationError: the target is elsewhere, or lacks its port.
    """
    if encrypted:
        if not (_ANYWHERE.fullmatch(target) or _SOCKET_FILE.fullmatch(target)):
            raise ConfigurationError("The server must be named as HOST:PORT, such as resolver.example.dk:50051.")
        return
    if not (_LOOPBACK.fullmatch(target) or _SOCKET_FILE.fullmatch(target)):
        raise ConfigurationError(
            "The server must be named by a loopback address with its port, such as 127.0.0.1:50051: queries travel "
            "unencrypted. Reach a server elsewhere by TLS, with the CA that signed its certificate (--ca)."
        )
