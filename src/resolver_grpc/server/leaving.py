"""How a worker that was replaced lets its clients go without losing a call.

What belongs here: this process's own sockets of one port. A stopping gRPC server cancels the calls that reach it
before its clients have heard of the stop (grpc/grpc issue 41785). So it goes on answering, but no longer listens;
its connections, which may only grow so old, end one after the other, and clients connect to another worker.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SECONDS_BETWEEN_LOOKS = 0.05


def stop_listening(port: int) -> None:
    """Takes no new connection any more, while those that there are live on.

    gRPC offers no way to do so; the sockets that it listens on are shut down under it.
    """
    for one in _sockets_of(port):
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            one.shutdown(socket.SHUT_RDWR)


def count_connections(port: int) -> int:
    """Tells how many clients are connected."""
    return sum(map(_is_connected, _sockets_of(port)))


async def see_clients_off(port: int, stop: asyncio.Event, seconds: float) -> None:
    """Waits until no client is connected, it is told to stop, or so many seconds have gone by."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while count_connections(port) and not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _SECONDS_BETWEEN_LOOKS)


def _is_connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True


def _sockets_of(port: int) -> Iterator[socket.socket]:
    """This process's sockets bound to a port, each as a second handle that is closed again."""
    for entry in Path("/proc/self/fd").iterdir():
        one = _open_socket(int(entry.name))
        if one is None:
            continue
        with one:
            if one.family in {socket.AF_INET, socket.AF_INET6} and one.getsockname()[1] == port:
                yield one


def _open_socket(descriptor: int) -> socket.socket | None:
    """A second handle of a socket; None where it is none, or was closed a moment ago."""
    handle = -1
    try:
        # Nothing but sockets is opened twice: to close a second handle of a file gives up its locks.
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        handle = os.dup(descriptor)
        return socket.socket(fileno=handle)
    except OSError:
        if handle >= 0:
            os.close(handle)
        return None
