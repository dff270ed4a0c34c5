"""Keys and the ordinals under each, in memory that Python and a machine of bytes both read.

What belongs here: a table that grows by single keys, at microseconds each. A key's *slot* tells all who stand under it:
one ordinal, or with the top bit set where a list of several lies, or nobody.

The keys lie in 256 parts, by their first byte: open addressing, seven tenths full at most, from the place that the next
bytes name: keys are uniform, so these scale to the number of places. A part that is full gives way to one a quarter
larger, so that no single key waits for all. What a part or the lists gave way to stays as it was for whoever holds it;
otherwise memory is changed in place. Places are looked for in ``_key_places.pyx``, where that could be compiled.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from resolver_grpc.keys import KEY_BYTES

PARTS: Final = 256
LIST_BIT: Final = 0x8000_0000
NOBODY: Final = 0xFFFF_FFFE
_EMPTY: Final = 0xFFFF_FFFF

_NO_SLOT: Final = b"\xff" * 4
_SLOT: Final = Struct("<I")
PLACE_BYTES: Final = KEY_BYTES + _SLOT.size
_FEWEST: Final = 8
_WORD: Final = 4
_LIST: Final = Struct("<II")
"""Before a list's ordinals: how many it has room for, and how many there are."""
_FEWEST_WORDS: Final = 1024


class KeyTable:
    """Keys of 16 bytes, each with the ordinals that stand under it.

    Attributes:
        parts: ``PARTS`` stretches of places; a place is a key and its slot.
        lists: words of four bytes: the lists, one behind the other.
        shape: counts how often a part or the lists gave way to larger ones.
        counts: how many keys each part holds.
    """

    def __init__(self) -> None:
        self.parts = [bytearray(b"\xff" * PLACE_BYTES * _FEWEST) for _ in range(PARTS)]
        self.lists = bytearray(_FEWEST_WORDS * _WORD)
        self.shape = 0
        self.counts = array("I", [0] * PARTS)
        self._words = 0

    def get(self, key: bytes) -> tuple[int, ...] | None:
        """The ordinals under a key, ascending; None of a key that the table doesn't know."""
        part = self.parts[key[0]]
        slot = _slot_at(part, place_of(part, key))
        return None if slot == _EMPTY else self._ordinals_of(slot)

    def put(self, key: bytes, ordinals: Sequence[int]) -> None:
        """Lets some ordinals stand under a key, ascending, and no others."""
        self.alter(key, lambda _: ordinals)

    def alter(self, key: bytes, change: Callable[[tuple[int, ...] | None], Sequence[int]]) -> None:
        """Lets those ordinals stand under a key that a function makes of what ``get`` gives."""
        part = self.make_room(key[0])
        place = place_of(part, key)
        former = _slot_at(part, place)
        if former == _EMPTY:
            ordinals = change(None)
            part[place : place + KEY_BYTES] = key
            self.counts[key[0]] += 1
        else:
            ordinals = change(self._ordinals_of(former))
        _SLOT.pack_into(part, place + KEY_BYTES, self._slot_of(ordinals, former))

    def make_room(self, number: int) -> bytearray:
        """Sees that a part has room for one more key, and gives it."""
        part = self.parts[number]
        places = len(part) // PLACE_BYTES
        if self.counts[number] < places * 7 // 10:
            return part
        self.parts[number] = larger = regrown(part, places + places // 4 + 1)
        self.shape += 1
        return larger

    def _ordinals_of(self, slot: int) -> tuple[int, ...]:
        if slot == NOBODY:
            return ()
        if slot < LIST_BIT:
            return (slot,)
        place = (slot ^ LIST_BIT) * _WORD
        _, count = _LIST.unpack_from(self.lists, place)
        return Struct(f"<{count}I").unpack_from(self.lists, place + _LIST.size)

    def _slot_of(self, ordinals: Sequence[int], former: int) -> int:
        if not ordinals:
            return NOBODY
        if len(ordinals) == 1:
            return ordinals[0]
        place = former ^ LIST_BIT
        room = _LIST.unpack_from(self.lists, place * _WORD)[0] if LIST_BIT <= former < NOBODY else 0
        if room < len(ordinals):
            room = 1 << (len(ordinals) - 1).bit_length()
            place = self._room_for(_LIST.size // _WORD + room)
        Struct(f"<II{len(ordinals)}I").pack_into(self.lists, place * _WORD, room, len(ordinals), *ordinals)
        return place | LIST_BIT

    def _room_for(self, words: int) -> int:
        """Where so many words lie that are free."""
        place, self._words = self._words, self._words + words
        if self._words * _WORD > len(self.lists):
            larger = bytearray(max(2 * len(self.lists), self._words * _WORD))
            larger[: len(self.lists)] = self.lists
            self.lists = larger
            self.shape += 1
        return place


def place_plainly(part: bytearray, key: bytes) -> int:
    """Where a key lies, or would lie."""
    size = len(part)
    place = (int.from_bytes(key[4:8], "little") * (size // PLACE_BYTES) >> 32) * PLACE_BYTES
    while True:
        end = place + KEY_BYTES
        if part[place:end] == key or part[end : end + _WORD] == _NO_SLOT:
            return place
        place = (place + PLACE_BYTES) % size


def regrown_plainly(part: bytearray, places: int) -> bytearray:
    """The same keys in so many places."""
    larger = bytearray(b"\xff" * (places * PLACE_BYTES))
    for place in range(0, len(part), PLACE_BYTES):
        if _slot_at(part, place) != _EMPTY:
            held = bytes(part[place : place + PLACE_BYTES])
            free = place_plainly(larger, held[:KEY_BYTES])
            larger[free : free + PLACE_BYTES] = held
    return larger


def _slot_at(part: bytearray, place: int) -> int:
    return int.from_bytes(part[place + KEY_BYTES : place + PLACE_BYTES], "little")


try:
    from resolver_grpc._key_places import place_of, regrown
except ImportError:  # the package was installed without a C compiler
    place_of, regrown = place_plainly, regrown_plainly
