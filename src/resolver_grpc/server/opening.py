"""From a plan to what a server serves: the snapshot or the store that it names, open, and the clock to judge by.

What belongs here: opening what is served first. Answering from it is ``app.py``'s.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

from resolver_grpc.fastpath.machine import choose_way
from resolver_grpc.server.key_source import KeySource
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.reload import Store
from resolver_grpc.server.roster import Roster
from resolver_grpc.server.served import Served, open_served
from resolver_grpc.server.sighting import Sighting
from resolver_grpc.snapshot.generations import GENERATIONS_FOLDER
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.times import format_instant


def open_plan(plan: Plan) -> tuple[Served, Store | None]:
    """Opens what a server is to serve.

    What is open by then lives as long as the process does, and the garbage collector need not look at it again.

    Returns:
        The open snapshot, and the store to follow where it is the live generation of one.

    Raises:
        ConfigurationError: the senders can't be read, or the instant to replay lies before the register date.
        KeyFileError: the key file is refused, or holds no key that the snapshot was built under.
        SnapshotError: the snapshot is missing, damaged, foreign or of another format.
    """
    senders, keys = Roster(plan.senders_file), KeySource(plan.key_file)

    def open_one(directory: Path, sighting: Sighting | None = None) -> Served:
        key = keys.of(key_id_of(directory))
        return open_served(directory, key, senders, plan.as_of, sighting, ring=keys.ring)

    store = None
    if (plan.directory / GENERATIONS_FOLDER).is_dir():
        # The server's messages name the store wherever it was started.
        store = Store(plan.directory.absolute(), open_one)
    served = store.open_live() if store else open_one(plan.directory)
    gc.collect()
    gc.freeze()
    return served, store


def facts_of(served: Served) -> dict[str, object]:
    """What a log tells of what is served."""
    as_of = served.batches.as_of
    return {
        "generation": served.generation or None,
        "snapshot_id": served.snapshot.manifest.snapshot_id,
        "register_date": served.snapshot.manifest.register_date,
        "as_of": None if as_of is None else format_instant(as_of),
        "senders": len(served.batches.senders),
        "way": choose_way(os.environ)[1],
    }


def clock_of(served: Served) -> Callable[[], int]:
    """Tells the instant that everything is judged at: now, or the one that is replayed."""
    as_of = served.batches.as_of
    return wall_clock if as_of is None else lambda: as_of


def wall_clock() -> int:
    """Now, in seconds of UTC."""
    return int(time.time())
