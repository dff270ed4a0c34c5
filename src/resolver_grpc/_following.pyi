from array import array

from pyroaring import BitMap

from resolver_grpc.changes.overlay import Overlay

class PackedOwners:
    @property
    def units(self) -> tuple[int, int]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, place: int) -> bytes: ...
    def __setitem__(self, place: int, packed: bytes) -> None: ...
    def append(self, packed: bytes) -> None: ...

class Following:
    def __init__(
        self, overlay: Overlay, base: bytes, facts: tuple[int, int, int], pages: tuple[list[memoryview], bytearray]
    ) -> None: ...
    def follow(self, afters: list[bytes], first: int) -> int: ...

def holding_at(
    packed: PackedOwners,
    places: memoryview,
    new: array[int],
    facts: tuple[int, int],
    count: int,
    instant: int,
    until: int,
) -> tuple[int, list[BitMap], array[int]]: ...
def afters_in(plains: list[bytes]) -> list[bytes]: ...
