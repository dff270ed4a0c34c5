"""The supervisor: keeps a number of workers serving, replaces them on demand, and ends them all.

What belongs here: when a worker is started, replaced and given up. Workers are only known by what they tell, and
time by a clock and a sleep, so that a test needs neither processes nor patience.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from resolver_grpc.server.listening import holding_port
from resolver_grpc.server.log import make_log
from resolver_grpc.server.metrics_page import counting_together, showing
from resolver_grpc.server.pacing import Pace, count_failures, restart_delay
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.spawning import Facts, SpawnedWorker


class Worker(Protocol):
    """What a supervisor knows of a worker; ``SpawnedWorker`` says what each of these does."""

    number: int

    async def begun(self) -> Facts | Exception: ...  # noqa: D102 - see the class
    async def ended(self) -> int: ...  # noqa: D102
    def leave(self) -> None: ...  # noqa: D102
    def drain(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102


class _Place:
    """One worker's place; whoever puts another worker there holds the lock, and says so."""

    def __init__(self, worker: Worker, began: float) -> None:
        self.worker = worker
        self.began = began
        self.failures = 0
        self.lock = asyncio.Lock()
        self.refilled = asyncio.Event()


class Supervisor:
    """Keeps workers serving.

    Args:
        start: starts the worker of a number, from 1 on.
        count: how many there are to be.
        log: where it says what became of them.
        pace: how it waits.
    """

    def __init__(self, start: Callable[[int], Worker], count: int, log: FilteringBoundLogger, pace: Pace) -> None:
        self._start = start
        self._count = count
        self._log = log
        self._pace = pace
        self._places: list[_Place] = []
        self._alive: dict[Worker, asyncio.Task[None]] = {}

    async def run(self, address: str, stop: asyncio.Event, renew: asyncio.Event, metrics: str | None = None) -> None:
        """Serves until it is told to stop, then ends all workers.

        Args:
            address: where they serve, for the log.
            stop: set to end everything.
            renew: set to have the workers replaced, one after the other; cleared when that begins.
            metrics: where their metrics are shown, for the log.

        Raises:
            ResolverError: a worker couldn't begin; none is left then.
            OSError: likewise, and the operating system says why.
        """
        stopped = asyncio.create_task(stop.wait())
        tasks: set[asyncio.Task[object]] = {stopped, asyncio.create_task(self._begin(address, metrics))}
        try:
            await _first_end(tasks)
            if not stopped.done():
                keeping = [self._keep(place) for place in self._places]
                tasks = {stopped, *map(asyncio.create_task, [self._renew_whenever(renew), *keeping])}
                # None but the first ends by itself, unless by an error that nobody foresaw.
                await _first_end(tasks)
            self._log.info("draining")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._end_all()
        self._log.info("stopped")

    async def _begin(self, address: str, metrics: str | None) -> None:
        """Starts all workers at once, and says so once all serve; raises the first error that one of them meets."""
        workers = [self._launch(number) for number in range(1, self._count + 1)]
        try:
            facts = await _all_begun(workers)
        except BaseException:
            # Nobody was told of them: there is nothing to drain, and nothing more to be said.
            for worker in workers:
                worker.kill()
            raise
        self._places = [_Place(worker, self._pace.clock()) for worker in workers]
        self._log.info("serving", address=address, metrics=metrics, **facts, workers=self._count)

    def _launch(self, number: int) -> Worker:
        worker = self._start(number)

        async def attend() -> None:
            await worker.ended()
            del self._alive[worker]

        self._alive[worker] = asyncio.create_task(attend())
        return worker

    async def _fill(self, place: _Place) -> Exception | None:
        """Puts a new worker in a place once it serves; the error if it doesn't come to that."""
        number = place.worker.number
        try:
            worker = self._launch(number)
        except OSError as error:
            return error
        begun = await worker.begun()
        if isinstance(begun, Exception):
            return begun
        place.worker, place.began = worker, self._pace.clock()
        place.refilled.set()
        self._log.info("worker serving", worker=number, **begun)
        return None

    async def _keep(self, place: _Place) -> None:
        """Fills a place again whenever its worker dies."""
        while True:
            worker = place.worker
            await _either(worker.ended(), place.refilled.wait())
            async with place.lock:
                if place.worker is worker:
                    await self._restart(place, await worker.ended())
                place.refilled.clear()

    async def _restart(self, place: _Place, code: int) -> None:
        number, lived = place.worker.number, self._pace.clock() - place.began
        place.failures = count_failures(place.failures, lived)
        delay = restart_delay(place.failures)
        self._log.error("worker died", worker=number, exit_code=code, served_seconds=round(lived, 1), next_start=delay)
        await self._pace.sleep(delay)
        while error := await self._fill(place):
            place.failures += 1
            delay = restart_delay(place.failures)
            self._log.error("worker did not start", worker=number, reason=_sentence(error), next_start=delay)
            await self._pace.sleep(delay)

    async def _renew_whenever(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            self._log.info("replacing workers")
            if await self._renew():
                self._log.info("workers replaced")

    async def _renew(self) -> bool:
        """Replaces one worker after the other, each by one that serves already; stops at the first that doesn't."""
        for place in self._places:
            async with place.lock:
                former = place.worker
                if error := await self._fill(place):
                    self._log.error("workers not replaced", worker=former.number, reason=_sentence(error))
                    return False
            former.leave()
            await self._see_ended([former])
        return True

    async def _end_all(self) -> None:
        for worker in self._alive:
            worker.drain()
        await self._see_ended(list(self._alive))

    async def _see_ended(self, workers: list[Worker]) -> None:
        """Waits until workers that were told to end have done so, and kills those that take too long."""
        attending = [self._alive[worker] for worker in workers if worker in self._alive]
        if not attending:
            return
        await asyncio.wait(attending, timeout=self._pace.patience)
        for worker in workers:
            if worker in self._alive:
                self._log.error("worker killed", worker=worker.number, after_seconds=self._pace.patience)
                worker.kill()
        await asyncio.wait(attending)


async def _all_begun(workers: list[Worker]) -> Facts:
    """Waits until all serve, or raises the first error that one of them meets."""
    facts: Facts = {}
    for begun in asyncio.as_completed([worker.begun() for worker in workers]):
        outcome = await begun
        if isinstance(outcome, Exception):
            raise outcome
        facts = outcome
    return facts


async def _either(*waits: Coroutine[object, object, object]) -> None:
    """Waits for whichever comes first."""
    tasks = {asyncio.create_task(wait) for wait in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _first_end(tasks: set[asyncio.Task[object]]) -> None:
    """Waits until one of some tasks ends, and raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _sentence(error: Exception) -> str:
    """What a log may say of an error that is the project's own, or the operating system's."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def supervise(plan: Plan, count: int) -> None:
    """Serves with so many worker processes until SIGTERM or SIGINT; SIGHUP replaces them one after the other.

    Args:
        plan: what each of them serves.
        count: how many.

    Raises:
        ConfigurationError: the port can't be had, or a worker died before it served.
        ResolverError: what a worker met when it opened what it is to serve.
        OSError: likewise, and the operating system says why.
    """
    with holding_port(plan.listen) as address, _metrics_of_workers(plan) as shown:
        asyncio.run(_supervise(replace(plan, listen=address, metrics=shown), count))


@contextmanager
def _metrics_of_workers(plan: Plan) -> Iterator[str | None]:
    """Shows what the workers that are started in the block count, where the plan says so."""
    if not plan.metrics:
        yield None
        return
    with counting_together() as registry, showing(plan.metrics, registry) as address:
        yield address


async def _supervise(plan: Plan, count: int) -> None:
    stop, renew = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, renew)):
        loop.add_signal_handler(number, event.set)
    supervisor = Supervisor(lambda number: SpawnedWorker(number, plan), count, make_log(), Pace(plan.patience))
    await supervisor.run(plan.listen, stop, renew, plan.metrics)
