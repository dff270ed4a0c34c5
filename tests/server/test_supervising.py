"""The supervisor's own decisions, with workers that are mere promises and a clock that a test sets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.server.pacing import (
    FIRST_DELAY,
    LONGEST_DELAY,
    SECONDS_OF_GOOD_HEALTH,
    Pace,
    count_failures,
    restart_delay,
)
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.spawning import SpawnedWorker
from resolver_grpc.server.supervising import Supervisor

ADDRESS = "127.0.0.1:50051"
PATIENCE = 0.01


def test_the_delay_doubles_from_a_tenth_of_a_second_up_to_half_a_minute():
    assert [restart_delay(failures) for failures in range(1, 12)] == [
        0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30,
    ]  # fmt: skip


@given(st.integers(1, 10**9))
def test_the_delay_never_shrinks_and_is_bounded(failures):
    assert FIRST_DELAY <= restart_delay(failures) <= restart_delay(failures + 1) <= LONGEST_DELAY


@given(st.integers(0, 10**9), st.floats(0, 10**9))
def test_a_long_life_wipes_out_former_failures(former, seconds_served):
    expected = 1 if seconds_served >= SECONDS_OF_GOOD_HEALTH else former + 1
    assert count_failures(former, seconds_served) == expected


class PromisedWorker:
    """A worker that does what the test says; told to end, it does so unless it is stubborn."""

    def __init__(self, number, born, *, stubborn=False):
        self.number = number
        self.told = []
        self._outcome = asyncio.get_running_loop().create_future()
        self._code = asyncio.get_running_loop().create_future()
        self._stubborn = stubborn
        if born is not None:
            self._outcome.set_result(born)

    async def begun(self):
        return await asyncio.shield(self._outcome)

    async def ended(self):
        return await asyncio.shield(self._code)

    def die(self, code=-9):
        if not self._code.done():
            self._code.set_result(code)

    def _tell(self, what, *, ends):
        self.told.append(what)
        if ends:
            self.die(0)

    def leave(self):
        self._tell("leave", ends=not self._stubborn)

    def drain(self):
        self._tell("drain", ends=not self._stubborn)

    def kill(self):
        self._tell("kill", ends=True)


SERVING = {"generation": 1}
BAD_SNAPSHOT = ConfigurationError("the snapshot is bad; publish another")


class Scene:
    """A supervisor whose workers, clock and sleep the test holds.

    Args:
        births: what becomes of each worker in the order of starting: SERVING, an error, or None for nothing yet;
            SERVING once they have run out.
    """

    def __init__(self, count, births=(), *, stubborn=False, patience=PATIENCE):
        self.workers, self.delays, self.logged, self.now = [], [], [], 0.0
        self.stop, self.renew = asyncio.Event(), asyncio.Event()
        births = iter(births)

        def start(number):
            self.workers.append(PromisedWorker(number, next(births, SERVING), stubborn=stubborn))
            return self.workers[-1]

        async def sleep(seconds):
            self.delays.append(seconds)
            self.now += seconds

        def keep(_logger, _level, event):
            self.logged.append(event)
            raise structlog.DropEvent

        log = structlog.wrap_logger(None, processors=[keep])
        pace = Pace(patience, lambda: self.now, sleep)
        self.running = asyncio.create_task(Supervisor(start, count, log, pace).run(ADDRESS, self.stop, self.renew))

    async def until(self, is_so):
        """Lets the supervisor go on until something is so."""
        for _ in range(1000):
            if is_so():
                return
            await asyncio.sleep(0)
        raise AssertionError(self.events())

    def events(self):
        return [line["event"] for line in self.logged]

    async def until_logged(self, event, times=1):
        await self.until(lambda: self.events().count(event) == times)


@asynccontextmanager
async def scene(count, births=(), **options):
    played = Scene(count, births, **options)
    await played.until_logged("serving")
    yield played
    played.stop.set()
    await played.running
    assert played.events()[-2:] == ["draining", "stopped"] or options


def test_the_start_is_told_once_all_serve():
    async def play():
        played = Scene(2, [SERVING, None])
        await played.until(lambda: len(played.workers) == 2)
        assert played.events() == []
        played.workers[1]._outcome.set_result(SERVING)
        await played.until_logged("serving")
        assert played.logged == [
            {"event": "serving", "address": ADDRESS, "metrics": None, "generation": 1, "workers": 2}
        ]
        played.stop.set()
        await played.running
        assert [worker.told for worker in played.workers] == [["drain"], ["drain"]]

    asyncio.run(play())


def test_the_first_error_ends_the_start_and_everybody():
    async def play():
        played = Scene(3, [None, BAD_SNAPSHOT, SERVING])
        with pytest.raises(ConfigurationError) as raised:
            await played.running
        assert raised.value is BAD_SNAPSHOT
        assert all(worker.told[0] == "kill" for worker in played.workers)
        assert played.logged == []

    asyncio.run(play())


def test_a_stop_during_the_start_ends_it():
    async def play():
        played = Scene(2, [SERVING, None])
        await played.until(lambda: len(played.workers) == 2)
        played.stop.set()
        await played.running
        assert "serving" not in played.events()
        assert all(worker.told for worker in played.workers)

    asyncio.run(play())


def test_a_worker_that_dies_again_and_again_is_started_ever_later_until_it_lives_long():
    async def play():
        async with scene(1) as played:
            for deaths in range(1, 5):
                played.workers[-1].die()
                await played.until_logged("worker serving", deaths)
            played.now += SECONDS_OF_GOOD_HEALTH
            played.workers[-1].die()
            await played.until_logged("worker serving", 5)
            assert played.delays == [0.1, 0.2, 0.4, 0.8, 0.1]
            assert {worker.number for worker in played.workers} == {1}
            died = next(line for line in played.logged if line["event"] == "worker died")
            assert died == died | {"worker": 1, "exit_code": -9, "served_seconds": 0.0, "next_start": 0.1}

    asyncio.run(play())


def test_a_worker_that_does_not_start_again_is_tried_ever_later_while_the_others_serve():
    async def play():
        async with scene(2, [SERVING, SERVING, BAD_SNAPSHOT, BAD_SNAPSHOT]) as played:
            played.workers[1].die(1)
            await played.until_logged("worker serving")
            assert played.delays == [0.1, 0.2, 0.4]
            failed = [line for line in played.logged if line["event"] == "worker did not start"]
            assert [(line["worker"], line["reason"]) for line in failed] == [(2, BAD_SNAPSHOT.message)] * 2
            assert played.workers[0].told == []

    asyncio.run(play())


def test_workers_are_replaced_one_after_the_other_each_by_one_that_serves():
    async def play():
        async with scene(2, [SERVING, SERVING, None, None]) as played:
            first, second = played.workers
            played.renew.set()
            await played.until(lambda: len(played.workers) == 3)
            assert first.told == []
            played.workers[2]._outcome.set_result(SERVING)
            await played.until(lambda: len(played.workers) == 4)
            assert (first.told, second.told) == (["leave"], [])
            played.workers[3]._outcome.set_result(SERVING)
            await played.until_logged("workers replaced")
            assert second.told == ["leave"]
            assert [worker.number for worker in played.workers] == [1, 2, 1, 2]
            played.workers[2].die()
            await played.until_logged("worker serving", 3)
            assert played.events().count("worker died") == 1

    asyncio.run(play())


def test_the_former_worker_stays_where_its_successor_does_not_serve():
    async def play():
        async with scene(2, [SERVING, SERVING, BAD_SNAPSHOT]) as played:
            played.renew.set()
            await played.until_logged("workers not replaced")
            assert [worker.told for worker in played.workers[:2]] == [[], []]
            assert played.logged[-1] == played.logged[-1] | {"worker": 1, "reason": BAD_SNAPSHOT.message}
            played.renew.set()
            await played.until_logged("workers replaced")

    asyncio.run(play())


def test_a_worker_that_dies_while_its_successor_starts_is_not_started_twice():
    async def play():
        async with scene(1, [SERVING, None]) as played:
            played.renew.set()
            await played.until(lambda: len(played.workers) == 2)
            played.workers[0].die()
            played.workers[1]._outcome.set_result(SERVING)
            await played.until_logged("workers replaced")
            assert len(played.workers) == 2
            assert played.delays == []
            played.workers[1].die()
            await played.until(lambda: len(played.workers) == 3)

    asyncio.run(play())


def test_a_worker_that_does_not_end_in_time_is_killed():
    async def play():
        async with scene(2, stubborn=True) as played:
            pass
        assert [worker.told for worker in played.workers] == [["drain", "kill"]] * 2
        assert [line["worker"] for line in played.logged if line["event"] == "worker killed"] == [1, 2]
        assert played.events()[-1] == "stopped"

    asyncio.run(play())


def test_a_successor_that_dies_while_the_former_worker_is_still_leaving_is_started_again():
    async def play():
        async with scene(1, stubborn=True, patience=60) as played:
            former = played.workers[0]
            played.renew.set()
            await played.until(lambda: former.told == ["leave"])
            played.workers[1].die()
            await played.until_logged("worker serving", 2)
            assert "workers replaced" not in played.events()
            former.die(0)
            await played.until_logged("workers replaced")
            played.stop.set()
            await played.until(lambda: played.workers[2].told == ["drain"])
            played.workers[2].die(0)

    asyncio.run(play())


def test_a_process_that_dies_before_it_serves_is_told_apart_from_one_that_says_why(capfd):
    """An error that nobody foresaw leaves neither its text nor a traceback."""

    async def play():
        worker = SpawnedWorker(7, Plan(None, None, None, ADDRESS))
        assert await worker.ended() == 1
        return await worker.begun()

    error = asyncio.run(play())
    assert isinstance(error, ConfigurationError)
    assert error.message.startswith("worker 7 ended before it served (exit code 1)")
    written = capfd.readouterr().err
    assert '"event": "fault"' in written
    assert '"worker": 7' in written
    assert "Traceback" not in written
