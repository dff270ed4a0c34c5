"""The RPCs of changes: gRPC handlers on raw bytes, and what a refused call says.

What belongs here: the calls. What becomes of changes is ``intake.py``'s, who is told of them ``watching.py``'s, and
what is held of one owner ``subjects.py``'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, NamedTuple, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from structlog.typing import FilteringBoundLogger

from resolver_grpc.audit.record import ACCESS, ERASURE
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ChangeLogError, ResolverError, TooManyChangesError
from resolver_grpc.server.ahead import work_ahead
from resolver_grpc.server.auditing import Auditing, Circumstances
from resolver_grpc.server.batch import parse_message
from resolver_grpc.server.counting import count_changes
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.gate import admitted_caller
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.intake import Intake
from resolver_grpc.server.judging import Outcome, Refused, Sent, read_sent
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.status import refusal
from resolver_grpc.server.subjects import erase, read_number, tell_of
from resolver_grpc.server.watching import watch
from resolver_grpc.v1.change_service_pb2 import (
    DESCRIPTOR,
    ApplyChangesRequest,
    ApplyChangesResponse,
    ChangeOutcome,
    ChangeReason,
    EraseOwnerRequest,
    GetOwnerRequest,
    WatchChangesRequest,
)

SERVICE_NAME = DESCRIPTOR.services_by_name["ChangeService"].full_name
MAX_CHANGES: Final = 1_000
"""Changes of one request; with the byte limit of any message."""

Context = grpc.aio.ServicerContext[bytes, bytes]

_OfSubject = TypeVar("_OfSubject", GetOwnerRequest, EraseOwnerRequest)

_MOST_AHEAD: Final = 8
"""Messages of a stream that are waiting to be written, or are written and not told yet."""
_STEP_SECONDS: Final = 0.0005


class _Taken(NamedTuple):
    """A message whose changes were given to the intake: these, and what tells what became of them."""

    changes: list[Sent]
    outcomes: Awaitable[list[Outcome]]


class ChangeService:
    """``resolver_grpc.v1.ChangeService``.

    Args:
        in_service: what is served, over which the changes are laid.
        changes: the log of changes.
        intake: takes changes into the log.
        clock: tells the instant, in seconds of UTC.
        log: where faults of the server's own go.
        metrics: counts what is taken and what is refused.
        audit: where it is recorded who applied how many changes, and who asked about whom; None for nowhere.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it needs of the server around it
        self,
        in_service: InService,
        changes: ChangeLog,
        intake: Intake,
        clock: Callable[[], int],
        log: FilteringBoundLogger,
        metrics: Metrics,
        audit: Auditing | None = None,
    ) -> None:
        self._in_service = in_service
        self._changes = changes
        self._intake = intake
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._audit = audit
        self._stopping = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """The handlers to register. They have no serializers, so that every refusal is this server's own."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "ApplyChanges": grpc.stream_stream_rpc_method_handler(self.apply_changes),
                "WatchChanges": grpc.unary_stream_rpc_method_handler(self.watch_changes),
                "GetOwner": grpc.unary_unary_rpc_method_handler(self.get_owner),
                "EraseOwner": grpc.unary_unary_rpc_method_handler(self.erase_owner),
            },
        )

    def stop(self) -> None:
        """Sends those away who watch, for the server is stopping."""
        self._stopping.set()

    async def apply_changes(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Takes changes message after message, each with one response, in order; what waits is written together."""
        async with aclosing(work_ahead(requests, self._take_up, _MOST_AHEAD)) as taken_up:
            async for taken in taken_up:
                yield await self._tell(taken, context)

    async def watch_changes(self, request: bytes, context: Context) -> None:
        """Tells changes from a sequence on, until the caller is cut off or the server stops."""
        try:
            first = parse_message(WatchChangesRequest, request).from_sequence or 1
            await watch(self._changes, first, context.write, self._stopping)
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)
        await self._refuse(ChangeLogError("the server is going away; go on from the last response"), context)

    async def get_owner(self, request: bytes, context: Context) -> bytes:
        """Tells all that is held of an owner."""
        return await self._about_subject(GetOwnerRequest, request, ACCESS, context)

    async def erase_owner(self, request: bytes, context: Context) -> bytes:
        """Erases an owner."""
        return await self._about_subject(EraseOwnerRequest, request, ERASURE, context)

    async def _about_subject(self, kind: type[_OfSubject], request: bytes, act: str, context: Context) -> bytes:
        """Does what is asked about one owner; it is on record before it is told, refused or not."""
        try:
            if self._audit:
                self._audit.check()
            asked = parse_message(kind, request)
            number = read_number(asked)
            try:
                response = await self._told_or_erased(asked, number)
            except ResolverError as error:
                await self._record_subject(act, number, error.reason)
                raise
            await self._record_subject(act, number)
            return response.SerializeToString()
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)

    async def _told_or_erased(self, asked: _OfSubject, number: str) -> Message:
        if isinstance(asked, EraseOwnerRequest):
            return await erase(asked, number, self._intake)
        return await tell_of(number, self._changes, self._in_service)

    async def _record_subject(self, act: str, number: str, refusal: str = "") -> None:
        if self._audit:
            circumstances = Circumstances.of(self._in_service.served, self._clock(), admitted_caller())
            await self._audit.record_subject(circumstances, act, number, refusal)

    async def _take_up(self, request: bytes) -> _Taken | Exception:
        """Reads a message's changes and gives them to the intake; or tells why it is refused."""
        try:
            admitted_caller()
            if self._audit:
                self._audit.check()
            changes = await self._read(request)
            return _Taken(changes, await self._intake.send(changes))
        except Exception as error:  # noqa: BLE001 - it is told in its turn
            return error

    async def _read(self, request: bytes) -> list[Sent]:
        """Reads changes, with the event loop in between.

        Raises:
            MalformedRequestError: the bytes are no request.
            TooManyChangesError: it holds more than ``MAX_CHANGES``.
        """
        count = count_changes(request)
        if count > MAX_CHANGES:
            raise TooManyChangesError(
                "the request holds too many changes; split it", max_changes=MAX_CHANGES, changes=count
            )
        changes: list[Sent] = []
        instant, begun = self._clock(), time.perf_counter()
        for message in parse_message(ApplyChangesRequest, request).changes:
            changes.append(read_sent(message, instant))
            if time.perf_counter() - begun > _STEP_SECONDS:
                await asyncio.sleep(0)
                begun = time.perf_counter()
        return changes

    async def _tell(self, taken: _Taken | Exception, context: Context) -> bytes:
        """Gives a message's response, once its changes are on the disk; or refuses it."""
        if isinstance(taken, Exception):
            await self._refuse(taken, context)
        try:
            outcomes = await taken.outcomes
            await self._record(outcomes)
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)
        self._metrics.changes.note_sent(map(_labels, taken.changes, outcomes))
        return _response(taken.changes, outcomes)

    async def _record(self, outcomes: list[Outcome]) -> None:
        if self._audit:
            refused = sum(isinstance(one, Refused) for one in outcomes)
            circumstances = Circumstances.of(self._in_service.served, self._clock(), admitted_caller())
            last = max((one for one in outcomes if not isinstance(one, Refused)), default=0)
            circumstances = circumstances._replace(change_sequence=max(last, circumstances.change_sequence))
            await self._audit.record_changes(circumstances, len(outcomes) - refused, refused)

    async def _refuse(self, error: Exception, context: Context) -> NoReturn:
        if fault := fault_of(error):
            self._log.error("fault", **fault)
        code, sentence, metadata = refusal(error)
        self._metrics.note_refusal(code.name)
        await context.abort(code, sentence, metadata)
        raise AssertionError("abort always raises")


def _response(changes: list[Sent], outcomes: list[Outcome]) -> bytes:
    response = ApplyChangesResponse(outcomes=map(_outcome, changes, outcomes))
    return response.SerializeToString()


def _labels(sent: Sent, outcome: Outcome) -> tuple[str, str]:
    return sent.event, outcome.reason.value if isinstance(outcome, Refused) else "TAKEN"


def _outcome(sent: Sent, outcome: Outcome) -> ChangeOutcome:
    if isinstance(outcome, Refused):
        reason = ChangeReason.Value(f"CHANGE_REASON_{outcome.reason}")
        return ChangeOutcome(change_id=sent.change_id, reason=reason, field=outcome.field)
    return ChangeOutcome(change_id=sent.change_id, sequence=outcome)
