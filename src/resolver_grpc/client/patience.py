"""How long to wait between attempts, and when to give up.

What belongs here: the backoff's arithmetic and the three things from outside that it needs (a clock, a
sleep, a source of jitter), passed in so that tests neither wait nor draw lots.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What waiting needs from outside.

    Attributes:
        clock: seconds that only ever grow.
        sleep: waits for that many seconds.
        jitter: a number in [0, 1), another one each time.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class Patience:
    """One run of attempts at the same call, from its first failure on.

    Args:
        retry_for: seconds from the first failure after which no further attempt is made.
        surroundings: clock, sleep and jitter.
    """

    def __init__(self, retry_for: float, surroundings: Surroundings) -> None:
        self._retry_for = retry_for
        self._surroundings = surroundings
        self._first_failure: float | None = None
        self._failures = 0

    def wait(self, asked: float | None = None) -> bool:
        """Wait before the next attempt; False, at once, if that attempt would come too late.

        Args:
            asked: the seconds that the server asked for, where it did; a little longer is waited.
        """
        now = self._surroundings.clock()
        if self._first_failure is None:
            self._first_failure = now
        jitter = self._surroundings.jitter()
        if asked is None:
            delay = backoff(self._failures, jitter)
            self._failures += 1
        else:
            delay = max(FIRST_DELAY, asked) * (1 + jitter / 10)
        if now + delay - self._first_failure > self._retry_for:
            return False
        self._surroundings.sleep(delay)
        return True


def backoff(failures: int, jitter: float) -> float:
    """The delay in seconds after so many earlier failures: doubling, capped, and between half and all of it.

    The jitter keeps many clients of one server from coming back all at the same instant.
    """
    # Past 2**10 the cap has long been reached; an endless outage must not overflow a float.
    full = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 10))
    return full * (0.5 + jitter / 2)
