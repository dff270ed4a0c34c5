"""The changes over a snapshot in service: up to which one it answers, and when the next ones may come in.

What belongs here: the turns of batches and changes. A batch begins with all that was in the log when it came, and sees
nothing that is laid over the snapshot while it lasts: changes come in only while no batch is under way, and those that
begin meanwhile wait. What changes come to is the overlay's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple

from resolver_grpc.changes.compiled import afters_in
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.log import ChangeLog
from resolver_grpc.changes.log_sealing import read_entry
from resolver_grpc.changes.machine import KERNEL, Machine, Worked
from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.owner import apply_change
from resolver_grpc.changes.owner_keys import keys_of
from resolver_grpc.changes.parsing import parse_change
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.errors import ChangeLogError
from resolver_grpc.keys import IndexKeys
from resolver_grpc.rows.cells import Span
from resolver_grpc.snapshot.store import Snapshot
from resolver_grpc.v1.change_pb2 import Change as ChangeMessage

_STEP_SECONDS: Final = 0.0005
"""How long changes come in before others go first."""
_AT_ONCE_BETWEEN: Final = 32
"""Entries of the log that are deciphered and laid together in between: a quarter of a millisecond."""
_AT_ONCE: Final = 256
"""The same before anybody is served by it; others are, who wait so long for the interpreter."""
_SECONDS_BETWEEN_LOOKS: Final = 0.02


class Known(NamedTuple):
    """A change that needs not be read from the log any more; see ``Entry``."""

    change: Change
    keys: tuple[bytes, ...]
    after: bytes


class Overlaid:
    """The changes over one snapshot; used on the event loop alone, but while nobody is served by it yet.

    Args:
        log: the log of changes, which it follows.
        snapshot: what they are laid over.
        keys: makes the snapshot's keys.
        window: the snapshot's horizon.

    Raises:
        ChangeLogError: the log doesn't reach back to the snapshot, or ends before it.

    Attributes:
        index: the snapshot's index as of the last change.
        keys: makes the snapshot's keys.
    """

    def __init__(self, log: ChangeLog, snapshot: Snapshot, keys: IndexKeys, window: Span) -> None:
        contained = snapshot.manifest.change_sequence
        _check_reach(log, contained)
        self._log = log
        self._overlay = Overlay(snapshot.index, keys, window, bytes.fromhex(snapshot.manifest.snapshot_id))
        self._snapshot, self._window = snapshot, window
        # Made with the first change that is taken: who only follows needs none.
        self._machine: Machine | None = None
        self._known: dict[int, Known] = {}
        self._fault: str = ""
        # Whoever holds it may bring changes in, and nobody begins a batch meanwhile.
        self._turn = asyncio.Lock()
        self._batches = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.index = OverlaidIndex(self._overlay)
        self.keys = keys
        self._contained = contained

    @property
    def sequence(self) -> int:
        """The sequence of the last change that is laid over the snapshot, or that it contains."""
        return self._contained + self._overlay.version

    def close(self) -> None:
        """Lets its memory go with its last user: the garbage collector doesn't see what a server was opened with."""
        self._machine = None
        self._overlay.close()

    def state(self, number: str) -> OwnerState | None:
        """What is known of the owner that a number leads to; None of whom nothing is."""
        return self._overlay.state(number)

    def after(self, change: Change, state: OwnerState, keys: Sequence[bytes]) -> bytes:
        """What whoever follows the log may take instead of a change; see ``Overlay.after``."""
        return self._overlay.after(change, state, keys)

    def state_in(self, after: bytes) -> OwnerState:
        """An owner's state, out of what ``after`` or ``work_out`` gave."""
        return self._overlay.state_in(after)

    def work_out(self, change: Change, former: bytes | None) -> Worked | None:
        """What a change comes to by the machine, where it takes it; see ``Machine.work_out``."""
        if self._machine is None and KERNEL:
            name = bytes.fromhex(self._snapshot.manifest.snapshot_id)
            self._machine = Machine(self._overlay, self._snapshot.index, self.keys, self._window, name)
        return self._machine.work_out(change, former) if self._machine else None

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Lets a batch be answered from all that was in the log when it came, and nothing else as long as it lasts.

        Raises:
            ChangeLogError: the log can't be read.
        """
        with _neutral():
            wanted = self._log.last_sequence()
            async with self._turn:
                await self._lay(wanted)
                self._batches += 1
                self._idle.clear()
        try:
            yield
        finally:
            self._batches -= 1
            if not self._batches:
                self._idle.set()

    async def catch_up(self) -> None:
        """Lays all over the snapshot that is in the log by now.

        Raises:
            ChangeLogError: the log can't be read.
        """
        wanted = self._log.last_sequence()
        async with self._turn:
            await self._lay(wanted)

    async def reaches(self, sequence: int, seconds: float) -> bool:
        """Waits until the log reaches a sequence, no longer than so many seconds; tells whether it does.

        Raises:
            ChangeLogError: the log can't be read.
        """
        end = time.monotonic() + seconds
        with _neutral():
            while self._log.last_sequence() < sequence:
                if time.monotonic() >= end:
                    return False
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        return True

    def replay(self) -> None:
        """Lays all over the snapshot that is in the log by now, at once, before anybody is served by it.

        Raises:
            ChangeLogError: the log can't be read.
        """
        for _ in self._steps(self._log.last_sequence(), _AT_ONCE):
            pass

    def foresee(self, known: Mapping[int, Known]) -> None:
        """Tells of changes by sequence, which were just written to the log and need not be read there."""
        self._known |= {sequence: one for sequence, one in known.items() if sequence > self.sequence}

    async def _lay(self, wanted: int) -> None:
        """Brings changes in up to a sequence, between two batches; the turn is the caller's."""
        if self.sequence >= wanted and not self._fault:
            return
        await self._idle.wait()
        for _ in self._steps(wanted, _AT_ONCE_BETWEEN):
            await asyncio.sleep(0)

    def _steps(self, wanted: int, at_once: int) -> Iterator[None]:
        """Lays changes over the snapshot up to a sequence; lets others go first again and again."""
        if self._fault:
            raise ChangeLogError(self._fault)
        begun = time.perf_counter()
        while self.sequence < wanted:
            found, afters = self._next(min(at_once, wanted - self.sequence))
            place = 0
            while place < len(found):
                with self._faulting():
                    place += self._overlay.follow_many(afters, place)
                    if place < len(found):
                        self._take(found[place], afters[place])
                        place += 1
                if time.perf_counter() - begun > _STEP_SECONDS:
                    yield
                    begun = time.perf_counter()

    def _next(self, most: int) -> tuple[Sequence[Known | bytes], list[bytes]]:
        """The next changes, those that are known already, else some that are read from the log; and what to follow."""
        known: list[Known] = []
        while len(known) < most and (one := self._known.pop(self.sequence + 1 + len(known), None)):
            known.append(one)
        if known:
            return known, [one.after for one in known]
        plains = self._log.open_some(self.sequence + 1, most)
        return plains, afters_in(plains)

    @contextmanager
    def _faulting(self) -> Iterator[None]:
        """Notes which change can't be laid over the snapshot: after it nobody knows what holds."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be answered after it
            what = f"the change {self.sequence + 1} can't be taken ({type(error).__name__})"
            self._fault = f"{what}; serve the program that took it, or tell its makers"
            raise ChangeLogError(self._fault) from None

    def _take(self, found: Known | bytes, after: bytes) -> None:
        """Lays the next change over the snapshot."""
        if not self._overlay.follow(after):
            self._overlay.take(*(found[:2] if isinstance(found, Known) else self._parsed(found)))

    def _parsed(self, plain: bytes) -> tuple[Change, tuple[bytes, ...]]:
        """A change with the keys that lead to its owner from then on, as it is known over this snapshot.

        Those in the log were made over the snapshot of who wrote it. Over an older one, which another worker still
        serves or the store was rolled back to, changes told more of the owner, and more keys lead there; and they may
        be under another master key.
        """
        read = read_entry(self.sequence + 1, plain)
        change = parse_change(ChangeMessage.FromString(read.content))
        after = apply_change(self._overlay.state(change.number), change)
        return change, keys_of(after, self.keys)


@contextmanager
def _neutral() -> Iterator[None]:
    """Tells callers nothing of this machine; ``following.py`` tells the log."""
    try:
        yield
    except ChangeLogError:
        raise ChangeLogError("the changes can't be read, and nothing is resolved meanwhile; try again") from None


def _check_reach(log: ChangeLog, contained: int) -> None:
    """Refuses a log that doesn't lead on from what a snapshot contains."""
    first, last = log.first_sequence(), log.last_sequence()
    if contained > last:
        raise ChangeLogError(
            f"The snapshot contains the changes up to {contained}, and the log ends with {last}; name the log that its "
            "tables were exported with, or restore its end."
        )
    if contained + 1 < first:
        raise ChangeLogError(
            f"The snapshot contains the changes up to {contained}, and the log holds them from {first} on; serve a "
            "newer snapshot."
        )
