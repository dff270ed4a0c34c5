"""The RPCs: gRPC handlers on raw bytes, and what a refused call says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, NamedTuple, NoReturn

import grpc
from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import OverBudgetError, SequenceNotReachedError
from resolver_grpc.server.access import Caller
from resolver_grpc.server.ahead import work_ahead
from resolver_grpc.server.answer import Answer, Steps
from resolver_grpc.server.auditing import Auditing, Circumstances
from resolver_grpc.server.budgeting import Budgeting
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.gate import admitted_caller
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.info import answer_server_info
from resolver_grpc.server.metering import UNMETERED
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.served import Served
from resolver_grpc.server.status import refusal
from resolver_grpc.server.sums import Stage
from resolver_grpc.v1.resolver_service_pb2 import DESCRIPTOR

SERVICE_NAME = DESCRIPTOR.services_by_name["ResolverService"].full_name

Context = grpc.aio.ServicerContext[bytes, bytes]

_SECONDS_FOR_A_SEQUENCE: Final = 1.0
"""How long a batch waits for a change that it asks for: what was acknowledged is there at once, whoever took it."""
_MOST_AHEAD: Final = 8
"""Batches of a stream that are answered and not told yet: a sync of the audit takes as long as a few of 1,000."""


class _Taken(NamedTuple):
    """A batch that is answered and may not be told yet.

    Attributes:
        answer: what it came to.
        begun: when it was taken up, in seconds that only ever grow.
        answered: when it was answered, likewise.
        recorded: ends once it is recorded; None where nothing is.
    """

    answer: Answer
    begun: float
    answered: float
    recorded: Awaitable[None] | None


class ResolverService:
    """``resolver_grpc.v1.ResolverService``.

    Args:
        in_service: what is served; each batch is answered from what is in service when it is taken up.
        clock: tells the instant, in seconds of UTC; a batch is judged at the instant it is taken up.
        log: where faults of the server's own go.
        metrics: counts what is answered and what is refused.
        audit: where each batch is recorded before its answer or its refusal leaves; None for nowhere.
        budgets: what senders are held to; None for nothing.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it needs of the server around it
        self,
        in_service: InService,
        clock: Callable[[], int],
        log: FilteringBoundLogger,
        metrics: Metrics,
        audit: Auditing | None = None,
        budgets: Budgeting | None = None,
    ) -> None:
        self._in_service = in_service
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._audit = audit
        self._budgets = budgets

    def handler(self) -> grpc.GenericRpcHandler[bytes, bytes]:
        """The handlers to register. They have no serializers, so that every refusal is this server's own."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "ResolveBatch": grpc.unary_unary_rpc_method_handler(self.resolve_batch),
                "ResolveStream": grpc.stream_stream_rpc_method_handler(self.resolve_stream),
                "GetServerInfo": grpc.unary_unary_rpc_method_handler(self.get_server_info),
            },
        )

    async def resolve_batch(self, request: bytes, context: Context) -> bytes:
        """Resolves one batch."""
        return await self._tell(await self._take_up(request), context)

    async def resolve_stream(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Resolves batch after batch, each with one response, in order; while one is recorded the next is resolved."""
        async with aclosing(work_ahead(requests, self._take_up, _MOST_AHEAD)) as taken_up:
            async for taken in taken_up:
                yield await self._tell(taken, context)

    async def get_server_info(self, request: bytes, context: Context) -> bytes:
        """Tells limits, snapshot and versions."""
        try:
            in_service = self._in_service
            return answer_server_info(request, in_service.served, in_service.refusal, self._clock())
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)

    async def _take_up(self, request: bytes) -> _Taken | Exception:
        """Resolves a batch, and begins to record it; or tells why it is refused."""
        begun = time.perf_counter()
        try:
            answer, recorded = await self._resolve(request, admitted_caller())
        except Exception as error:  # noqa: BLE001 - it is told in its turn
            return error
        return _Taken(answer, begun, time.perf_counter(), recorded)

    async def _tell(self, taken: _Taken | Exception, context: Context) -> bytes:
        """Gives a batch's response, once it is recorded; or refuses it."""
        if isinstance(taken, Exception):
            await self._refuse(taken, context)
        try:
            if taken.recorded:
                await taken.recorded
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)
        now = time.perf_counter()
        if taken.recorded:
            self._metrics.note_stage(Stage.AUDIT, now - taken.answered)
        self._metrics.note_batch(taken.answer.told.by_kind, now - taken.begun)
        return taken.answer.response

    async def _resolve(self, request: bytes, caller: Caller) -> tuple[Answer, Awaitable[None] | None]:
        """Answers a batch; gives what is to be waited for before the answer may leave, if there is anything."""
        taken_up = self._audit.check() if self._audit else 0
        with self._in_service.batch() as served:
            try:
                answer, circumstances = await self._answer_in_time(request, served, caller)
            except Exception as error:
                if self._audit:
                    circumstances = Circumstances.of(served, self._clock(), caller)
                    await self._audit.record_refusal(error, circumstances)
                raise
        recorded = self._audit.record_answer(answer, circumstances, taken_up) if self._audit else None
        return answer, recorded

    async def _answer_in_time(self, request: bytes, served: Served, caller: Caller) -> tuple[Answer, Circumstances]:
        """Answers a batch; one that asks for a later change than there is waits a moment for it."""
        try:
            return await self._answer(request, served, caller)
        except SequenceNotReachedError as error:
            if served.overlaid and await served.overlaid.reaches(error.asked, _SECONDS_FOR_A_SEQUENCE):
                return await self._answer(request, served, caller)
            raise

    async def _answer(self, request: bytes, served: Served, caller: Caller) -> tuple[Answer, Circumstances]:
        """Takes the steps of an answer, all of them as of one instant and one change."""
        meter = self._budgets.meter(served.budgets_secret) if self._budgets else UNMETERED
        async with served.batch():
            instant = self._clock()
            steps = served.batches.steps(request, instant, caller.may_act_for, caller.role, meter)
            return await _in_turn(steps, self._metrics), Circumstances.of(served, instant, caller)

    async def _refuse(self, error: Exception, context: Context) -> NoReturn:
        if fault := fault_of(error):
            self._log.error("fault", **fault)
        code, sentence, metadata = refusal(error)
        self._metrics.note_refusal(code.name)
        if isinstance(error, OverBudgetError):
            self._metrics.note_over_budget(error.reason)
        await context.abort(code, sentence, metadata)
        raise AssertionError("abort always raises")


async def _in_turn(steps: Steps, metrics: Metrics) -> Answer:
    """Takes the steps of an answer with the event loop in between, so that small calls don't wait for large ones."""
    begun, others = time.perf_counter(), 0.0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            break
        given = time.perf_counter()
        await asyncio.sleep(0)
        others += time.perf_counter() - given
    metrics.note_stage(Stage.ANSWERING, time.perf_counter() - begun - others)
    if others:
        metrics.note_stage(Stage.OTHERS, others)
    return answer
