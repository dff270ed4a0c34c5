"""The overlay: what the changes after a snapshot come to, laid over it.

What belongs here: which ordinals an owner gets, which keys lead to them, and what is laid down when. What a change
comes to ``laying.py`` works out, where owners are kept says ``kept_owners.py``, what a set of facts is at an instant
``overlay_facts.py``.

A snapshot has keys and no names, so that the keys which lead to an owner there can't be told apart. Who is known by a
home, an e-mail address or a number of which the snapshot doesn't know gets an ordinal past the snapshot's, to which the
new keys lead. The old ordinal stays for the keys that still count, without what the new one took over: of a mover it
doesn't live anywhere, of who claimed another address it claims none. Where both stand under one key the new one counts
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from pyroaring import BitMap

from resolver_grpc.changes.after import MOST_KNOWN, NO_HOME, base_of, pack_after, unpack_after
from resolver_grpc.changes.compiled import following
from resolver_grpc.changes.events import Change
from resolver_grpc.changes.holding import TAKEN_OVER
from resolver_grpc.changes.kept_owners import KeptOwners, left_behind
from resolver_grpc.changes.key_table import KeyTable
from resolver_grpc.changes.laying import Laying
from resolver_grpc.changes.new_columns import NewColumns
from resolver_grpc.changes.overlay_facts import OverlayFacts
from resolver_grpc.changes.owner_packing import FactNames, pack_owner, unpack_owner
from resolver_grpc.changes.packed_owner import (
    CHANGES,
    COMMON_FACTS,
    HAS_ODD_NUMBER,
    IS_ANEW,
    NO_ORDINAL,
    Head,
    head_of,
    keys_in,
    renumbered,
    spans_in,
    with_ordinals,
)
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.lmdb_index import LmdbIndex
from resolver_grpc.index.reader import SpannedIndex
from resolver_grpc.keys import IndexKeys
from resolver_grpc.rows.cells import Span

_NOBODY: Final = BitMap()


class Overlay:
    """What the changes after a snapshot come to, one after the other.

    It grows only: a new snapshot begins with a new one. A slice of a batch is resolved between two changes.

    Args:
        below: the snapshot's index.
        keys: makes its keys.
        window: its horizon.
        base: names the snapshot, so that what was worked out over it by another process is known to fit; without one
            nothing of another's is taken.

    Attributes:
        version: how many changes were taken.
        kept: the owners whom changes touched.
        facts: what holds of whom changes touched.
        table: the keys of which changes told, each with all ordinals under it, those of the snapshot too.
        columns: what stands by the ordinals past the snapshot's.
        homes: the homes of which the snapshot has none, by their keys, each with its number.
        home_count: how many these are.
        renumbered: the snapshot's owners whose number is another one by now, or not the only one.
    """

    def __init__(self, below: SpannedIndex, keys: IndexKeys, window: Span, base: bytes = b"") -> None:
        self.below = below
        self._past, self._window = below.owners, window
        self.version = 0
        self.kept = KeptOwners(self._past, window)
        self.facts = OverlayFacts(self.kept.spans_at, self.kept.holding_at)
        self.table = KeyTable()
        self.columns = NewColumns()
        self.renumbered = BitMap()
        self._base, self._is_named = base_of(base), bool(base)
        self.homes = KeyTable()
        self.home_count = 0
        self._laying = Laying(self, keys, window)
        self._following = following(self, self._base, (*TAKEN_OVER, len(COMMON_FACTS)), _pages_of(below))

    @property
    def owners(self) -> int:
        """How many ordinals there are."""
        return self.kept.owners

    def close(self) -> None:
        """Lets go of those who hold on to it, so that its memory goes with its last user; it takes nothing more."""
        del self._laying, self._following

    def state(self, number: str) -> OwnerState | None:
        """What is known of the owner that a number leads to; None of whom there is no mailbox."""
        owner = self._laying.find(number)
        return owner.state if owner else None

    def state_in(self, after: bytes) -> OwnerState:
        """The owner's state in what ``after`` gave."""
        read, names = unpack_after(after), FactNames()
        for name in read.names:
            names.number(name)
        return unpack_owner(read.packed, names, self._window).state

    def take(self, change: Change, keys: Sequence[bytes] = ()) -> None:
        """Takes the next change of the log, and what it does to others.

        Args:
            change: one that was validated beside ``state``.
            keys: the index keys that lead to its owner from then on, as the log has them.
        """
        for rank, (home_key, known_keys, owner) in enumerate(self._laying.lay(change, tuple(keys))):
            self._put(pack_owner(owner, self.kept.names), home_key, known_keys, is_first=not rank)
        self.version += 1

    def after(self, change: Change, state: OwnerState, keys: Sequence[bytes]) -> bytes:
        """What ``follow`` takes instead of a change, so that it is worked out once; nothing is taken here.

        Args:
            change: one that was validated.
            state: its owner's state after it, and after all that comes before it.
            keys: the index keys that lead to the owner from then on.

        Returns:
            Nothing (``b""``) where the snapshot has no name, or where the change may touch others.
        """
        laid = self._laying.after(change, state, tuple(keys)) if self._is_named else None
        return pack_after(self._base, *laid) if laid else b""

    def follow(self, after: bytes) -> bool:
        """Takes the next change as another process worked out its owner's state after it.

        Args:
            after: what ``after`` gave.

        Returns:
            False where it gave nothing, or over another snapshot, or where another change touched the owner that was
            not taken account of: nothing was taken then.
        """
        if not self._is_named or not after.startswith(self._base):
            return False
        read = unpack_after(after)
        head = head_of(read.packed)
        old, new, changes = self._known_of(head, read.packed)
        if head.changes != (changes + 1) % CHANGES:
            return False
        if new == NO_ORDINAL and head.traits & IS_ANEW:
            new = self.owners
        number = head.address_number or (self.home_number(read.home_key) if read.home_key != NO_HOME else 0)
        packed = with_ordinals(read.packed, old, new, number)
        if read.names:
            packed = renumbered(packed, [self.kept.names.number(name) for name in read.names])
        self._put(packed, read.home_key, read.known_keys, is_first=True)
        self.version += 1
        return True

    def follow_many(self, afters: list[bytes], first: int = 0) -> int:
        """Takes the next changes as ``follow`` does, many at once, as far as that is compiled and they are usual.

        Args:
            afters: what ``after`` gave for each.
            first: where the next one stands.

        Returns:
            How many were taken; the one after them is for ``follow``.
        """
        return self._following.follow(afters, first) if self._is_named else 0

    def lead(self, key: bytes, old: int, new: int, *, is_below: bool) -> None:
        """Lets a key lead to an owner's new ordinal, in its old one's place.

        Args:
            key: the key.
            old: the owner's ordinal in the snapshot, or ``NO_ORDINAL``.
            new: the one past it.
            is_below: whether the snapshot may know the key.
        """
        below = self.below.find([key])[0] if is_below else ()
        self.table.alter(key, partial(_led, old, new, below))

    def _known_of(self, head: Head, packed: bytes) -> tuple[int, int, int]:
        """The ordinals that an owner has so far, or ``NO_ORDINAL``, and how many changes it is after."""
        ordinal, former = head.old, None
        if head.traits & HAS_ODD_NUMBER:
            # Who worked it out may not have taken all that came before: its number leads to it.
            former = self.kept.packed_of_odd_number(head.number.rstrip(b"\0").decode())
            ordinal = (NO_ORDINAL, *self.under(keys_in(packed, head)[0]))[-1]
        if former is None and ordinal != NO_ORDINAL:
            former = self.packed(ordinal)
        if former is None:
            return ordinal, NO_ORDINAL, 0
        known = head_of(former)
        return known.old, known.new, known.changes

    def holding(self, name: str) -> BitMap:
        """Of whom of those whom changes touched a fact holds; see ``OverlayFacts``."""
        number = self.kept.names.find(name)
        return self.facts.held[number] if number is not None and number < len(self.facts.held) else _NOBODY

    @property
    def fact_names(self) -> frozenset[str]:
        """The facts that it knows."""
        return frozenset(self.kept.names.names)

    def packed(self, ordinal: int) -> bytes | None:
        """An owner as packed whom changes touched; None of another."""
        return self.kept.packed(ordinal)

    def under(self, key: bytes) -> Sequence[int]:
        """The ordinals under a key, ascending."""
        known = self.table.get(key)
        return self.below.find([key])[0] if known is None else known

    def home_number(self, home_key: bytes) -> int:
        """The number of a home of which the snapshot has none."""
        (number,) = self.homes.get(home_key) or (self._past + 1 + self.home_count,)
        return number

    def _put(self, packed: bytes, home_key: bytes, known_keys: int, *, is_first: bool) -> None:
        """Keeps an owner, under its numbers, ordinals and keys."""
        head, former = head_of(packed), self.kept.put(packed, is_first=is_first)
        former_head = head_of(former) if former else None
        if head.address_number > self._past and not self.homes.get(home_key):
            self.homes.put(home_key, (head.address_number,))
            self.home_count += 1
        if head.traits & HAS_ODD_NUMBER and head.old != NO_ORDINAL:
            self.renumbered.add(head.old)
        if head.new != NO_ORDINAL:
            self.columns.put(head.new - self._past, head.number, head.address_number)
            formers = keys_in(former, former_head) if former and former_head else ()
            self._lead(head, keys_in(packed, head), formers, known_keys)
        self._put_facts(head, packed, former_head, former)

    def _put_facts(self, head: Head, packed: bytes, former_head: Head | None, former: bytes | None) -> None:
        spans = list(spans_in(packed, head))
        formers = list(spans_in(former, former_head)) if former and former_head else []
        if head.new != NO_ORDINAL:
            self.facts.put(head.new, spans, formers)
        if head.old != NO_ORDINAL:
            self.facts.put(head.old, left_behind(head, spans), formers)

    def _lead(self, head: Head, keys: tuple[bytes, ...], former: tuple[bytes, ...], known: int) -> None:
        """Lets keys lead to an owner's new ordinal, in its old one's place, and its former ones no more."""
        if keys == former:
            return
        for place, key in enumerate(keys):
            if key not in former:
                self.lead(key, head.old, head.new, is_below=place >= MOST_KNOWN or bool(known >> place & 1))
        for key in set(former) - set(keys):
            over = [one for one in self.table.get(key) or () if one >= self._past and one != head.new]
            stood = {head_of(packed).old for one in over if (packed := self.packed(one))}
            self.table.put(key, [*(one for one in self.below.find([key])[0] if one not in stood), *over])


def _led(old: int, new: int, below: Sequence[int], known: Sequence[int] | None) -> Sequence[int]:
    """Those under a key, the snapshot's or those that are known by now, with a new ordinal in the old one's place."""
    under = below if known is None else known
    return sorted({*under, new} - {old}) if under else (new,)


def _pages_of(below: SpannedIndex) -> tuple[list[memoryview], bytearray]:
    """The pages of an index that has some, and for each whether it was checked."""
    if not isinstance(below, LmdbIndex):
        return [], bytearray()
    raw = below.raw
    return raw.pages, raw.checked
