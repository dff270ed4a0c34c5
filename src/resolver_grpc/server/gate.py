"""The gate: no handler runs, and no message is read, before its caller is known and may make the call.

What belongs here: gRPC's side of that, over everything that is registered, whoever registers it. Who a caller is, and
whose an RPC is, are ``access.py``'s.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import MalformedRequestError, TooManyCallsError, UnauthenticatedError
from resolver_grpc.server.access import (
    ANYBODY,
    WHOEVER_IS_ON_THIS_MACHINE,
    Caller,
    caller_of,
    check_role,
    is_open,
    unauthenticated,
)
from resolver_grpc.server.access_file import Access
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.identity import bearer_token, certificate_identities
from resolver_grpc.server.status import refusal
from resolver_grpc.server.tokens import Tokens

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]"
Take: TypeAlias = Callable[[object, Context], Awaitable[object]]

_MOST_LINES_A_MINUTE = 20
MOST_CALLS = 256
"""Calls of one RPC that a caller may have under way in a process; each holds a message or two while its answer is not
taken."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller who was let in, for as long as what it showed lasts.

    Attributes:
        caller: who it is.
        expires: the instant from which on it is no longer known, in seconds of UTC.
    """

    caller: Caller
    expires: float = math.inf


Recognize: TypeAlias = Callable[[Context, int], Admission]


def recognize_anyone(_context: Context, _instant: int) -> Admission:
    """Takes whoever calls for the loopback's one caller."""
    return _ANYONE


_ANYONE: Final = Admission(WHOEVER_IS_ON_THIS_MACHINE)
_STRANGER: Final = Admission(ANYBODY)


class Recognition:
    """Recognizes the callers of an access file.

    Args:
        access: what the file says.
    """

    def __init__(self, access: Access) -> None:
        self._callers = access.callers
        self._tokens = Tokens(access.issuers)

    def __call__(self, context: Context, instant: int) -> Admission:
        """Tells who makes a call.

        Args:
            context: gRPC's, of the call.
            instant: now, in seconds of UTC.

        Raises:
            UnauthenticatedError: nobody who is known, or several at once.
        """
        names, token = certificate_identities(context.auth_context()), bearer_token(context.invocation_metadata() or ())
        proofs, expires = [], math.inf
        if names is not None:
            proofs.append(names)
        if token is not None:
            verified = self._tokens.verify(token, instant)
            proofs.append(frozenset((verified.identity,)))
            expires = verified.expires
        return Admission(caller_of(self._callers, proofs), expires)


_admission: ContextVar[tuple[Admission, Callable[[], int]]] = ContextVar("admission")


def admitted_caller() -> Caller:
    """The caller of the call under way.

    Raises:
        UnauthenticatedError: what it showed when the call began has expired since.
        LookupError: no gate was passed.
    """
    admission, clock = _admission.get()
    if clock() >= admission.expires:
        raise unauthenticated("a token that has expired during the call")
    return admission.caller


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs alone
    """Stands before every handler of a server.

    Args:
        recognize: tells who makes a call.
        clock: tells the instant, in seconds of UTC; never one that is replayed, for no token comes to life again.
        log: where it is told why somebody was refused, some times a minute and never what was shown.
    """

    def __init__(self, recognize: Recognize, clock: Callable[[], int], log: FilteringBoundLogger) -> None:
        self._recognize = recognize
        self._clock = clock
        self._log = log
        self._guarded: dict[str, Handler] = {}
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._minute, self._lines = 0, 0

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Puts the gate before a call's handler; what nobody registered has none, and stays unimplemented."""
        rpc = handler_call_details.method
        guarded = self._guarded.get(rpc)
        if guarded is None:
            handler = await continuation(handler_call_details)
            # What is open and short may be had at any time, however many hold streams open.
            if handler is None or (is_open(rpc) and not handler.response_streaming):
                return handler
            guarded = self._guarded[rpc] = self._guard(rpc, handler)
        return guarded

    def _guard(self, rpc: str, handler: Handler) -> Handler:
        make, behaviour, take = _parts_of(handler)

        async def answer(requests: object, context: Context) -> object:
            call = await self._admit(rpc, context)
            try:
                return await behaviour(await take(requests, context), context)
            finally:
                self._under_way[call] -= 1

        async def answer_each(requests: object, context: Context) -> AsyncIterator[object]:
            call = await self._admit(rpc, context)
            try:
                async with aclosing(behaviour(await take(requests, context), context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self._under_way[call] -= 1

        guarded = answer_each if inspect.isasyncgenfunction(behaviour) else answer
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    async def _admit(self, rpc: str, context: Context) -> tuple[str, str]:
        """Lets a call go on, or ends it; tells what it is counted under until it ends."""
        try:
            admission = _STRANGER if is_open(rpc) else self._recognize(context, self._clock())
            check_role(rpc, admission.caller)
            call = self._note(rpc, admission.caller)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the call doesn't go on
            self._tell(rpc, error)
            await context.abort(*refusal(error))
            raise AssertionError("abort always raises") from None
        _admission.set((admission, self._clock))
        return call

    def _note(self, rpc: str, caller: Caller) -> tuple[str, str]:
        """Counts a call as under way.

        Raises:
            TooManyCallsError: its caller has as many as one may have.
        """
        call = caller.name, rpc
        if self._under_way[call] >= MOST_CALLS:
            raise TooManyCallsError("the caller has too many calls under way; end some first", most=MOST_CALLS)
        self._under_way[call] += 1
        return call

    def _tell(self, rpc: str, error: Exception) -> None:
        """Tells the log of a refusal, as often as a log can bear it."""
        minute = self._clock() // 60
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        if self._lines > _MOST_LINES_A_MINUTE:
            return
        if fault := fault_of(error):
            self._log.error("fault", **fault)
        elif isinstance(error, UnauthenticatedError):
            self._log.warning("caller refused", rpc=rpc, why=" ".join(error.__notes__))
        elif isinstance(error, TooManyCallsError):
            self._log.warning("caller refused", rpc=rpc, why="it has too many calls under way")
        else:
            self._log.warning("caller refused", rpc=rpc, why="its role may not make this call")


def _parts_of(handler: Handler) -> tuple[Callable[..., Handler], Callable[..., Any], Take]:
    """What makes a handler that takes its messages one by one, what the handler does, and what takes what it wants.

    On the wire a single message and a stream of one are the same. But gRPC reads the single one, of any size, before it
    calls the handler: that is, from whoever can connect.
    """
    streams = handler.request_streaming
    if handler.response_streaming:
        make, behaviour = (
            grpc.stream_stream_rpc_method_handler,
            handler.stream_stream if streams else handler.unary_stream,
        )
    else:
        make, behaviour = grpc.stream_unary_rpc_method_handler, handler.stream_unary if streams else handler.unary_unary
    assert behaviour is not None
    return make, behaviour, _take_all if streams else _take_one


async def _take_all(requests: object, _context: Context) -> object:
    return requests


async def _take_one(_requests: object, context: Context) -> object:
    request = await context.read()
    if request is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
        await context.abort(*refusal(MalformedRequestError("the call holds no message")))
    return request
