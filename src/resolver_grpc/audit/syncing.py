"""Syncing without a thread: a small process of its own waits for the disk, and the event loop is told.

What belongs here: starting that process, asking it, and starting another where it has ended. A thread would do the
same, but each time it sleeps and wakes it takes the interpreter's lock from whoever resolves: measured, that cost
several times what the sync does (docs/adr/0022).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

_PROGRAM: Final = Path(__file__).with_name("sync_program.py")
_ANSWER_BYTES: Final = 2


class Syncer:
    """Syncs files for one event loop, one at a time."""

    def __init__(self) -> None:
        self._asking: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def sync(self, file: int) -> None:
        """Waits until what was written to an open file is on the disk.

        Raises:
            OSError: it couldn't be synced, or nobody knows whether it was.
        """
        asking = self._asking or self._start()
        try:
            socket.send_fds(asking, [b"\0"], [file])
            answer = await asyncio.get_running_loop().sock_recv(asking, _ANSWER_BYTES)
        except BaseException:
            # An answer that is still to come would be taken for the next one's.
            self.close()
            raise
        if not answer:
            self.close()
            raise OSError(errno.EPIPE, "the process that syncs has ended")
        if number := int.from_bytes(answer, "little"):
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._asking:
            self._asking.close()
            self._asking = None
        if self._process:
            # It ends once nobody can ask it any more; while the disk hangs, it does so later.
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> socket.socket:
        """Starts the process; gives what it is asked by."""
        self.close()
        asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            # Of a session of its own: it is not to end before its parent has drained, who is told by Ctrl-C, too.
            words = [sys.executable, "-I", "-S", str(_PROGRAM)]
            self._process = subprocess.Popen(words, stdin=asked.fileno(), start_new_session=True)  # noqa: S603 - our own program
        asking.settimeout(0)
        self._asking = asking
        return asking
