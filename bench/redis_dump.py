"""Pairs as a dump of Redis, which it reads at its start.

What belongs here: the little of Redis' dump format that pairs need. No other way of loading is faster, and none else
tells Redis beforehand how large its table will be.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from resolver_grpc.index.sorting import begins_of_keys
from resolver_grpc.keys import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from resolver_grpc.index.pages import Keys, Ordinals
    from resolver_grpc.index.pairs import Pairs

# Version 7 is the first that states the table's size, and every later Redis reads it.
_VERSION, _DATABASE, _SIZES = b"REDIS0007", b"\xfe\0", b"\xfb"
_END_WITHOUT_CHECKSUM = b"\xff" + bytes(8)
_STRING, _INTEGER_OF_32_BITS = 0, 0xC2
_ROW = np.dtype([("type", "u1"), ("key_size", "u1"), ("key", f"V{KEY_BYTES}"), ("encoding", "u1"), ("ordinal", "<i4")])
_ONE_BYTE_LENGTHS, _TWO_BYTE_LENGTHS = 1 << 6, 1 << 14


def write_dump(pairs: Pairs, path: Path) -> None:
    """Writes pairs: for each key its ordinals as decimal text with blanks between, ascending.

    Args:
        pairs: ordinals below 2^31.
        path: the file.
    """
    with path.open("wb") as file:
        file.write(_VERSION + _DATABASE + _SIZES + encode_length(pairs.counts.keys) + encode_length(0))
        for keys, ordinals in pairs.partitions():
            edges = np.append(np.flatnonzero(begins_of_keys(keys)), len(keys))
            alone = np.diff(edges) == 1
            file.write(_rows_of_one(keys[edges[:-1][alone]], ordinals[edges[:-1][alone]]))
            file.writelines(_rows_of_several(keys, ordinals, edges))
        file.write(_END_WITHOUT_CHECKSUM)


def encode_length(length: int) -> bytes:
    """Encodes a length or a count of up to 32 bits."""
    if length < _ONE_BYTE_LENGTHS:
        return bytes((length,))
    if length < _TWO_BYTE_LENGTHS:
        return (_TWO_BYTE_LENGTHS | length).to_bytes(2, "big")
    return b"\x80" + length.to_bytes(4, "big")


def _rows_of_one(keys: Keys, ordinals: Ordinals) -> bytes:
    """A lone ordinal as an integer, which stands for its decimal text."""
    rows = np.zeros(len(ordinals), _ROW)
    rows["type"], rows["key_size"], rows["encoding"] = _STRING, KEY_BYTES, _INTEGER_OF_32_BITS
    rows["key"] = np.ascontiguousarray(keys).view(f"V{KEY_BYTES}")[:, 0]
    rows["ordinal"] = ordinals
    return rows.tobytes()


def _rows_of_several(keys: Keys, ordinals: Ordinals, edges: npt.NDArray[np.intp]) -> Iterator[bytes]:
    for first, last in pairwise(edges.tolist()):
        if last - first > 1:
            text = " ".join(map(str, ordinals[first:last].tolist())).encode("ascii")
            yield bytes((_STRING, KEY_BYTES)) + keys[first].tobytes() + encode_length(len(text)) + text
