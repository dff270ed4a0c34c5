"""The composition root: puts the server together and runs it until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ConfigurationError, ResolverError, SnapshotError
from resolver_grpc.server.auditing import Auditing, open_audit
from resolver_grpc.server.budgeting import Budgeting, open_budgets
from resolver_grpc.server.change_service import SERVICE_NAME as CHANGE_SERVICE_NAME
from resolver_grpc.server.change_service import ChangeService
from resolver_grpc.server.entrance import ON_THE_LOOPBACK, Entrance, open_entrance
from resolver_grpc.server.following import Following
from resolver_grpc.server.gate import Gate
from resolver_grpc.server.health import AUDIT_NAME, BUDGETS_NAME, Kept, watch_health
from resolver_grpc.server.in_service import InService
from resolver_grpc.server.intake import Intake
from resolver_grpc.server.log import make_log
from resolver_grpc.server.metrics import Metrics
from resolver_grpc.server.metrics_page import showing
from resolver_grpc.server.opening import Opened, clock_of, facts_of, open_plan, wall_clock
from resolver_grpc.server.options import ALONE, LIMITS
from resolver_grpc.server.plan import GRACE_SECONDS, Plan
from resolver_grpc.server.reload import SECONDS_BETWEEN_LOOKS, Reload, Store
from resolver_grpc.server.roster import Roster, RosterWatch
from resolver_grpc.server.served import Served
from resolver_grpc.server.service import SERVICE_NAME, ResolverService


class Server:
    """A gRPC server of one snapshot, or of a store's live generation: resolving, health and reflection.

    Args:
        served: what it serves first, and closes when it stops.
        clock: tells the instant, in seconds of UTC.
        log: where its own faults go, and what became of new generations.
        store: the store that the snapshot is the live generation of, to be followed; None for a snapshot that
            stands in none.
        interval: seconds between two looks at the store, and at the senders' file.
        registry: where its metrics are registered; one of its own unless told.
        audit: where it records its batches, which it closes when it stops; None for nowhere.
        budgets: what it holds senders to, which it closes when it stops; None for nothing.
        options: what its gRPC server is told beside, or instead of, its limits; alone on its port unless told.
        entrance: how callers come in; in the clear and as delivery unless told.
        now: tells the instant that tokens are judged at, which is never a replayed one.
        changes: the log of changes that are laid over what it serves, which it closes when it stops; None for none.
    """

    def __init__(  # noqa: PLR0913 - each is one choice of the caller's, most with a default
        self,
        served: Served,
        clock: Callable[[], int],
        log: FilteringBoundLogger,
        store: Store | None = None,
        interval: float = SECONDS_BETWEEN_LOOKS,
        *,
        registry: CollectorRegistry | None = None,
        audit: Auditing | None = None,
        budgets: Budgeting | None = None,
        options: Sequence[tuple[str, int]] = ALONE,
        entrance: Entrance = ON_THE_LOOPBACK,
        now: Callable[[], int] = wall_clock,
        changes: ChangeLog | None = None,
    ) -> None:
        self._in_service = InService(served)
        self._clock = clock
        self._metrics = Metrics(registry or CollectorRegistry())
        note = self._metrics.note_generation
        self._reload = Reload(store, self._in_service, clock, log, note) if store else None
        senders = served.batches.senders
        self._roster = RosterWatch(senders, self._in_service, log) if isinstance(senders, Roster) else None
        self._interval = interval
        self._health = aio.HealthServicer()
        self._audit, self._budgets = audit, budgets
        if audit:
            audit.on_change(self._in_service.changed.set)
            audit.on_write(self._metrics.note_audit_write)
        if budgets:
            budgets.on_change(self._in_service.changed.set)
        self._credentials = entrance.credentials
        gate = Gate(entrance.recognize, now, log)
        self._server = grpc.aio.server(interceptors=[gate], options=[*(dict(LIMITS) | dict(options)).items()])
        service = ResolverService(self._in_service, clock, log, self._metrics, audit, budgets)
        self._server.add_generic_rpc_handlers((service.handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._changes = changes
        self._following: Following | None = None
        self._intake: Intake | None = None
        self._taking: ChangeService | None = None
        names = [SERVICE_NAME, *(self._take_changes(changes, clock, log) if changes else ())]
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), self._server)
        self._log = log
        self._watching: list[asyncio.Task[None]] = []
        self._touching: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None

    def _take_changes(self, changes: ChangeLog, clock: Callable[[], int], log: FilteringBoundLogger) -> tuple[str]:
        """Takes changes into a log, and follows it; tells the service's name."""
        self._following = Following(changes, self._in_service, log, self._metrics.changes.note_sequence)
        self._intake = Intake(changes, self._in_service, self._following.note_writing)
        self._taking = ChangeService(self._in_service, changes, self._intake, clock, log, self._metrics, self._audit)
        self._server.add_generic_rpc_handlers((self._taking.handler(),))
        return (CHANGE_SERVICE_NAME,)

    async def start(self, listen: str) -> int:
        """Starts to answer.

        Returns:
            The port.

        Raises:
            ConfigurationError: nothing can be bound to that address.
        """
        try:
            port = self._listen(listen)
        except RuntimeError:
            raise ConfigurationError(f"{listen}: can't be listened on; choose a port that is free") from None
        kept: dict[str, Kept] = {AUDIT_NAME: self._audit} if self._audit else {}
        kept |= {BUDGETS_NAME: self._budgets} if self._budgets else {}
        watches = [
            watch_health(self._health, self._clock, self._in_service, kept, self._following),
            self._metrics.watch(self._in_service, self._clock, self._budgets),
        ]
        if self._budgets:
            watches.append(self._budgets.watch())
        if self._following:
            watches.append(self._following.watch())
        if self._roster:
            watches.append(self._roster.watch(self._interval))
        self._watching = [asyncio.create_task(watch) for watch in watches]
        if self._reload:
            self._reloading = asyncio.create_task(self._reload.watch(self._interval))
        await self._server.start()
        self._touching = asyncio.create_task(self._touch())
        return port

    def _listen(self, listen: str) -> int:
        if self._credentials:
            return self._server.add_secure_port(listen, self._credentials)
        return self._server.add_insecure_port(listen)

    async def _touch(self) -> None:
        """Checks every page while the first queries are answered: until a page was checked, its answers take longer."""
        with self._in_service.batch() as served:
            try:
                await asyncio.to_thread(served.touch)
            except SnapshotError as error:
                # Whoever asks for what stands there is refused; the rest is whole.
                self._log.error("snapshot damaged", reason=error.message)

    async def stop(self) -> None:
        """Drains: health turns NOT_SERVING, calls under way are finished, then the snapshot is closed.

        A generation that is just being opened is closed too: nothing new is taken up any more.
        """
        if self._reload:
            self._reload.stop()
        for watch in self._watching:
            watch.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._health.enter_graceful_shutdown()
        if self._taking:
            self._taking.stop()
        await self._server.stop(GRACE_SECONDS)
        if self._touching:
            await self._touching
        if self._reloading:
            await self._reloading
        if self._intake:
            await self._intake.close()
        await self._in_service.close()
        if self._changes:
            self._changes.close()
        if self._audit:
            await self._audit.close()
        if self._budgets:
            self._budgets.close()


def run(plan: Plan) -> None:
    """Serves, alone on its port, until SIGTERM or SIGINT, then drains and closes the snapshot.

    Raises:
        AuditError: the audit can't be written.
        BudgetFileError: the file of budgets can't be opened, or is none.
        ConfigurationError: nothing can be bound to the address, or as ``open_plan`` says.
        KeyFileError: likewise.
        SnapshotError: likewise.
    """
    # The small files first: what is wrong with them is told before a country is opened.
    entrance = open_entrance(plan, make_log())
    opened = open_plan(plan)
    registry = CollectorRegistry()
    with showing(plan.metrics, registry) if plan.metrics else nullcontext() as shown:
        asyncio.run(_run(opened, replace(plan, metrics=shown), entrance, registry))


async def _run(opened: Opened, plan: Plan, entrance: Entrance, registry: CollectorRegistry) -> None:
    log, listen = make_log(), plan.listen
    served, store, changes = opened
    try:
        budgets = open_budgets(plan, log)
        audit = open_audit(plan, 1, log)
    except ResolverError:
        opened.close()
        raise
    server = Server(
        served,
        clock_of(served),
        log,
        store,
        registry=registry,
        audit=audit,
        budgets=budgets,
        entrance=entrance,
        changes=changes,
    )
    stop = asyncio.Event()
    # Before anybody is told that the server is there, who might then end it.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        port = await server.start(listen)
        address = f"{listen.rpartition(':')[0]}:{port}"
        log.info("serving", address=address, metrics=plan.metrics, **facts_of(served))
        await stop.wait()
        log.info("draining")
    finally:
        await server.stop()
    log.info("stopped")
