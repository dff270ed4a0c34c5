from collections.abc import Callable, Sequence
from typing import TypeAlias

from numpy import uint8, uint32
from numpy.typing import NDArray

class PageSet:
    def __init__(
        self, pages: list[memoryview], owners: int, postings: int, checked: bytearray, streets: list[bytes]
    ) -> None: ...
    def check(self, first: int, until: int) -> bool: ...
    def hold(self, number: int, posting: memoryview) -> None: ...

class Layer:
    def __init__(
        self,
        parts: list[bytearray],
        lists: bytearray,
        numbers: bytearray,
        address_numbers: memoryview,
        below: int,
        left_flag: int,
    ) -> None: ...
    def look(self, parts: list[bytearray], lists: bytearray) -> None: ...

class Judge:
    def __init__(
        self,
        owner_flags: NDArray[uint8],
        relation_flags: NDArray[uint8],
        numbers: NDArray[uint8],
        address_numbers: NDArray[uint32],
        policy_flags: int,
        reach: bytes,
        several: bytes,
        routes: bytes,
        reasons: bytes,
        reaches: bytes,
        with_targets: bytes,
        targets: bytes,
        left: bytes,
        extra: int,
        layer: Layer | None = None,
    ) -> None: ...

_Step: TypeAlias = tuple[int, int, int, int, int, int, bool]
_Recipe: TypeAlias = tuple[int, int, int, int, int, int, int, bool, bool, list[_Step]]
_Fold: TypeAlias = tuple[Callable[[str], str], int, int, int] | tuple[bytes, bytes, int]

class Kernel:
    def __init__(
        self,
        secret: bytes,
        separator: int,
        street_kind: int,
        recipes: list[_Recipe],
        folds: Sequence[_Fold],
        ordinary: bytes,
        seed: int,
    ) -> None: ...
    def memories(self) -> list[tuple[int, int]]: ...

class Batch:
    usual: bool
    sender_id: bytes
    shipment_id: bytes
    personal_content: bool
    at_least_sequence: int
    count: int
    def __init__(self, kernel: Kernel, request: bytes, most: int) -> None: ...
    def row(self, number: int) -> bytes: ...
    def run(self, pages: PageSet, judge: Judge, first: int) -> tuple[int, list[int], list[int]]: ...
    def handle_blocks(self) -> bytes: ...
    def write(self, judge: Judge, plain: dict[int, bytes], handles: bytes) -> bytes: ...
    def counts(self) -> tuple[dict[tuple[int, int, int], int], int]: ...
    def counted(self, missed: bytes) -> tuple[bytes, bytes]: ...
