"""Closed and open loops of requests over gRPC: bytes out, bytes in.

What belongs here: sending messages when they are due, and noting when they were due, sent and answered. A client
must stay cheap beside the server that it measures: a response is not looked into here, but for keeping a few.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import grpc

from latency import Answer, Window, due_times
from resolver_grpc.errors import ConfigurationError

_SERVICE = "/resolver_grpc.v1.ResolverService"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    # A connection for each channel, so that workers that share the port share the load.
    ("grpc.use_local_subchannel_pool", 1),
)
_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 10, 10
_KEPT, _KEPT_OF = 32, 16
_UNANSWERED = "UNANSWERED"

Result = TypeVar("Result")

Channel = Any
Call = Any
"""gRPC's stubs ask for serializers, which its calls can do without: bytes are bytes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How load is made.

    Attributes:
        streams: connections, each with one stream, or with unary calls.
        in_flight: messages under way on each of them, in a closed loop.
        rate: queries a second of an open loop, due at even intervals; None for a closed loop.
        unary: whether each message is a call of its own.
        seconds: how long to measure.
        warm_up: seconds of load before that.
    """

    streams: int
    in_flight: int
    rate: float | None
    unary: bool
    seconds: float
    warm_up: float


class Sent(NamedTuple):
    """A message under way, and its place among the messages."""

    due: float
    sent: float
    place: int


@dataclass(slots=True)
class Run:
    """One run of load, and what came of it.

    Attributes:
        messages: what is sent, over and over.
        batch: how many queries each holds.
        plan: how.
        answers: the messages that were answered.
        errors: how many were not, by gRPC's status code, or UNANSWERED.
        kept: some responses, and the places of their messages.
    """

    messages: Sequence[bytes]
    batch: int
    plan: Plan
    answers: list[Answer] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[int, bytes]] = field(default_factory=list)
    _places: Iterator[int] = field(init=False)
    _end: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._places = itertools.cycle(range(len(self.messages)))

    async def send(
        self, target: str, look: Callable[[], Result], credentials: grpc.ChannelCredentials | None = None
    ) -> tuple[Window, Result, Result]:
        """Sends load to a server.

        Args:
            target: ``HOST:PORT``.
            look: called as measuring begins and as it ends.
            credentials: what is shown to it; None in the clear.

        Returns:
            The time that was measured, and what the two looks gave.

        Raises:
            ConfigurationError: nobody answers there.
        """
        async with AsyncExitStack() as ends:
            made = (open_channel(target, credentials) for _ in range(self.plan.streams))
            channels = [await ends.enter_async_context(channel) for channel in made]
            await connect(channels, target)
            begin = time.perf_counter()
            self._end = begin + self.plan.warm_up + self.plan.seconds
            window = Window(begin + self.plan.warm_up, self._end)
            looks = asyncio.create_task(_look_twice(look, window))
            tasks = [asyncio.create_task(one) for one in self._senders(channels, begin)]
            _, late = await asyncio.wait(tasks, timeout=window.end - begin + _SECONDS_TO_ANSWER)
            for task in late:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
            return (window, *await looks)

    def _senders(self, channels: list[Channel], begin: float) -> Iterator[Coroutine[Any, Any, None]]:
        plan = self.plan
        for number, channel in enumerate(channels):
            unary = channel.unary_unary(f"{_SERVICE}/ResolveBatch")
            stream = channel.stream_stream(f"{_SERVICE}/ResolveStream")
            if plan.rate is None and plan.unary:
                yield from (self._call_in_turn(unary) for _ in range(plan.in_flight))
            elif plan.rate is None:
                yield self._stream_in_turn(stream())
            else:
                due = due_times(begin, plan.warm_up + plan.seconds, self.batch / plan.rate)
                mine = itertools.islice(due, number, None, plan.streams)
                yield self._call_when_due(unary, mine) if plan.unary else self._stream_when_due(stream(), mine)

    async def _call_in_turn(self, method: Call) -> None:
        while (now := time.perf_counter()) < self._end:
            await self._call(method, now)

    async def _call_when_due(self, method: Call, due: Iterable[float]) -> None:
        async with asyncio.TaskGroup() as calls:
            for instant in due:
                await _sleep_until(instant)
                calls.create_task(self._call(method, instant))

    async def _call(self, method: Call, due: float) -> None:
        sent = self._next(due)
        try:
            self._note(sent, await method(self.messages[sent.place]))
        except grpc.aio.AioRpcError as error:
            self.errors[error.code().name] += 1
        except asyncio.CancelledError:
            self.errors[_UNANSWERED] += 1
            raise

    async def _stream_in_turn(self, call: Call) -> None:
        waiting: deque[Sent] = deque()

        async def send() -> None:
            waiting.append(self._next(time.perf_counter()))
            await call.write(self.messages[waiting[-1].place])

        async def exchange() -> None:
            for _ in range(self.plan.in_flight):
                await send()
            while waiting:
                await self._receive(call, waiting)
                if time.perf_counter() < self._end:
                    await send()
            await call.done_writing()

        await self._counting_errors(call, waiting, exchange())

    async def _stream_when_due(self, call: Call, due: Iterator[float]) -> None:
        waiting: deque[Sent] = deque()
        something = asyncio.Semaphore(0)

        async def send() -> None:
            for instant in due:
                await _sleep_until(instant)
                waiting.append(self._next(instant))
                something.release()
                # What a broken stream can't take any more is due all the same, and becomes an error.
                with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await call.write(self.messages[waiting[-1].place])
            something.release()

        async def receive() -> None:
            while await something.acquire() and waiting:
                await self._receive(call, waiting)

        async def exchange() -> None:
            for error in filter(None, await asyncio.gather(send(), receive(), return_exceptions=True)):
                raise error
            await call.done_writing()

        try:
            await self._counting_errors(call, waiting, exchange())
        finally:
            self.errors[_UNANSWERED] += sum(1 for _ in due)

    async def _receive(self, call: Call, waiting: deque[Sent]) -> None:
        response = await call.read()
        if response is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
            raise asyncio.InvalidStateError
        self._note(waiting.popleft(), response)

    async def _counting_errors(self, call: Call, waiting: deque[Sent], exchange: Coroutine[Any, Any, None]) -> None:
        """Runs a stream to its end; where it breaks, what was under way counts as so many errors."""
        try:
            await exchange
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # InvalidStateError says only that the call is over; its status says why.
            self.errors[(await call.code()).name] += len(waiting)
        except asyncio.CancelledError:
            self.errors[_UNANSWERED] += len(waiting)
            call.cancel()
            raise

    def _next(self, due: float) -> Sent:
        return Sent(due, time.perf_counter(), next(self._places))

    def _note(self, sent: Sent, response: bytes) -> None:
        self.answers.append(Answer(sent.due, sent.sent, time.perf_counter()))
        if len(self.kept) < _KEPT and len(self.answers) % _KEPT_OF == 1:
            self.kept.append((sent.place, response))


def open_channel(target: str, credentials: grpc.ChannelCredentials | None) -> Channel:
    """Opens a channel with a connection of its own."""
    if credentials:
        return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


async def connect(channels: Sequence[Channel], target: str) -> None:
    """Waits until channels are connected.

    Raises:
        ConfigurationError: nobody answers there.
    """
    try:
        async with asyncio.timeout(_SECONDS_TO_CONNECT):
            for channel in channels:
                await channel.channel_ready()
    except TimeoutError:
        raise ConfigurationError(f"{target}: nobody answers; name a resolver-grpc server that runs") from None


async def _look_twice(look: Callable[[], Result], window: Window) -> tuple[Result, Result]:
    await _sleep_until(window.begin)
    first = look()
    await _sleep_until(window.end)
    return first, look()


async def _sleep_until(instant: float) -> None:
    await asyncio.sleep(max(instant - time.perf_counter(), 0))
