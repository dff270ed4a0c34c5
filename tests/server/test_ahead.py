"""Working ahead: the order is kept, few results wait, and nothing goes on once nobody asks any more."""

import asyncio
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.server.ahead import work_ahead


class Desk:
    """Messages that come at once, and what was done with them."""

    def __init__(self, count, *, breaks_at=None):
        self.count = count
        self.breaks_at = breaks_at
        self.taken = []
        self.worked_on = []

    async def messages(self):
        for number in range(self.count):
            if number == self.breaks_at:
                raise ConnectionError
            self.taken.append(number)
            yield number

    async def work(self, number):
        await asyncio.sleep(0)
        self.worked_on.append(number)
        return -number

    async def settle(self):
        """Lets everything run that can."""
        for _ in range(10 * (self.count + 1)):
            await asyncio.sleep(0)


async def gather(messages, work, most):
    """The results, and what ended them, if anything did."""
    results = []
    try:
        async with aclosing(work_ahead(messages, work, most)) as found, asyncio.timeout(5):
            while True:
                results.append(await anext(found))
    except StopAsyncIteration:
        return results, None
    except (ConnectionError, asyncio.CancelledError) as error:
        return results, type(error)


@given(st.integers(0, 20), st.integers(1, 5))
def test_results_come_in_the_order_of_their_messages(count, most):
    async def run():
        desk = Desk(count)
        return await gather(desk.messages(), desk.work, most)

    assert asyncio.run(run()) == ([-number for number in range(count)], None)


def test_the_next_is_worked_on_while_a_result_is_looked_at_and_no_more_than_a_few():
    """A client that doesn't read its answers has few of them wait, and none of its messages read."""

    async def run():
        desk = Desk(100)
        async with aclosing(work_ahead(desk.messages(), desk.work, 3)) as results:
            assert await anext(results) == 0
            await desk.settle()
            assert desk.worked_on == [0, 1, 2]
            assert await anext(results) == -1
            await desk.settle()
            assert desk.worked_on == [0, 1, 2, 3]
        await desk.settle()
        assert len(desk.taken) == 5

    asyncio.run(run())


def test_what_breaks_the_messages_comes_after_the_results_before_it():
    async def run():
        desk = Desk(5, breaks_at=3)
        return await gather(desk.messages(), desk.work, 2)

    assert asyncio.run(run()) == ([0, -1, -2], ConnectionError)


def test_a_message_that_is_cancelled_ends_the_results_and_hangs_nobody():
    async def cancelled():
        yield 1
        raise asyncio.CancelledError

    async def run():
        return await gather(cancelled(), Desk(0).work, 2)

    assert asyncio.run(run()) == ([-1], asyncio.CancelledError)


def test_nothing_is_worked_on_once_nobody_asks_any_more():
    """Also of one that waits for a message that never comes."""

    async def run():
        begun, ended = asyncio.Event(), asyncio.Event()

        async def waiting():
            try:
                begun.set()
                await asyncio.Event().wait()
                yield 0
            finally:
                ended.set()

        results = work_ahead(waiting(), Desk(0).work, 2)
        asking = asyncio.ensure_future(anext(results))
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await results.aclose()
        assert ended.is_set()

    asyncio.run(run())
