"""A store whose generations come of tables, of the log and of one another, and a server that follows it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from access_nursery import entrance, write_access
from change_nursery import Registrar

from hot_swap_store import Following, server_following
from resolver_grpc.build.compacting import Compacting, compact_snapshot, nobody
from resolver_grpc.build.snapshot import Inputs, build_snapshot
from resolver_grpc.changes.compaction import amendment_of
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.reading import LoggedChanges
from resolver_grpc.keys import KeyRing
from resolver_grpc.snapshot.files import read_manifest
from resolver_grpc.snapshot.generations import contained_sequence, generation_numbers
from resolver_grpc.snapshot.placing import place, prune, roll_back
from small_register import quiet, write_tables

LOOKS = 20_000


@dataclass(frozen=True)
class Export:
    """The tables as they were exported at a midnight, and the sequence of the last change that they hold."""

    tables: dict
    sequence: int
    day: date


class ChangingStore:
    """A store, its log and its server; everything in one process.

    Where each generation was made is kept, for LMDB opens no file twice in one process: the store has copies.
    """

    def __init__(self, folder, key, clock):
        self.folder, self.path, self.key, self.clock = folder, folder / "store", key, clock
        self.made, self.live, self.registrar, self.stack = {}, 0, None, ExitStack()
        self.options = entrance(write_access(folder))

    def start(self):
        log = ChangeLog(self.folder / "log", KeyRing(self.key))
        self.following = Following(self.path, self.key, as_of=None, changes=log, options=self.options)
        address = self.stack.enter_context(server_following(self.following, self.clock))
        self.registrar = Registrar(address)
        self.stack.enter_context(self.registrar.channel)

    def stop(self):
        """Stops the server, which closes the log."""
        self.stack.close()

    @property
    def log(self):
        return self.following.changes

    def build(self, export, *, folds=False):
        """Builds a snapshot of exported tables, with the changes of the log folded in or without; tells where."""
        inputs = self._tables(export)
        changes = LoggedChanges(self.log) if folds else None
        target = self._target()
        folded = Inputs(inputs.persons, inputs.mailboxes, inputs.relations, inputs.roads, 0, None, changes)
        build_snapshot(folded, target, self.key, self.clock(), quiet)
        return target

    def compact(self):
        """Makes a snapshot of the live one and the log; tells where."""
        directory, target, log = self.made[self.live], self._target(), LoggedChanges(self.log)
        changes = log.changes_after(read_manifest(directory).change_sequence, quiet)
        amend = partial(amendment_of, self.key.index_keys, changes)
        compact_snapshot(Compacting(directory, amend, log.last, target, nobody), self.key, self.clock(), quiet)
        return target

    def serve(self, snapshot):
        """Places a snapshot, and waits until it is served; tells its number, 0 where it is the live one already."""
        placed = place(self.path, snapshot, self.key)
        if not placed.is_new:
            return 0
        self.made[placed.number] = snapshot
        self._await(placed.number)
        return placed.number

    def roll_back(self, number):
        """Makes another generation the live one, and waits until it is served."""
        roll_back(self.path, number)
        self._await(number)

    def trim(self):
        """Removes all generations but the live one, and of the log what that contains."""
        prune(self.path, 1)
        for number in self.made.keys() - set(generation_numbers(self.path)):
            del self.made[number]
        self.log.trim(contained_sequence(self.path))

    def _await(self, number):
        self.live, wanted = number, read_manifest(self.made[number]).snapshot_id
        if self.registrar is None:
            return
        for _ in range(LOOKS):
            if self.registrar.resolve().snapshot_id == wanted:
                return
        raise AssertionError([line for line in self.following.logged if line.get("generation") == number])

    def _tables(self, export):
        folder = self._target()
        folder.mkdir()
        return write_tables(
            folder, **export.tables, change_sequence=export.sequence, register_date=export.day.isoformat()
        )

    def _target(self):
        return Path(self.folder, f"made-{len(list(self.folder.glob('made-*')))}")
