"""Health: whether the server answers, and whether its snapshot is fresh.

The empty name and the service's name are SERVING from the snapshot's register date on. The name
``snapshot`` tells freshness: past its horizon a snapshot is stale; it goes on answering, reaching fewer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from grpc_health.v1.health import aio  # type: ignore[attr-defined]  # the stubs lack it
from grpc_health.v1.health_pb2 import HealthCheckResponse

from resolver_grpc.server.service import SERVICE_NAME

SNAPSHOT_NAME = "snapshot"
_LONGEST_WAIT_SECONDS = 60

_STATUS = {True: HealthCheckResponse.SERVING, False: HealthCheckResponse.NOT_SERVING}


def health_at(instant: int, valid_from: int, horizon: int) -> dict[str, bool]:
    """Which names are well at an instant, for a snapshot valid from one instant and fresh until another."""
    answers = instant >= valid_from
    return {"": answers, SERVICE_NAME: answers, SNAPSHOT_NAME: valid_from <= instant < horizon}


async def watch_health(servicer: aio.HealthServicer, clock: Callable[[], int], valid_from: int, horizon: int) -> None:
    """Keeps the health service true to the clock, until cancelled."""
    while True:
        instant = clock()
        for name, is_well in health_at(instant, valid_from, horizon).items():
            await servicer.set(name, _STATUS[is_well])
        waits = [boundary - instant for boundary in (valid_from, horizon) if boundary > instant]
        # The clock may be set in between: never sleep long.
        await asyncio.sleep(min([_LONGEST_WAIT_SECONDS, *waits]))
