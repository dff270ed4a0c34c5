"""The fast way through one snapshot's index: its pages and owners as the kernel takes them, with what lies over them.

What belongs here: bringing the kernel, the index, the changes laid over it, the sets of an instant and a sender's
compiled policy together.
"""

from __future__ import annotations

from functools import lru_cache
from operator import is_
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resolver_grpc.changes.overlaid_index import OverlaidIndex
from resolver_grpc.fastpath.folds import Remembered
from resolver_grpc.fastpath.laid_standing import LEFT_ALONE, LaidStanding
from resolver_grpc.fastpath.machine import FOLDS, set_up
from resolver_grpc.fastpath.standing import CONTESTED, MOST_SENDERS, POLICY_FLAGS, REACH, Flags, Standing
from resolver_grpc.handles import Handles
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.keys import IndexKeys
from resolver_grpc.model import Kind, Role, Route, Sender
from resolver_grpc.policy.compiled import PERSONAL_CONTENT, compile_policy

if TYPE_CHECKING:
    from resolver_grpc.fastpath._kernel import Batch, Judge, Layer, PageSet
    from resolver_grpc.index.reader import Sets

_TABLE: Final = 8
_PAGES_AT_ONCE: Final = 4096
_SENDERS: Final = 1024

_compiled = lru_cache(_SENDERS)(compile_policy)


def _by_number(found: dict[Kind, int] | dict[Route, int]) -> bytes:
    """A table by number; 0 for what is not named."""
    table = bytearray(_TABLE)
    for number, value in found.items():
        table[number] = value
    return bytes(table)


_REACH: Final = _by_number(REACH)
_SEVERAL: Final = _by_number({Kind.EMAIL: CONTESTED})
_WITH_TARGETS: Final = _by_number({Route.MAILBOX: 1})
# Forwarding addresses are few, and lie where Python finds them.
_LEFT: Final = _by_number({Route.FORWARD: 1})


class Memory(NamedTuple):
    """How well the words of a fold are remembered.

    Attributes:
        places: how many words there is room for.
        hits: how often a word was remembered, so far.
        misses: how often it had to be asked for.
    """

    places: int
    hits: int
    misses: int


class _Judged(NamedTuple):
    """A judge, and what it looks at."""

    judge: Judge
    owner_flags: Flags
    relation_flags: Flags
    layer: Layer | None


class FastWay:
    """What the kernel needs to know of one index; it is of use as long as the index is open.

    Changes may be taken between two slices, by the thread that runs them: a slice is of one state of things, which its
    judge, asked for right before it, knows.

    Args:
        kernel: the compiled module.
        index: the open index.
        keys: makes the index's keys.
        handles: makes the handles of a slice's targets, of what ``Batch.handle_blocks`` lays out.
        overlaid: the same index with changes laid over it, where there are to be any.
    """

    def __init__(
        self,
        kernel: ModuleType,
        index: LmdbIndex,
        keys: IndexKeys,
        handles: Handles,
        overlaid: OverlaidIndex | None = None,
    ) -> None:
        self.handles = handles
        self._kernel = kernel
        self._machine = set_up(kernel, keys)
        self._index = index
        raw = self._raw = index.raw
        self._pages: PageSet = kernel.PageSet(raw.pages, raw.owners, raw.postings, raw.checked, raw.shared_streets)
        self._overlaid = overlaid
        self._standing = LaidStanding(overlaid.overlay) if overlaid else Standing(self._raw.owners)
        self._layer: Layer | None = None
        self._looked_at: tuple[int, int] | None = None
        self._lock = Lock()
        self._facts: Sets[Any] | None = None
        self._judges: dict[tuple[Sender, bool, Role], _Judged] = {}
        self._current: dict[tuple[Sender, bool, Role], Judge] = {}

    def memories(self) -> dict[str, Memory]:
        """How well the words of each fold are remembered, by the fold's name."""
        return {
            name: Memory(fold.places, *counts)
            for (name, fold), counts in zip(FOLDS, self._machine.memories(), strict=True)
            if isinstance(fold, Remembered)
        }

    def touch(self) -> None:
        """Brings every page into memory and checks it, beside queries under way; the index stays open meanwhile.

        Raises:
            SnapshotError: a page could give a wrong answer, or the index is closed.
        """
        pages = len(self._index.raw.pages)
        for first in range(0, pages, _PAGES_AT_ONCE):
            if not self._pages.check(first, min(first + _PAGES_AT_ONCE, pages)):
                # It knows what is wrong.
                self._index.touch()

    def batch(self, request: bytes, most: int) -> Batch:
        """Reads how a request is framed; see the kernel's ``Batch``."""
        batch: Batch = self._kernel.Batch(self._machine, request, most)
        return batch

    def run(self, batch: Batch, judge: Judge, first: int) -> tuple[int, list[int]]:
        """Resolves a slice of a batch; see the kernel's ``Batch.run``.

        Posting lists that it meets for the first time are looked up for the next time.

        Returns:
            How many rows the slice has, and which of them the plain way is to resolve.

        Raises:
            SnapshotError: the index is damaged or closed.
        """
        # The memories of words and the posting lists that are known are one for all batches.
        with self._lock:
            done, left, wanted = batch.run(self._pages, judge, first)
            for number in wanted:
                self._pages.hold(number, self._index.posting(number))
        return done, left

    def judge(self, sender: Sender, instant: int, *, personal_content: bool, role: Role = Role.DELIVERY) -> Judge:
        """What decides for a sender at an instant, as a role is told it.

        Raises:
            SnapshotError: the index is closed, or no snapshot can be judged at that instant.
        """
        facts: Any = (self._overlaid or self._index).facts_at(instant)
        if facts is not self._facts:
            self._facts, self._current = facts, {}
        asked = sender, personal_content, role
        # Each slice of a batch asks, and mostly nothing has changed since the last one.
        current = self._current.get(asked)
        if current is None:
            current = self._current[asked] = self._judge_of(facts, asked)
        return current

    def _judge_of(self, facts: Any, asked: tuple[Sender, bool, Role]) -> Judge:  # noqa: ANN401 - sets of either index
        sender, personal_content, role = asked
        flags = self._standing.owner_flags(facts, sender.sender_class), self._standing.relation_flags(facts, sender)
        looks_at = *flags, self._look_at_layer()
        if len(self._judges) >= MOST_SENDERS:
            self._judges, self._current = {}, {}
        judged = self._judges.get(asked)
        if judged is None or not all(map(is_, judged[1:], looks_at)):
            extra = PERSONAL_CONTENT if personal_content else 0
            judge = self._make_judge(flags, sender, role, extra)
            judged = self._judges[asked] = _Judged(judge, *looks_at)
        return judged.judge

    def _look_at_layer(self) -> Layer | None:
        """What changes laid over the index, as the kernel sees it; where memory was moved it looks anew."""
        if self._overlaid is None:
            return None
        table, columns = self._overlaid.overlay.table, self._overlaid.overlay.columns
        if self._looked_at != (columns.room, table.shape):
            with self._lock:
                if self._layer is None or self._looked_at is None or self._looked_at[0] != columns.room:
                    address_numbers = memoryview(columns.address_numbers).cast("I")
                    self._layer = self._kernel.Layer(
                        table.parts, table.lists, columns.numbers, address_numbers, self._raw.owners, LEFT_ALONE
                    )
                else:
                    self._layer.look(table.parts, table.lists)
            self._looked_at = columns.room, table.shape
        return self._layer

    def _make_judge(self, flags: tuple[Flags, Flags], sender: Sender, role: Role, extra: int) -> Judge:
        policy = _compiled(sender, role)
        judge: Judge = self._kernel.Judge(
            *flags,
            self._raw.numbers,
            self._raw.address_numbers,
            POLICY_FLAGS,
            _REACH,
            _SEVERAL,
            policy.routes,
            policy.reasons,
            policy.reaches_resident,
            _WITH_TARGETS,
            policy.targets,
            _LEFT,
            extra,
            self._layer,
        )
        return judge
