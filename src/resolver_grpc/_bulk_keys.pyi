import numpy as np
from numpy.typing import NDArray

WIDE: bool

def fill_keys(
    secret: bytes,
    kind: int,
    separator: int,
    parts: list[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32]]],
    first: int,
    keys: NDArray[np.uint8],
    wide: bool,
) -> None: ...
