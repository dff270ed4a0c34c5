"""How long a supervisor waits: before it starts a worker again, and for one that is to end.

What belongs here: the arithmetic, and the clock and the sleep that it needs from outside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FIRST_DELAY = 0.1
LONGEST_DELAY = 30.0
SECONDS_OF_GOOD_HEALTH = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What waiting needs.

    Attributes:
        patience: seconds that a worker may take to end before it is killed.
        clock: seconds that only ever grow.
        sleep: waits for that many seconds.
    """

    patience: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def count_failures(former: int, seconds_served: float) -> int:
    """How often in a row a worker has failed, its death now included: one that lived long starts from 1 again."""
    return 1 if seconds_served >= SECONDS_OF_GOOD_HEALTH else former + 1


def restart_delay(failures: int) -> float:
    """Seconds to wait before a worker that failed so often in a row is started again: doubling, and bounded."""
    # Past 2**20 the bound has long been reached; endless failing must not overflow a float.
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 20))
