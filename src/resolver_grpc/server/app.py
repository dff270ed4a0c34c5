"""The composition root: puts the server together and runs it until told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sys
import time
from collections.abc import Callable

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.server.batch import MAX_REQUEST_BYTES
from resolver_grpc.server.health import watch_health
from resolver_grpc.server.reload import SECONDS_BETWEEN_LOOKS, Reload, Store
from resolver_grpc.server.served import InService, Served, open_served
from resolver_grpc.server.service import SERVICE_NAME, ResolverService
from resolver_grpc.times import format_instant

__all__ = ["Served", "Server", "check_listen_address", "make_log", "open_served", "run"]

_GRACE_SECONDS = 10
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # Two servers that share a port by mistake would answer from two snapshots.
    ("grpc.so_reuseport", 0),
]


def check_listen_address(listen: str) -> str:
    """Takes ``HOST:PORT`` of the loopback only: until identities exist, every caller counts as delivery.

    Raises:
        ConfigurationError: it is no such address, or would be reachable from outside.
    """
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not host:
        raise ConfigurationError("--listen wants HOST:PORT, such as 127.0.0.1:50051")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError("--listen takes loopback addresses only, such as 127.0.0.1:50051")
    return listen


def make_log() -> FilteringBoundLogger:
    """A log of JSON lines on standard error."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    return log


class Server:
    """A gRPC server of one snapshot, or of a store's live generation: resolving, health and reflection.

    Args:
        served: what it serves first, and closes when it stops.
        clock: tells the instant, in seconds of UTC.
        log: where its own faults go, and what became of new generations.
        store: the store that the snapshot is the live generation of, to be followed; None for a snapshot that
            stands in none.
        interval: seconds between two looks at the store.
    """

    def __init__(
        self,
        served: Served,
        clock: Callable[[], int],
        log: FilteringBoundLogger,
        store: Store | None = None,
        interval: float = SECONDS_BETWEEN_LOOKS,
    ) -> None:
        self._in_service = InService(served)
        self._clock = clock
        self._reload = Reload(store, self._in_service, clock, log) if store else None
        self._interval = interval
        self._health = aio.HealthServicer()
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((ResolverService(self._in_service, clock, log).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((SERVICE_NAME, health_name, reflection.SERVICE_NAME), self._server)
        self._watching: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None

    async def start(self, listen: str) -> int:
        """Starts to answer.

        Returns:
            The port.

        Raises:
            ConfigurationError: nothing can be bound to that address.
        """
        try:
            port = self._server.add_insecure_port(listen)
        except RuntimeError:
            raise ConfigurationError(f"{listen}: can't be listened on; choose a port that is free") from None
        self._watching = asyncio.create_task(watch_health(self._health, self._clock, self._in_service))
        if self._reload:
            self._reloading = asyncio.create_task(self._reload.watch(self._interval))
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Drains: health turns NOT_SERVING, calls under way are finished, then the snapshot is closed.

        A generation that is just being opened is closed too: nothing new is taken up any more.
        """
        if self._reload:
            self._reload.stop()
        if self._watching:
            self._watching.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE_SECONDS)
        if self._reloading:
            await self._reloading
        await self._in_service.close()


async def run(served: Served, listen: str, store: Store | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains and closes the snapshot.

    Args:
        served: what to serve.
        listen: ``HOST:PORT``.
        store: the store to follow, where that is its live generation.

    Raises:
        ConfigurationError: nothing can be bound to that address.
    """
    log = make_log()
    as_of = served.batches.as_of
    server = Server(served, _wall_clock if as_of is None else lambda: as_of, log, store)
    stop = asyncio.Event()
    # Before anybody is told that the server is there, who might then end it.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        port = await server.start(listen)
        _tell_start(log, served, f"{listen.rpartition(':')[0]}:{port}")
        await stop.wait()
        log.info("draining")
    finally:
        await server.stop()
    log.info("stopped")


def _tell_start(log: FilteringBoundLogger, served: Served, address: str) -> None:
    as_of = served.batches.as_of
    log.info(
        "serving",
        address=address,
        generation=served.generation or None,
        snapshot_id=served.snapshot.manifest.snapshot_id,
        register_date=served.snapshot.manifest.register_date,
        as_of=None if as_of is None else format_instant(as_of),
        senders=len(served.batches.senders),
    )


def _wall_clock() -> int:
    return int(time.time())
