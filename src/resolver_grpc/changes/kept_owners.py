"""The owners whom changes touched, as they are kept, and by what they are found.

What belongs here: where each is, by ordinal, by an odd number, by an e-mail address. What is kept of one says
``packed_owner.py``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from resolver_grpc.changes.compiled import holding_at, packed_owners
from resolver_grpc.changes.holding import TAKEN_OVER, Holding, NumberedSpan
from resolver_grpc.changes.owner_packing import FactNames, Owner, unpack_owner
from resolver_grpc.changes.packed_owner import (
    HAS_EMAIL,
    HAS_HOME,
    HAS_ODD_NUMBER,
    NO_ORDINAL,
    Head,
    email_in,
    head_of,
    numbers_in,
    spans_in,
)
from resolver_grpc.rows.cells import Span


class KeptOwners:
    """The owners whom changes touched.

    Args:
        past: the first ordinal past the snapshot's.
        window: the snapshot's horizon.

    Attributes:
        names: the numbers of their facts.
        owners: how many ordinals there are, the snapshot's too.
        packed_owners: they, as packed.
        places: by ordinal of the snapshot where it stands among them, counted from one; 0 for who was not touched.
        new_places: the same by ordinal past the snapshot's, counted from zero.
    """

    def __init__(self, past: int, window: Span) -> None:
        self.names = FactNames()
        self.owners = self._past = past
        self._window = window
        self.packed_owners = packed_owners()
        self.places = np.zeros(past, np.uint32).data
        self.new_places = array("I")
        self._odd_numbers: dict[str, int] = {}
        self._claimants: dict[str, tuple[int, ...]] = {}

    def packed(self, ordinal: int) -> bytes | None:
        """An owner as packed; None of one whom no change touched."""
        if ordinal >= self._past:
            return self.packed_owners[self.new_places[ordinal - self._past]]
        place = self.places[ordinal]
        return self.packed_owners[place - 1] if place else None

    def known(self, ordinal: int) -> Owner | None:
        """An owner; None of one whom no change touched."""
        packed = self.packed(ordinal)
        return self._unpacked(packed) if packed else None

    def packed_of_odd_number(self, number: str) -> bytes | None:
        """The owner as packed of a number that the snapshot doesn't have, or that changes led elsewhere."""
        place = self._odd_numbers.get(number)
        return None if place is None else self.packed_owners[place]

    def of_odd_number(self, number: str) -> Owner | None:
        """The owner of a number that the snapshot doesn't have, or that changes led elsewhere."""
        packed = self.packed_of_odd_number(number)
        return self._unpacked(packed) if packed else None

    def claimants(self, address: str) -> Iterator[Owner]:
        """Who told the address last of whom a change told one."""
        owners = (self._unpacked(self.packed_owners[place]) for place in self._claimants.get(address, ()))
        return (owner for owner in owners if owner.state.email_address == address)

    def put(self, packed: bytes, *, is_first: bool) -> bytes | None:
        """Keeps an owner as packed, in the place of what was kept of it, which it gives.

        Args:
            packed: the owner.
            is_first: whether it is the one that the change names, to whom its numbers lead whoever had them.
        """
        head = head_of(packed)
        place = self._place_of(head)
        former, self.packed_owners[place] = self.packed_owners[place], packed
        if head.traits & HAS_ODD_NUMBER:
            for number in numbers_in(packed, head):
                if is_first or number not in self._odd_numbers:
                    self._odd_numbers[number] = place
        if head.traits & HAS_EMAIL:
            address = email_in(packed, head)
            if not former or email_in(former, head_of(former)) != address:
                self._claimants[address] = (*self._claimants.get(address, ()), place)
        return former or None

    def spans_at(self, ordinal: int) -> Iterable[NumberedSpan]:
        """What holds of an ordinal, and when."""
        packed = self.packed(ordinal)
        assert packed is not None
        head = head_of(packed)
        spans = list(spans_in(packed, head))
        return spans if ordinal >= self._past else left_behind(head, spans)

    def holding_at(self, instant: int, until: int) -> Holding:
        """What holds of all ordinals at an instant, and what begins or ends before another one."""
        facts = len(self.names.names)
        return Holding(*holding_at(self.packed_owners, self.places, self.new_places, TAKEN_OVER, facts, instant, until))

    def _unpacked(self, packed: bytes) -> Owner:
        return unpack_owner(packed, self.names, self._window)

    def _place_of(self, head: Head) -> int:
        """Where an owner is kept; a new ordinal is the next."""
        if head.old != NO_ORDINAL and self.places[head.old]:
            place = self.places[head.old] - 1
        elif NO_ORDINAL != head.new < self.owners:
            place = self.new_places[head.new - self._past]
        else:
            place = len(self.packed_owners)
            self.packed_owners.append(b"")
        if head.old != NO_ORDINAL:
            self.places[head.old] = place + 1
        if NO_ORDINAL != head.new >= self.owners:
            self.new_places.append(place)
            self.owners += 1
        return place


def left_behind(head: Head, spans: list[NumberedSpan]) -> list[NumberedSpan]:
    """What holds of an owner's old ordinal: all but what leads to the new one by keys that changes told of."""
    if not head.traits & (HAS_HOME | HAS_EMAIL):
        return spans
    taken = [fact for fact, trait in zip(TAKEN_OVER, (HAS_HOME, HAS_EMAIL), strict=True) if head.traits & trait]
    return [span for span in spans if span[0] not in taken]
