"""What is served: a snapshot with the changes after it, and what answers from them.

What belongs here: opening a snapshot to serve it. Who holds it, and for how long, is ``in_service.py``'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from resolver_grpc.canonical import CANONICAL_VERSION
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.errors import ConfigurationError
from resolver_grpc.fastpath.machine import choose_way
from resolver_grpc.fastpath.way import FastWay, Memory
from resolver_grpc.handles import Handles
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Sender
from resolver_grpc.resolve import Resolver
from resolver_grpc.rows.cells import Span
from resolver_grpc.server.batch import Batches
from resolver_grpc.server.fast_batches import FastBatches
from resolver_grpc.server.overlaid import Overlaid
from resolver_grpc.server.sighting import Sighting
from resolver_grpc.snapshot.store import Snapshot, open_snapshot
from resolver_grpc.times import parse_time, register_window


@dataclass(frozen=True, slots=True)
class Served:
    """What a server serves: a snapshot, from when to when it is fresh, and how it answers.

    Attributes:
        snapshot: the open snapshot.
        batches: answers requests from it, with the changes over it, the fast way or the plain way.
        valid_from: the instant from which on it answers.
        horizon: the instant from which on it is stale.
        sighting: as what it was seen in its store; None where it stands in none.
        budgets_secret: what budgets hash its keys with once more.
        overlaid: the changes over it; None where no log is kept.
    """

    snapshot: Snapshot
    batches: FastBatches | Batches
    valid_from: int
    horizon: int
    sighting: Sighting | None = None
    budgets_secret: bytes = field(default=b"", repr=False)
    overlaid: Overlaid | None = None

    @property
    def change_sequence(self) -> int:
        """The sequence of the last change that a batch takes account of that begins now."""
        return self.overlaid.sequence if self.overlaid else self.snapshot.manifest.change_sequence

    def batch(self) -> AbstractAsyncContextManager[None]:
        """Lets a batch be answered as of one change, the last one or a later; see ``Overlaid.batch``."""
        return self.overlaid.batch() if self.overlaid else nullcontext()

    def close(self) -> None:
        """Closes the snapshot, and lets go of the changes over it; may be called from a thread."""
        self.snapshot.index.close()
        if self.overlaid:
            self.overlaid.close()

    @property
    def plain(self) -> Batches:
        """Answers requests from it the plain way."""
        return self.batches.plain if isinstance(self.batches, FastBatches) else self.batches

    def memories(self) -> dict[str, Memory]:
        """How well the fast way remembers the words of each fold; nothing where the plain way answers."""
        return self.batches.way.memories() if isinstance(self.batches, FastBatches) else {}

    def touch(self) -> None:
        """Brings every page into memory and checks it, so that no query waits for either; may be called from a thread.

        Raises:
            SnapshotError: a page could give a wrong answer, or the snapshot is closed.
        """
        if isinstance(self.batches, FastBatches):
            self.batches.way.touch()
        else:
            self.snapshot.index.touch()

    @property
    def index(self) -> LmdbIndex | OverlaidIndex:
        """What it is answered from: the snapshot's index, with changes laid over it where there are to be any."""
        return self.overlaid.index if self.overlaid else self.snapshot.index

    @property
    def built(self) -> int:
        """The instant that it was built at."""
        return parse_time(self.snapshot.manifest.build_time)

    @property
    def generation(self) -> int:
        """The number of its generation; 0 where it stands in no store."""
        return self.sighting.number if self.sighting else 0


def open_served(  # noqa: PLR0913 - what is served, as of when; the last two have defaults
    directory: Path,
    key: MasterKey,
    senders: Mapping[str, Sender],
    as_of: int | None,
    sighting: Sighting | None = None,
    *,
    ring: Iterable[MasterKey] = (),
    log: ChangeLog | None = None,
) -> Served:
    """Opens a snapshot to serve it.

    Args:
        directory: where it lies.
        key: what it was built under.
        senders: the onboarded senders by id; each batch looks its own up once.
        as_of: the instant that everything is judged at, where a past day is replayed.
        sighting: as what it was seen in its store.
        ring: the keys that handles are known under, of which the first makes new ones; the snapshot's own where none
            is given.
        log: the log of changes, of which those are laid over the snapshot that came after it.

    Raises:
        ChangeLogError: the log can't be read, or doesn't lead on from the snapshot.
        SnapshotError: the snapshot is missing, damaged, foreign or of another format.
        ConfigurationError: the instant to replay lies before the snapshot's register date.
    """
    snapshot = open_snapshot(directory, key.columns_secret, key.key_id, CANONICAL_VERSION)
    register_date = date.fromisoformat(snapshot.manifest.register_date)
    valid_from, horizon = register_window(register_date)
    if as_of is not None and as_of < valid_from:
        snapshot.index.close()
        raise ConfigurationError(
            f"--as-of lies before the snapshot's register date {register_date}; replay that day or a later one"
        )
    handles = Handles([one.handles_secret for one in ring] or [key.handles_secret])
    overlaid = _lay_over(snapshot, log, key, Span(valid_from, horizon)) if log else None
    resolver = Resolver(overlaid.index if overlaid else snapshot.index, key.index_keys, valid_from, handles)
    plain = Batches(resolver, snapshot.manifest, senders, horizon, as_of, overlaid)
    answering = _answering(plain, snapshot, key, handles)
    return Served(snapshot, answering, valid_from, horizon, sighting, key.budgets_secret, overlaid)


def _lay_over(snapshot: Snapshot, log: ChangeLog, key: MasterKey, window: Span) -> Overlaid:
    """Lays all that is in a log by now over a snapshot, which is closed where that can't be done."""
    try:
        overlaid = Overlaid(log, snapshot, key.index_keys, window)
        overlaid.replay()
    except BaseException:
        snapshot.index.close()
        raise
    return overlaid


def _answering(plain: Batches, snapshot: Snapshot, key: MasterKey, handles: Handles) -> FastBatches | Batches:
    """Answers the fast way, where that is wanted and compiled."""
    kernel, _ = choose_way(os.environ)
    # Without owners there is nobody whom a miss could look at as a hit does.
    if not kernel or not snapshot.index.owners:
        return plain
    over = plain.overlaid.index if plain.overlaid else None
    return FastBatches(plain, FastWay(kernel, snapshot.index, key.index_keys, handles, over))
