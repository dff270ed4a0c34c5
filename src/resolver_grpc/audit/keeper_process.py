"""A keeper as its worker has it: a process, and the socket that the two share.

What belongs here: starting that process, sending it messages without ever waiting, hearing its replies, ending it.
What is sent and what follows from a reply is the writer's.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from resolver_grpc.audit.messages import LONGEST, Reply, decode_reply

_WORDS: Final = (sys.executable, "-P", "-m", "resolver_grpc.audit.keeper")
"""Secrets are sent: what a process is called with, and its environment, may be read by others."""
_SECONDS_TO_END: Final = 1.0


class KeeperProcess:
    """A process that writes a chain; used on the event loop that it is made on.

    It has no file of its parent's but its end of the socket, says nothing to anybody else, and is of a session of its
    own: it is not to end before its worker has drained, who is told by Ctrl-C, too.

    Args:
        setup: the first message.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, setup: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._socket, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with asked:
                self._socket.send(setup)
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    _WORDS,
                    stdin=asked.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError:
            self._socket.close()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more, and holds no file any longer."""
        return self._process.poll() is not None

    def await_reply(self) -> Reply | None:
        """Waits for the next reply; None where the process has ended. Nothing else happens meanwhile."""
        return self._hear(0)

    def attend(self, heard: Callable[[Reply | None], None]) -> None:
        """From now on calls something with each reply, and with None once the process has ended."""
        self._loop.add_reader(self._socket, lambda: heard(self._hear(socket.MSG_DONTWAIT)))

    def send(self, message: bytes) -> None:
        """Sends a message, after those before it; keeps it while the socket is full, which a disk that hangs does."""
        if not self._unsent:
            try:
                self._socket.send(message, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._send_more)
            except OSError:
                self._give_up()
                return
            else:
                return
        self._unsent.append(message)

    def part(self) -> None:
        """Ends the process, without another word, if it hasn't ended by itself."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._process.kill()

    def bury(self) -> None:
        """Waits until the process that was parted from is gone, unless the disk holds it back for too long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)

    def _hear(self, flags: int) -> Reply | None:
        try:
            message = self._socket.recv(LONGEST, flags)
        except ConnectionError:
            # It ended before it had read everything.
            message = b""
        return decode_reply(message) if message else None

    def _send_more(self) -> None:
        try:
            while self._unsent:
                self._socket.send(self._unsent[0], socket.MSG_DONTWAIT)
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._give_up()
        self._loop.remove_writer(self._socket)

    def _give_up(self) -> None:
        """Has the end of the process heard, which something that was sent can't reach any more."""
        self._unsent.clear()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
