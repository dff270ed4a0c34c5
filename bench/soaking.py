"""Clients that misbehave: calls cancelled at any instant, streams left half-read, connections cut.

What belongs here: doing so, and counting what became of each call. Answers are held against what was asked: all of
single queries, some of the others.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import grpc

from messages import check_answer
from resolver_grpc.errors import ConfigurationError, MismatchedResponseError

_SERVICE = "/resolver_grpc.v1.ResolverService"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A client whose connection was cut is to be back soon: it is there to be cut again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
_CANCELLED, _LARGE, _LOOKED_INTO, _ABANDONED = 0.2, 0.2, 0.1, 0.4
"""Shares: calls that are cancelled, messages that are large, of these that are looked into, streams that are left."""
_LONGEST_STREAM = 8
_SECONDS_TO_CANCEL = (1e-4, 3e-2)
_SECONDS_TO_STAY, _SECONDS_BETWEEN_CUTS = 0.5, (0.5, 4.0)
_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 10, 30

ANSWERED, CANCELLED, WRONG = "answered", "cancelled by the client", "answered wrong"
READ, LEFT, CUT = "streams read to their end", "streams left half-read", "connections cut"
LOST = "lost with their connection"
_UNSENT = "Internal error from Core"
"""What gRPC's client says, with the code INTERNAL, of a message to a call that was over when it was to be sent. No
server sends it: what this one says of its own faults has another text."""

Channel = Any
Call = Any
"""gRPC's stubs ask for serializers, which its calls can do without: bytes are bytes."""


class _Drawn(NamedTuple):
    """A message that was drawn, and whether its answer is to be looked into."""

    message: bytes
    looked_into: bool


@dataclass(slots=True)
class Soak:
    """Load that misbehaves.

    Attributes:
        singles: messages of one query.
        batches: larger ones.
        seconds: how long.
        callers: connections with unary calls, and as many with streams.
        random: where all chance comes from.
        outcomes: what became of calls and messages of streams, by name; of what failed otherwise, gRPC's code and
            what it says of it.
    """

    singles: Sequence[bytes]
    batches: Sequence[bytes]
    seconds: float
    callers: int
    random: Random
    outcomes: Counter[str] = field(default_factory=Counter)
    _end: float = field(init=False, default=0.0)

    async def run(self, address: str, watch: Callable[[], Awaitable[None]]) -> None:
        """Sends load until the time is up.

        Args:
            address: ``HOST:PORT``.
            watch: runs beside it, and is ended with it.

        Raises:
            ConfigurationError: nobody answers there, or as the watch says.
        """
        async with AsyncExitStack() as ends:
            made = (grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(2 * self.callers))
            channels = [await ends.enter_async_context(channel) for channel in made]
            await _connect(channels, address)
            self._end = time.monotonic() + self.seconds
            load = asyncio.ensure_future(self._send(channels, int(address.rpartition(":")[2])))
            watching = asyncio.ensure_future(watch())
            try:
                # Every call has a time limit, so the load ends; a watch does so where there is nothing left to see.
                await asyncio.wait({load, watching}, return_when=asyncio.FIRST_COMPLETED)
                for ended in (one for one in (watching, load) if one.done()):
                    ended.result()
            finally:
                for one in (load, watching):
                    one.cancel()
                await asyncio.gather(load, watching, return_exceptions=True)

    async def _send(self, channels: Sequence[Channel], port: int) -> None:
        async with asyncio.TaskGroup() as group:
            for calling, streaming in zip(channels[::2], channels[1::2], strict=True):
                group.create_task(self._call_in_turn(calling))
                group.create_task(self._stream_in_turn(streaming))
            group.create_task(self._cut_connections(port))

    def _still(self) -> bool:
        return time.monotonic() < self._end

    def _draw(self) -> _Drawn:
        if self.random.random() < _LARGE:
            return _Drawn(self.random.choice(self.batches), self.random.random() < _LOOKED_INTO)
        return _Drawn(self.random.choice(self.singles), looked_into=True)

    async def _call_in_turn(self, channel: Channel) -> None:
        method = channel.unary_unary(f"{_SERVICE}/ResolveBatch")
        while self._still():
            drawn = self._draw()
            call = method(drawn.message, timeout=_SECONDS_TO_ANSWER, wait_for_ready=True)
            if self.random.random() < _CANCELLED:
                await asyncio.sleep(self._draw_seconds())
                call.cancel()
            await self._count(call, self._take(call, drawn))

    def _draw_seconds(self) -> float:
        """An instant to cancel at: from before the server has read the call to after it has answered."""
        shortest, longest = _SECONDS_TO_CANCEL
        return float(shortest * (longest / shortest) ** self.random.random())

    async def _take(self, call: Call, drawn: _Drawn) -> None:
        self._note(drawn, await call)

    async def _stream_in_turn(self, channel: Channel) -> None:
        method = channel.stream_stream(f"{_SERVICE}/ResolveStream")
        while self._still():
            # Where it is left half-read, nobody says so: the last reference to it goes, and gRPC cancels it.
            call = method(timeout=_SECONDS_TO_ANSWER, wait_for_ready=True)
            await self._count(call, self._exchange(call))

    async def _exchange(self, call: Call) -> None:
        wanted = [self._draw() for _ in range(self.random.randint(1, _LONGEST_STREAM))]
        left = self.random.random() < _ABANDONED
        # Beside the reading: a server whose answers nobody takes stops reading, too.
        writing = asyncio.ensure_future(_write(call, [drawn.message for drawn in wanted]))
        try:
            for drawn in wanted[: self.random.randrange(len(wanted))] if left else wanted:
                response = await call.read()
                if response is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
                    raise asyncio.InvalidStateError
                self._note(drawn, response)
            if left:
                await asyncio.sleep(self.random.random() * _SECONDS_TO_STAY)
            else:
                await writing
                if await call.code() != grpc.StatusCode.OK:
                    raise asyncio.InvalidStateError
            self.outcomes[LEFT if left else READ] += 1
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _count(self, call: Call, exchange: Awaitable[None]) -> None:
        """Waits for an exchange, and counts what became of it where it failed."""
        try:
            await exchange
        except asyncio.CancelledError:
            # gRPC cancels the call too where it is this task that is to end.
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            self.outcomes[CANCELLED] += 1
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # InvalidStateError says only that the call is over; its status says why.
            code = await call.code()
            details = await call.details()
            lost = code == grpc.StatusCode.UNAVAILABLE or details == _UNSENT
            self.outcomes[LOST if lost else f"{code.name}: {details}"] += 1

    def _note(self, drawn: _Drawn, response: bytes) -> None:
        try:
            if drawn.looked_into:
                check_answer(drawn.message, response)
        except MismatchedResponseError:
            self.outcomes[WRONG] += 1
        else:
            self.outcomes[ANSWERED] += 1

    async def _cut_connections(self, port: int) -> None:
        while self._still():
            await asyncio.sleep(min(self.random.uniform(*_SECONDS_BETWEEN_CUTS), self.seconds / 4))
            if connections := list(_connections_to(port)):
                cut_connection(self.random.choice(connections))
                self.outcomes[CUT] += 1


def cut_connection(descriptor: int) -> None:
    """Shuts a socket of this process down under whatever uses it: no goodbye of HTTP/2's comes first."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _connections_to(port: int) -> Iterator[int]:
    """The descriptors of this process's sockets that are connected to a port."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            descriptor = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as one:
                if one.family in {socket.AF_INET, socket.AF_INET6} and one.getpeername()[1] == port:
                    yield descriptor


async def _write(call: Call, messages: Sequence[bytes]) -> None:
    for message in messages:
        await call.write(message)
    await call.done_writing()


async def _connect(channels: Sequence[Channel], address: str) -> None:
    try:
        async with asyncio.timeout(_SECONDS_TO_CONNECT):
            for channel in channels:
                await channel.channel_ready()
    except TimeoutError:
        raise ConfigurationError(f"{address}: nobody answers; name a resolver-grpc server that runs") from None
