"""A worker as its supervisor sees it: a spawned process, and the pipe that ties the two together.

What belongs here: starting a worker, what it tells, how it is ended. The supervisor's process runs this module, so
that gRPC and LMDB are not touched: they are loaded in the worker, which is a fresh interpreter, never a fork.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Final

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.server.log import silence_grpc
from resolver_grpc.server.plan import Plan

LEAVE: Final = "leave"
"""What a worker is told that another one has replaced: see the clients off, then end."""

Facts = dict[str, object]
"""What a worker that serves tells of what it serves, as its log would."""

_SUPERVISORS_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class SpawnedWorker:
    """A worker in a process of its own, started at once; used on the event loop alone.

    Args:
        number: its place among the workers, from 1 on.
        plan: what it is to serve; every one of them opens it by itself.
    """

    def __init__(self, number: int, plan: Plan) -> None:
        context = get_context("spawn")
        self.number = number
        self._tie, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(number, plan, theirs), daemon=True)
        with _signals_blocked():
            self._process.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        self._begun: asyncio.Future[Facts | Exception] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        loop.add_reader(self._tie.fileno(), self._hear)
        loop.add_reader(self._process.sentinel, self._bury)

    async def begun(self) -> Facts | Exception:
        """Waits until it serves.

        Returns:
            What it serves, or the error that kept it from serving.
        """
        return await asyncio.shield(self._begun)

    async def ended(self) -> int:
        """Waits until it has ended; tells its exit code, or below 0 the signal that it died by."""
        return await asyncio.shield(self._ended)

    def leave(self) -> None:
        """Tells it that another one has replaced it."""
        try:
            self._tie.send(LEAVE)
        except OSError:
            # It has just died; ``ended`` tells.
            return

    def drain(self) -> None:
        """Tells it to finish the calls under way and end; one that doesn't serve yet has none, and is killed."""
        if not self._begun.done():
            self.kill()
        elif not self._ended.done():
            self._process.terminate()

    def kill(self) -> None:
        """Ends it at once, if it hasn't ended."""
        if not self._ended.done():
            self._process.kill()

    def _hear(self) -> None:
        asyncio.get_running_loop().remove_reader(self._tie.fileno())
        try:
            heard = self._tie.recv()
        except (EOFError, OSError):
            # It is dying; the one who buries it tells.
            return
        self._begun.set_result(heard)

    def _bury(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._process.sentinel)
        if not self._begun.done():
            self._hear()
        self._tie.close()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        if not self._begun.done():
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            sentence = f"worker {self.number} ended before it served ({how}); see what stands above, and free memory"
            self._begun.set_result(ConfigurationError(sentence))
        self._ended.set_result(code)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Lets a process be born with the supervisor's signals blocked.

    A terminal's Ctrl-C goes to all processes alike; a worker is to hear of it from its supervisor, in its own time.
    """
    # Started by the first process otherwise, it would unblock them again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SUPERVISORS_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(number: int, plan: Plan, tie: Connection) -> None:
    """What the worker's process runs."""
    silence_grpc()
    from resolver_grpc.server.workers import work  # noqa: PLC0415 - the supervisor, too, loads this module

    work(number, plan, tie)
