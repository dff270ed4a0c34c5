"""The overlay: what the changes after a snapshot come to, laid over it.

What belongs here: which ordinals stand for which owner, which keys lead to them, and what is laid down when. What a
change comes to ``laying.py`` works out, what a set of facts is at an instant ``overlay_facts.py``.

A snapshot has keys and no names, so that the keys which lead to an owner there can't be told apart. Who is known by a
home, an e-mail address or a number of which the snapshot doesn't know gets an ordinal past the snapshot's, to which the
new keys lead. The old ordinal stays for the keys that still count, without what the new one took over: of a mover it
doesn't live anywhere, of who claimed another address it claims none. Where both stand under one key the new one counts
alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
from pyroaring import BitMap

from resolver_grpc.changes.events import Change
from resolver_grpc.changes.key_table import KeyTable
from resolver_grpc.changes.laid import MOST_KNOWN, Laid, LaidOwner, base_of, pack_laid, unpack_laid
from resolver_grpc.changes.laying import Laying
from resolver_grpc.changes.new_columns import NewColumns
from resolver_grpc.changes.overlay_facts import NumberedSpan, OverlayFacts, Rows
from resolver_grpc.changes.owner_packing import (
    HAS_EMAIL,
    HAS_HOME,
    HAS_ODD_NUMBER,
    NO_ORDINAL,
    FactNames,
    Head,
    Owner,
    email_in,
    head_of,
    keys_in,
    numbers_in,
    rows_of,
    spans_in,
    unpack_owner,
)
from resolver_grpc.changes.state import OwnerState
from resolver_grpc.index.reader import SpannedIndex
from resolver_grpc.keys import IndexKeys
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span

_NOBODY: Final = BitMap()
_RESIDENT: Final = list(Fact).index(Fact.RESIDENT)
_CLAIM: Final = list(Fact).index(Fact.CLAIM)


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
        owners: how many ordinals there are.
        version: how many changes were taken.
        facts: what holds of whom changes touched.
        table: the keys of which changes told, each with all ordinals under it, those of the snapshot too.
        columns: what stands by the ordinals past the snapshot's.
    """

    def __init__(self, below: SpannedIndex, keys: IndexKeys, window: Span, base: bytes = b"") -> None:
        self.below = below
        self.owners = below.owners
        self.version = 0
        self.facts = OverlayFacts(self._spans_at, self._all_spans)
        self.table = KeyTable()
        self.columns = NewColumns()
        self.renumbered = BitMap()
        self._base = base_of(base)
        self._names = FactNames()
        self._packed: list[bytes] = []
        self._places = np.zeros(below.owners, np.uint32).data
        self._new_places = array("I")
        self._odd_numbers: dict[str, int] = {}
        self._claimants: dict[str, tuple[int, ...]] = {}
        self._homes = KeyTable()
        self._home_count = 0
        self._laying = Laying(self, keys, window)
        self._window = window

    def state(self, number: str) -> OwnerState | None:
        """What is known of the owner that a number leads to; None of whom there is no mailbox."""
        owner = self._laying.find(number)
        return owner.state if owner else None

    def take(self, change: Change, keys: Sequence[bytes] = ()) -> None:
        """Takes the next change of the log, and what it does to others.

        Args:
            change: one that was validated beside ``state``.
            keys: the index keys that lead to its owner from then on, as the log has them.
        """
        self._follow(unpack_laid(self.lay(change, keys)))

    def lay(self, change: Change, keys: Sequence[bytes] = ()) -> bytes:
        """Works out what the next change comes to, and takes nothing; see ``take``.

        Returns:
            What ``follow`` takes, here and in every other process that took the same changes over the same snapshot.
        """
        laid = self._laying.lay(change, tuple(keys))
        return pack_laid(laid, self._base, self.version, self._names)

    def follow(self, packed: bytes) -> bool:
        """Takes the next change as ``lay`` worked it out.

        Returns:
            False where that was over another snapshot or after other changes: nothing was taken then.
        """
        read = unpack_laid(packed)
        if (read.base, read.version) != (self._base, self.version) or not any(read.base):
            return False
        self._follow(read)
        return True

    def _follow(self, read: Laid) -> None:
        for name in read.names:
            self._names.number(name)
        for rank, owner in enumerate(read.owners):
            self._put(owner, is_first=not rank)
        self.version += 1

    def holding(self, name: str) -> BitMap:
        """Of whom of those whom changes touched a fact holds; see ``OverlayFacts``."""
        number = self._names.find(name)
        return self.facts.held[number] if number is not None and number < len(self.facts.held) else _NOBODY

    @property
    def fact_names(self) -> frozenset[str]:
        """The facts that it knows."""
        return frozenset(self._names.names)

    def packed(self, ordinal: int) -> bytes | None:
        """An owner as packed whom changes touched; None of another."""
        if ordinal >= self.below.owners:
            return self._packed[self._new_places[ordinal - self.below.owners]]
        place = self._places[ordinal]
        return self._packed[place - 1] if place else None

    def known(self, ordinal: int) -> Owner | None:
        """An owner whom changes touched; None of another."""
        packed = self.packed(ordinal)
        return unpack_owner(packed, self._names, self._window) if packed else None

    def of_odd_number(self, number: str) -> Owner | None:
        """The owner of a number that the snapshot doesn't have, or that changes led elsewhere."""
        place = self._odd_numbers.get(number)
        return None if place is None else unpack_owner(self._packed[place], self._names, self._window)

    def claimants(self, address: str) -> Iterator[Owner]:
        """Who told the address last of whom a change told one."""
        owners = (
            unpack_owner(self._packed[place], self._names, self._window) for place in self._claimants.get(address, ())
        )
        return (owner for owner in owners if owner.state.email_address == address)

    def under(self, key: bytes) -> Sequence[int]:
        """The ordinals under a key, ascending."""
        known = self.table.get(key)
        return self.below.find([key])[0] if known is None else known

    def home_number(self, home_key: bytes) -> int:
        """The number of a home of which the snapshot has none."""
        (number,) = self._homes.get(home_key) or (self.below.owners + 1 + self._home_count,)
        return number

    def _put(self, laid: LaidOwner, *, is_first: bool) -> None:
        """Keeps an owner, under its numbers, ordinals and keys."""
        home_key, known_keys, packed = laid
        head = head_of(packed)
        place, former = self._place_of(head)
        self._packed[place] = packed
        former_head = head_of(former) if former else None
        if head.address_number > self.below.owners and not self._homes.get(home_key):
            self._homes.put(home_key, (head.address_number,))
            self._home_count += 1
        if head.traits & HAS_ODD_NUMBER:
            for number in numbers_in(packed, head):
                if is_first or number not in self._odd_numbers:
                    self._odd_numbers[number] = place
            if head.old != NO_ORDINAL:
                self.renumbered.add(head.old)
        if head.traits & HAS_EMAIL:
            address = email_in(packed, head)
            if not former_head or former is None or email_in(former, former_head) != address:
                self._claimants[address] = (*self._claimants.get(address, ()), place)
        if head.new != NO_ORDINAL:
            self.columns.put(head.new - self.below.owners, head.number, head.address_number)
            formers = keys_in(former, former_head) if former and former_head else ()
            self._lead(head, keys_in(packed, head), formers, known_keys)
        self._put_facts(head, packed, former_head, former)

    def _place_of(self, head: Head) -> tuple[int, bytes | None]:
        """Where an owner is kept, and what is kept of it so far."""
        if head.old != NO_ORDINAL and self._places[head.old]:
            place = self._places[head.old] - 1
        elif NO_ORDINAL != head.new < self.owners:
            place = self._new_places[head.new - self.below.owners]
        else:
            place = len(self._packed)
            self._packed.append(b"")
        if head.old != NO_ORDINAL:
            self._places[head.old] = place + 1
        if NO_ORDINAL != head.new >= self.owners:
            self._new_places.append(place)
            self.owners += 1
        return place, self._packed[place] or None

    def _put_facts(self, head: Head, packed: bytes, former_head: Head | None, former: bytes | None) -> None:
        spans = list(spans_in(packed, head))
        formers = list(spans_in(former, former_head)) if former and former_head else []
        if head.new != NO_ORDINAL:
            self.facts.put(head.new, spans, formers)
        if head.old != NO_ORDINAL:
            self.facts.put(head.old, _left_behind(head, spans), formers)

    def _lead(self, head: Head, keys: tuple[bytes, ...], former: tuple[bytes, ...], known: int) -> None:
        """Lets keys lead to an owner's new ordinal, in its old one's place, and its former ones no more."""
        if keys == former:
            return
        for place, key in enumerate(keys):
            if key not in former:
                is_below = place >= MOST_KNOWN or known >> place & 1
                below = self.below.find([key])[0] if is_below else ()
                self.table.alter(key, partial(_led, head, below))
        for key in set(former) - set(keys):
            over = [one for one in self.table.get(key) or () if one >= self.below.owners and one != head.new]
            stood = {head_of(self._packed[self._new_places[one - self.below.owners]]).old for one in over}
            self.table.put(key, [*(one for one in self.below.find([key])[0] if one not in stood), *over])

    def _spans_at(self, ordinal: int) -> Iterable[NumberedSpan]:
        packed = self.packed(ordinal)
        assert packed is not None
        head = head_of(packed)
        spans = list(spans_in(packed, head))
        return spans if ordinal >= self.below.owners else _left_behind(head, spans)

    def _all_spans(self) -> Rows:
        return rows_of(self._packed, left_behind={HAS_HOME: _RESIDENT, HAS_EMAIL: _CLAIM})


def _led(head: Head, below: Sequence[int], known: Sequence[int] | None) -> Sequence[int]:
    """Those under a key, the snapshot's or those that are known by now, with a new ordinal in the old one's place."""
    under = below if known is None else known
    return sorted({*under, head.new} - {head.old}) if under else (head.new,)


def _left_behind(head: Head, spans: list[NumberedSpan]) -> list[NumberedSpan]:
    """What holds of an owner's old ordinal: all but what leads to the new one by keys that changes told of."""
    if not head.traits & (HAS_HOME | HAS_EMAIL):
        return spans
    taken = {_RESIDENT if head.traits & HAS_HOME else None, _CLAIM if head.traits & HAS_EMAIL else None}
    return [span for span in spans if span[0] not in taken]
