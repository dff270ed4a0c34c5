"""Where a server listens: the address as it is told, and the port that workers share.

What belongs here: addresses, and the socket that holds a port without ever listening on it; no call goes through
this module, and gRPC is not touched.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import SO_REUSEADDR, SO_REUSEPORT, SOCK_STREAM, SOL_SOCKET

from resolver_grpc.errors import ConfigurationError

_NOT_ON_THIS_MACHINE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def check_listen_address(listen: str, *, loopback_only: bool) -> None:
    """Checks that an address is ``HOST:PORT``, and whether it may be listened on.

    Args:
        listen: the address.
        loopback_only: whether nobody from outside may reach it, as what travels in the clear must not.

    Raises:
        ConfigurationError: it is no such address, or would be reachable from outside.
    """
    if not _is_loopback(listen, "--listen") and loopback_only:
        raise ConfigurationError(
            "--insecure takes loopback addresses only, such as 127.0.0.1:50051; for others use --tls-cert and --tls-key"
        )


def check_loopback_address(address: str, option: str) -> None:
    """Checks that an address is ``HOST:PORT`` of the loopback.

    Raises:
        ConfigurationError: it is no such address, or would be reachable from outside.
    """
    if not _is_loopback(address, option):
        raise ConfigurationError(f"{option} takes loopback addresses only, such as 127.0.0.1:9464")


def _is_loopback(address: str, option: str) -> bool:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not host:
        raise ConfigurationError(f"{option} wants HOST:PORT, such as 127.0.0.1:50051")
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@contextmanager
def holding_port(listen: str) -> Iterator[str]:
    """Holds a port for this program's workers until the block ends.

    Nobody else can listen there meanwhile, except a program of the same user that asks to share ports, too.

    Args:
        listen: ``HOST:PORT``, checked; port 0 stands for any that is free.

    Yields:
        The same with the port's number.

    Raises:
        ConfigurationError: somebody listens there, or holds it for workers of theirs, or it can't be bound at all.
    """
    host, _, port = listen.rpartition(":")
    number = int(port)
    with ExitStack() as held:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host.strip("[]"), None, type=SOCK_STREAM):
                try:
                    holder = held.enter_context(_hold(family, (address[0], number)))
                except OSError as error:
                    # `localhost` may have a name in a family that the machine does without.
                    if error.errno not in _NOT_ON_THIS_MACHINE:
                        raise
                else:
                    number = holder.getsockname()[1]
        except (OSError, OverflowError):
            number = 0
        if not number:
            raise ConfigurationError(f"{listen}: can't be listened on; choose a port that is free")
        yield f"{host}:{number}"


def _hold(family: int, address: tuple[str | int, int]) -> socket.socket:
    """Binds a socket that lets others of this user share its port, once it is sure that nobody does yet."""
    with _bind(family, address) as scout:
        # Bound to the number itself, for the kernel takes a port that it chose away when the listening ends.
        holder = _bind(family, scout.getsockname()[:2])
    try:
        # Of all who try, one can listen; and none while others listen, whether they share their port or not.
        holder.listen(0)
        # From here on it stands in the way of whoever doesn't share, listening or not …
        holder.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0)
        holder.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        # … but takes no connection from the workers.
        holder.shutdown(socket.SHUT_RDWR)
    except OSError:
        holder.close()
        raise
    return holder


def _bind(family: int, address: tuple[str | int, int]) -> socket.socket:
    bound = socket.socket(family, SOCK_STREAM)
    try:
        # A former server's connections, not wholly gone yet, are no hindrance.
        bound.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError):
        bound.close()
        raise
    return bound
