"""Columns of text as arrays: distinct values with the rows that have them, and the bytes of every row.

What belongs here: the step from Arrow to numpy, and nothing of what a text means. Cells that are null are
empty texts, as everywhere in the builder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from resolver_grpc.index.threads import in_threads

Value = TypeVar("Value")
Column: TypeAlias = Any
"""A ``pyarrow.ChunkedArray``, which has no types of its own."""
Flags: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.uint32]

_ROWS_AT_ONCE = 1 << 19
_MOST_COMBINATIONS = 1 << 62


@dataclass(frozen=True, eq=False, slots=True)
class Encoded(Generic[Value]):
    """A column of few distinct values.

    Attributes:
        values: the values; the same may stand there twice.
        indices: for each row, the place of its value.
    """

    values: Sequence[Value]
    indices: Indices

    def flags(self, holds: Callable[[Value], bool]) -> Flags:
        """Tells of which rows something holds."""
        return np.fromiter(map(holds, self.values), np.bool_, len(self.values))[self.indices]

    def taken(self, rows: npt.NDArray[np.intp]) -> list[Value]:
        """Gives the values of some rows."""
        return [self.values[place] for place in self.indices[rows].tolist()]

    def to(self, function: Callable[[Value], Any], kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Gives for each row what a function makes of its value, as an array of some type."""
        return np.array([function(value) for value in self.values], kind)[self.indices]


@dataclass(frozen=True, eq=False, slots=True)
class Utf8:
    """The bytes of a column's rows: row i is ``data[edges[i]:edges[i + 1]]``."""

    data: npt.NDArray[np.uint8]
    edges: npt.NDArray[np.int64]

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each row begins."""
        return self.edges[:-1]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """Where each row ends."""
        return self.edges[1:]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """How many bytes each row has."""
        return self.ends - self.starts

    def matrix(self, rows: npt.NDArray[np.intp] | Flags, width: int) -> npt.NDArray[np.uint8]:
        """Gives the first bytes of some rows, each at least so long, as an array (rows, width)."""
        starts = self.starts[rows]
        if not len(starts):
            return np.zeros((0, width), np.uint8)
        if starts[-1] - starts[0] == width * (len(starts) - 1) and np.all(np.diff(starts) == width):
            return self.data[starts[0] : starts[0] + width * len(starts)].reshape(-1, width)
        taken: npt.NDArray[np.uint8] = np.lib.stride_tricks.sliding_window_view(self.data, width)[starts]
        return taken


def encode(column: Column) -> Encoded[str]:
    """Gives the distinct texts of a column."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return Encoded([""], np.zeros(0, np.uint32))
    texts: list[str] = column.chunk(0).dictionary.cast(pa.string()).fill_null("").to_pylist()
    places = [chunk.indices.cast(pa.int32()).fill_null(len(texts)).to_numpy() for chunk in column.chunks]
    return Encoded([*texts, ""], np.concatenate(places).view(np.uint32))


def chunks(column: Column) -> Iterator[Any]:
    """Gives a column of text as arrays without nulls, each small enough for the processor's cache."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), _ROWS_AT_ONCE):
            part = chunk.slice(start, _ROWS_AT_ONCE)
            text = part.dictionary_decode() if pa.types.is_dictionary(part.type) else part
            yield text.cast(pa.large_string()).fill_null("")


def read_chunks(column: Column, read: Callable[[Any], Value]) -> Iterator[Value]:
    """Reads a column of text chunk by chunk, in threads; gives what came of each, in their order."""
    return in_threads(read, chunks(column))


def utf8(chunk: Any) -> Utf8:  # noqa: ANN401 - pyarrow has no types
    """Gives the bytes of one chunk of ``chunks``."""
    _, offsets, data = chunk.buffers()
    edges = np.frombuffer(offsets, np.int64, len(chunk) + 1, chunk.offset * 8) if len(chunk) else np.zeros(1, np.int64)
    return Utf8(np.frombuffer(data or b"", np.uint8)[edges[0] : edges[-1]], edges - edges[0])


def some_of(chunk: Any, rows: npt.NDArray[np.intp]) -> Column:  # noqa: ANN401 - pyarrow has no types
    """Gives some rows of a chunk as a column of their own."""
    return pa.chunked_array([chunk.take(pa.array(rows))])


def slices(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Makes a column of text of slices of bytes, which must be UTF-8."""
    lengths = ends - starts
    edges = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=edges[1:])
    places = np.arange(edges[-1]) + np.repeat(starts - edges[:-1], lengths)
    return column_of(Utf8(np.ascontiguousarray(data[places]), edges))


def column_of(text: Utf8) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Makes a column of text of its bytes, the inverse of ``utf8``."""
    buffers = [None, pa.py_buffer(text.edges), pa.py_buffer(text.data)]
    return pa.Array.from_buffers(pa.large_string(), len(text.starts), buffers)


def concatenated(parts: Iterable[npt.NDArray[Any]], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Joins arrays, of which there may be none."""
    return np.concatenate([np.zeros(0, kind), *parts])


def joint(*columns: Indices) -> tuple[npt.NDArray[np.intp], Indices]:
    """Numbers the distinct combinations of several columns of places.

    Returns:
        For each combination a row that has it, and for each row the number of its combination.
    """
    found, count = columns[0].astype(np.int64), int(columns[0].max(initial=0)) + 1
    for column in columns[1:]:
        values = int(column.max(initial=0)) + 1
        if count * values > _MOST_COMBINATIONS:
            found = _dense(found).astype(np.int64)
            count = int(found.max(initial=0)) + 1
        found = found * values + column
        count *= values
    numbers = _dense(found)
    example = np.zeros(int(numbers.max(initial=-1)) + 1 if len(numbers) else 0, np.intp)
    example[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return example, numbers.astype(np.uint32)


def _dense(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    numbers: npt.NDArray[np.int32] = pa.array(values).dictionary_encode().indices.to_numpy()
    return numbers
