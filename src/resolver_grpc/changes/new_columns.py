"""What stands by the ordinals past a snapshot's: numbers and address numbers, as a machine of bytes reads them.

What belongs here: columns that grow, with room to spare. They are written in place; what gave way to larger ones stays
as it was for whoever holds it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from resolver_grpc.index.layout import NUMBER_BYTES

_ADDRESS: Final = Struct("<I")
_FEWEST: Final = 1024


class NewColumns:
    """Columns by ordinal, counted from the first that is past the snapshot's.

    Attributes:
        numbers: the owners' numbers, ``NUMBER_BYTES`` each, shorter ones with zeros behind them.
        address_numbers: the numbers of their addresses, four bytes each.
        room: how many there is room for; larger columns have more.
    """

    def __init__(self) -> None:
        self.room = _FEWEST
        self.numbers = bytearray(self.room * NUMBER_BYTES)
        self.address_numbers = bytearray(self.room * _ADDRESS.size)

    def put(self, place: int, number: bytes, address_number: int) -> None:
        """Writes an owner's values; the number fills its place."""
        self.make_room(place)
        self.numbers[place * NUMBER_BYTES : (place + 1) * NUMBER_BYTES] = number
        _ADDRESS.pack_into(self.address_numbers, place * _ADDRESS.size, address_number)

    def make_room(self, place: int) -> None:
        """Sees that there is room for an owner's values."""
        while place >= self.room:
            self.room *= 2
            self.numbers = self.numbers.ljust(self.room * NUMBER_BYTES, b"\0")
            self.address_numbers = self.address_numbers.ljust(self.room * _ADDRESS.size, b"\0")

    def address_number(self, place: int) -> int:
        """The number of an owner's address."""
        return int(_ADDRESS.unpack_from(self.address_numbers, place * _ADDRESS.size)[0])
