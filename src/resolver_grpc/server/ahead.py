"""Working ahead in a stream: the next message is worked on while the answer to the one before it is on its way.

What belongs here: keeping the order, and the bound. What the work is, is the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

Message = TypeVar("Message")
Result = TypeVar("Result")


async def work_ahead(
    messages: AsyncIterator[Message], work: Callable[[Message], Awaitable[Result]], most: int
) -> AsyncGenerator[Result, None]:
    """Works on messages one after the other, also while nobody asks for what came of them.

    Close it (``contextlib.aclosing``): its work ends with it.

    Args:
        messages: what is worked on.
        work: works on one.
        most: how many results wait at most; what was taken by then is not worked on until one is asked for.

    Yields:
        What came of each message, in their order. What ended the messages, or was raised by the work, is raised after
        the results of all that came before it.
    """
    results: asyncio.Queue[tuple[Result, ...]] = asyncio.Queue()
    room = asyncio.Semaphore(most)

    async def work_on_all() -> None:
        try:
            async for message in messages:
                await room.acquire()
                results.put_nowait((await work(message),))
        finally:
            results.put_nowait(())

    working = asyncio.create_task(work_on_all())
    try:
        while found := await results.get():
            yield found[0]
            room.release()
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
