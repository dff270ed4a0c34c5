"""The composition root: opens what is served, puts the server together, runs it until told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection
from structlog.typing import FilteringBoundLogger

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Sender
from resolver_grpc.resolve import Resolver
from resolver_grpc.server.batch import MAX_REQUEST_BYTES, Batches
from resolver_grpc.server.health import watch_health
from resolver_grpc.server.service import SERVICE_NAME, ResolverService
from resolver_grpc.snapshot.store import Snapshot, open_snapshot
from resolver_grpc.times import format_instant, register_window

_GRACE_SECONDS = 10
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # Two servers that share a port by mistake would answer from two snapshots.
    ("grpc.so_reuseport", 0),
]


@dataclass(frozen=True, slots=True)
class Served:
    """What a server serves: a snapshot, from when to when it is fresh, and how it answers."""

    snapshot: Snapshot
    batches: Batches
    valid_from: int
    horizon: int


def open_served(directory: Path, key: MasterKey, senders: dict[str, Sender], as_of: int | None) -> Served:
    """Opens a snapshot to serve it.

    Raises:
        SnapshotError: the snapshot is missing, damaged, foreign or of another format.
        ConfigurationError: the instant to replay lies before the snapshot's register date.
    """
    snapshot = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION)
    register_date = date.fromisoformat(snapshot.manifest.register_date)
    valid_from, horizon = register_window(register_date)
    if as_of is not None and as_of < valid_from:
        snapshot.index.close()
        raise ConfigurationError(
            f"--as-of lies before the snapshot's register date {register_date}; replay that day or a later one"
        )
    resolver = Resolver(snapshot.index, key.index_keys, valid_from)
    return Served(snapshot, Batches(resolver, snapshot.manifest, senders, horizon, as_of), valid_from, horizon)


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
    """A gRPC server of one snapshot: resolving, health and reflection.

    Args:
        served: what it serves.
        clock: tells the instant, in seconds of UTC.
        log: where its own faults go.
    """

    def __init__(self, served: Served, clock: Callable[[], int], log: FilteringBoundLogger) -> None:
        self._served = served
        self._clock = clock
        self._health = aio.HealthServicer()
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((ResolverService(served.batches, clock, log).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((SERVICE_NAME, health_name, reflection.SERVICE_NAME), self._server)
        self._watching: asyncio.Task[None] | None = None

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
        self._watching = asyncio.create_task(
            watch_health(self._health, self._clock, self._served.valid_from, self._served.horizon)
        )
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Drains: health turns NOT_SERVING, and calls under way are finished."""
        if self._watching:
            self._watching.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE_SECONDS)


async def run(served: Served, listen: str) -> None:
    """Serves until SIGTERM or SIGINT, then drains and closes the snapshot.

    Raises:
        ConfigurationError: nothing can be bound to that address.
    """
    log = make_log()
    as_of = served.batches.as_of
    server = Server(served, _wall_clock if as_of is None else lambda: as_of, log)
    stop = asyncio.Event()
    # Before anybody is told that the server is there, who might then end it.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        port = await server.start(listen)
        _tell_start(log, served, f"{listen.rpartition(':')[0]}:{port}")
        await stop.wait()
        log.info("draining")
        await server.stop()
    finally:
        served.snapshot.index.close()
    log.info("stopped")


def _tell_start(log: FilteringBoundLogger, served: Served, address: str) -> None:
    as_of = served.batches.as_of
    log.info(
        "serving",
        address=address,
        snapshot_id=served.snapshot.manifest.snapshot_id,
        register_date=served.snapshot.manifest.register_date,
        as_of=None if as_of is None else format_instant(as_of),
        senders=len(served.batches.senders),
    )


def _wall_clock() -> int:
    return int(time.time())
