"""From a plan to what a server serves: the snapshot or the store that it names, open, and the clock to judge by.

What belongs here: opening what is served first. Answering from it is ``app.py``'s.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.fastpath.machine import choose_way
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.server.key_source import KeySource
from resolver_grpc.server.plan import Plan
from resolver_grpc.server.reload import Store
from resolver_grpc.server.roster import Roster
from resolver_grpc.server.served import Served, open_served
from resolver_grpc.server.sighting import Sighting
from resolver_grpc.snapshot.generations import GENERATIONS_FOLDER
from resolver_grpc.snapshot.store import key_id_of
from resolver_grpc.times import format_instant


class Opened(NamedTuple):
    """What a server is to serve.

    Attributes:
        served: the open snapshot.
        store: the store to follow, where it is the live generation of one.
        changes: the open log of changes, where one is kept.
    """

    served: Served
    store: Store | None
    changes: ChangeLog | None

    def close(self) -> None:
        """Closes all of it, where nobody serves it after all."""
        self.served.close()
        if self.changes:
            self.changes.close()


def open_plan(plan: Plan) -> Opened:
    """Opens what a server is to serve.

    What is open by then lives as long as the process does, and the garbage collector need not look at it again.

    Raises:
        ChangeLogError: the log of changes is missing, can't be opened, or doesn't lead on from the snapshot.
        ConfigurationError: the senders can't be read, or the instant to replay lies before the register date.
        KeyFileError: the key file is refused, or holds no key that the snapshot was built under.
        SnapshotError: the snapshot is missing, damaged, foreign or of another format.
    """
    senders, keys = Roster(plan.senders_file), KeySource(plan.key_file)

    def open_one(directory: Path, sighting: Sighting | None = None) -> Served:
        key = keys.of(key_id_of(directory))
        return open_served(directory, key, senders, plan.as_of, sighting, ring=keys.ring, log=log)

    log = _open_log(plan.changes, plan.key_file, keys) if plan.changes else None
    try:
        served, store = _open_first(plan, open_one)
        # The sets of a million changes take seconds, for which the first batch is not to wait.
        served.index.facts_at(clock_of(served)())
    except BaseException:
        if log:
            log.close()
        raise
    gc.collect()
    gc.freeze()
    return Opened(served, store, log)


def _open_first(plan: Plan, open_one: Callable[..., Served]) -> tuple[Served, Store | None]:
    store = None
    if (plan.directory / GENERATIONS_FOLDER).is_dir():
        # The server's messages name the store wherever it was started.
        store = Store(plan.directory.absolute(), open_one)
    return (store.open_live() if store else open_one(plan.directory)), store


def _open_log(path: Path, key_file: Path, keys: KeySource) -> ChangeLog:
    """Opens a log that is there: one that is gone must not be begun anew, for what it held was acknowledged."""
    if not path.exists():
        raise ChangeLogError(f"{path}: is missing; restore it, or make the first one with `resolver-grpc changes new`")
    return ChangeLog(path, keys.ring, lambda: read_key_ring(key_file))


def facts_of(served: Served) -> dict[str, object]:
    """What a log tells of what is served."""
    as_of = served.batches.as_of
    return {
        "generation": served.generation or None,
        "snapshot_id": served.snapshot.manifest.snapshot_id,
        "register_date": served.snapshot.manifest.register_date,
        "as_of": None if as_of is None else format_instant(as_of),
        "senders": len(served.batches.senders),
        "change_sequence": served.change_sequence,
        "way": choose_way(os.environ)[1],
    }


def clock_of(served: Served) -> Callable[[], int]:
    """Tells the instant that everything is judged at: now, or the one that is replayed."""
    as_of = served.batches.as_of
    return wall_clock if as_of is None else lambda: as_of


def wall_clock() -> int:
    """Now, in seconds of UTC."""
    return int(time.time())
