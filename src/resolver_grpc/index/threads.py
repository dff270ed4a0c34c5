"""Work in threads, one for each core, its results in order.

What belongs here: the one way in which the index spreads work. It pays where numpy, hashing, ciphers or the
disk do the work, for they let the other threads run meanwhile.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD: Final = 2


def in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Applies a function to each item in threads, and yields the results in the order of the items.

    At most twice as many items as there are cores are under way or wait to be taken, so that memory is bounded;
    the items themselves are taken by the caller's thread.

    Raises:
        Exception: what the function raised, where its result would have been.
    """
    cores = len(os.sched_getaffinity(0))
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def aside(function: Callable[[], _Result]) -> Future[_Result]:
    """Starts a function in a thread of its own; whoever asks for its result waits for it."""
    with_one_thread = ThreadPoolExecutor(1)
    under_way = with_one_thread.submit(function)
    with_one_thread.shutdown(wait=False)
    return under_way
