"""Health: whether the server answers, whether its snapshot is fresh, and whether it is the live one.

The empty name and the service's name are SERVING from the snapshot's register date on. The name
``snapshot`` tells freshness: past its horizon a snapshot is stale; it goes on answering, reaching fewer.
The name ``generation`` is NOT_SERVING while the store's live generation is refused and another one answers, and
``senders`` while the senders' file, as it stands, is refused. While the audit can't be written, or the file of budgets
is gone, nothing is resolved: the empty name, the service's, and ``audit`` or ``budgets`` are NOT_SERVING. The name
``changes`` is NOT_SERVING while none can be taken; while they can't even be read, nothing is resolved either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from grpc_health.v1.health import aio  # type: ignore[attr-defined]  # the stubs lack it
from grpc_health.v1.health_pb2 import HealthCheckResponse

from resolver_grpc.server.in_service import InService
from resolver_grpc.server.service import SERVICE_NAME

SNAPSHOT_NAME = "snapshot"
GENERATION_NAME = "generation"
SENDERS_NAME = "senders"
AUDIT_NAME = "audit"
BUDGETS_NAME = "budgets"
CHANGES_NAME = "changes"
_LONGEST_WAIT_SECONDS = 60

_STATUS = {True: HealthCheckResponse.SERVING, False: HealthCheckResponse.NOT_SERVING}


class Kept(Protocol):
    """What is kept of every batch."""

    @property
    def is_well(self) -> bool:
        """Whether it can be; where it can't, nothing is resolved."""


class Followed(Kept, Protocol):
    """The changes that are laid over what is served."""

    @property
    def takes(self) -> bool:
        """Whether more of them can be taken."""


def health_at(
    instant: int, in_service: InService, kept: Mapping[str, Kept], changes: Followed | None = None
) -> dict[str, bool]:
    """Which names are well at an instant; of what is kept, by its name, too."""
    served = in_service.served
    are_kept = {name: one.is_well for name, one in kept.items()}
    are_read = changes is None or changes.is_well
    answers = instant >= served.valid_from and all(are_kept.values()) and are_read
    return {
        "": answers,
        SERVICE_NAME: answers,
        SNAPSHOT_NAME: served.valid_from <= instant < served.horizon,
        GENERATION_NAME: in_service.refusal is None,
        SENDERS_NAME: not in_service.senders_refusal,
        # What is not asked for is well.
        AUDIT_NAME: True,
        BUDGETS_NAME: True,
        CHANGES_NAME: changes is None or changes.takes,
        **are_kept,
    }


async def watch_health(
    servicer: aio.HealthServicer,
    clock: Callable[[], int],
    in_service: InService,
    kept: Mapping[str, Kept],
    changes: Followed | None = None,
) -> None:
    """Keeps the health service true to the clock, to what is in service and to what is kept, until cancelled."""
    while True:
        in_service.changed.clear()
        instant = clock()
        for name, is_well in health_at(instant, in_service, kept, changes).items():
            await servicer.set(name, _STATUS[is_well])
        served = in_service.served
        waits = [boundary - instant for boundary in (served.valid_from, served.horizon) if boundary > instant]
        # The clock may be set in between: never sleep long.
        with suppress(TimeoutError):
            await asyncio.wait_for(in_service.changed.wait(), min([_LONGEST_WAIT_SECONDS, *waits]))
