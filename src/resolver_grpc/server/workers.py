"""What runs in a worker's process: a server that shares its port, and does what its supervisor says.

What belongs here: how a worker begins and how it ends. It opens everything by itself and follows the store by
itself, so that each batch is wholly one snapshot's, whichever worker it comes to.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from multiprocessing.connection import Connection

from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ResolverError
from resolver_grpc.server.app import Server
from resolver_grpc.server.auditing import open_audit
from resolver_grpc.server.budgeting import open_budgets
from resolver_grpc.server.entrance import open_entrance
from resolver_grpc.server.faults import fault_of
from resolver_grpc.server.leaving import see_clients_off, stop_listening
from resolver_grpc.server.log import make_log
from resolver_grpc.server.opening import clock_of, facts_of, open_plan
from resolver_grpc.server.plan import Plan


def work(number: int, plan: Plan, tie: Connection) -> None:
    """Serves until the supervisor says SIGTERM or ``LEAVE``, or is no more.

    Args:
        number: its place among the workers, which stands in each line of its log.
        plan: what to serve; its address names a port that is held for workers to share.
        tie: the pipe to the supervisor, which is told what is served, or the error that keeps it from serving.

    Raises:
        SystemExit: with exit code 1, after an error that nobody foresaw.
    """
    log = make_log().bind(worker=number)
    try:
        asyncio.run(_serve(number, plan, tie, log))
    except (ResolverError, OSError) as error:
        with suppress(OSError):
            tie.send(error)
    except Exception as error:  # noqa: BLE001 - neither text nor traceback may leave: they may hold what a file held
        log.error("fault", **fault_of(error))  # noqa: TRY400 - so no traceback here
        raise SystemExit(1) from None


async def _serve(number: int, plan: Plan, tie: Connection, log: FilteringBoundLogger) -> None:
    entrance = open_entrance(plan, log)
    served, store, changes = open_plan(plan)
    options = (("grpc.so_reuseport", 1), ("grpc.max_connection_age_ms", round(plan.connection_age * 1000)))
    budgets, audit = open_budgets(plan, log), open_audit(plan, number, log)
    server = Server(
        served,
        clock_of(served),
        log,
        store,
        audit=audit,
        budgets=budgets,
        entrance=entrance,
        options=options,
        changes=changes,
    )
    told, stop, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()

    def hear() -> None:
        loop.remove_reader(tie.fileno())
        told.set()
        try:
            tie.recv()
        except (EOFError, OSError):
            # Nobody is there any more who would replace this worker, or could end it.
            stop.set()

    def end() -> None:
        told.set()
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, end)
    # Blocked since its birth, so that none could come too early; the supervisor's other signals stay so.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        port = await server.start(plan.listen)
        tie.send(facts_of(served))
        loop.add_reader(tie.fileno(), hear)
        await told.wait()
        if not stop.is_set():
            log.info("leaving")
            stop_listening(port)
            await see_clients_off(port, stop, plan.leaving_seconds)
        log.info("draining")
    finally:
        await server.stop()
    log.info("stopped")
