from numpy import uint8
from numpy.typing import NDArray

def mark_keys(keys: bytes, first: int, second: int, registers: NDArray[uint8]) -> bool: ...
def weigh(registers: NDArray[uint8]) -> tuple[int, float]: ...
def charge(
    file: int,
    offset: int,
    sender: bytes,
    today: int,
    queries: float,
    rate: float,
    most: float,
    most_misses: float,
    instant: float,
) -> tuple[bool, float, float, float]: ...
def count(
    file: int, offset: int, sender: bytes, today: int, misses: bytes, addresses: bytes, first: int, second: int
) -> tuple[float, float]: ...
