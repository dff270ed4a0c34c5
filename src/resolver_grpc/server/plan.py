"""What a server is told to serve: paths and an address, no secret, so that it may travel to another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 10
"""How long calls under way are given when a server stops."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, and where.

    Attributes:
        directory: a snapshot's directory, or a store's.
        key_file: the key file that it was built with.
        senders_file: the onboarded senders.
        listen: ``HOST:PORT``.
        as_of: the instant that everything is judged at, where a past day is replayed.
        audit: the folder of the audit; None for a server that keeps none.
        connection_age: seconds after which a worker asks a client to connect anew; a server alone never does.
        metrics: ``HOST:PORT`` where metrics are shown, if anywhere.
    """

    directory: Path
    key_file: Path
    senders_file: Path
    listen: str
    as_of: int | None = None
    audit: Path | None = None
    connection_age: float = 30.0
    metrics: str | None = None

    @property
    def leaving_seconds(self) -> float:
        """How long a replaced worker waits for its clients to connect to another one."""
        # gRPC spreads the age by a tenth, and then wants a round trip.
        return self.connection_age * 1.1 + 1

    @property
    def patience(self) -> float:
        """How long a worker may take to end, whichever way it was told to, before it is killed."""
        return self.leaving_seconds + GRACE_SECONDS + 5
