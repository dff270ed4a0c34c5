"""The RPCs: gRPC handlers on raw bytes, and what a refused call says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import grpc
from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ResolverError
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.status import refusal
from resolver_grpc.v1.resolver_service_pb2 import DESCRIPTOR

SERVICE_NAME = DESCRIPTOR.services_by_name["ResolverService"].full_name

Context = grpc.aio.ServicerContext[bytes, bytes]


class ResolverService:
    """``resolver_grpc.v1.ResolverService``.

    Args:
        batches: answers requests.
        clock: tells the instant, in seconds of UTC; a batch is judged at the instant it is taken up.
        log: where faults of the server's own go.
    """

    def __init__(self, batches: Batches, clock: Callable[[], int], log: FilteringBoundLogger) -> None:
        self._batches = batches
        self._clock = clock
        self._log = log

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
        try:
            return self._batches.answer(request, self._clock())
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)

    async def resolve_stream(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Resolves batch after batch, each with one response, in order."""
        async for request in requests:
            yield await self.resolve_batch(request, context)

    async def get_server_info(self, request: bytes, context: Context) -> bytes:
        """Tells limits, snapshot and versions."""
        try:
            return self._batches.server_info(request, self._clock())
        except Exception as error:  # noqa: BLE001 - no exception's text may leave
            await self._refuse(error, context)

    async def _refuse(self, error: Exception, context: Context) -> NoReturn:
        if not isinstance(error, ResolverError):
            # Neither text nor traceback: both may hold what the query said.
            place = error.__traceback__
            while place and place.tb_next:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else ""
            self._log.error("fault", error_type=type(error).__name__, where=where)
        code, sentence, metadata = refusal(error)
        await context.abort(code, sentence, metadata)
        raise AssertionError("abort always raises")
