"""Integers to Arrow columns: places in a list to its texts, numbers to digits, days and seconds to times.

What belongs here: what every table needs, on whole arrays; a NONE becomes a null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nation.drawing import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Column = Any
"""A pyarrow array; pyarrow ships no types."""

INSTANT = pa.timestamp("s", tz="UTC")


def texts(pool: Sequence[str], places: npt.NDArray[np.integer[Any]]) -> Column:
    """The texts of a list at these places."""
    return pa.array(pool, pa.string()).take(_nullable(places, pa.int32()))


def digits(numbers: npt.NDArray[np.integer[Any]], width: int) -> Column:
    """Integers as text of so many digits, with leading zeros."""
    present = numbers[numbers != NONE].astype(np.int64)
    written = (present[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)
    offsets = np.zeros(len(numbers) + 1, np.int32)
    offsets[1:] = np.cumsum(numbers != NONE) * width
    absent = numbers == NONE
    validity = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes()) if absent.any() else None
    buffers = [validity, pa.py_buffer(offsets.tobytes()), pa.py_buffer(written.tobytes())]
    return pa.StringArray.from_buffers(len(numbers), buffers[1], buffers[2], buffers[0], int(absent.sum()))


def days(numbers: npt.NDArray[np.integer[Any]]) -> Column:
    """Days as ``date32``."""
    return _nullable(numbers, pa.date32())


def day_texts(numbers: npt.NDArray[np.integer[Any]]) -> Column:
    """Days as text ``YYYY-MM-DD``."""
    return days(numbers).cast(pa.string())


def instants(seconds: npt.NDArray[np.integer[Any]]) -> Column:
    """Seconds of UTC as ``timestamp[s, UTC]``."""
    return _nullable(seconds, pa.int64()).cast(INSTANT)


def as_text(column: Column) -> Column:
    """A column of days or instants as text, an instant as ``YYYY-MM-DDTHH:MM:SSZ``."""
    if pa.types.is_timestamp(column.type):
        return pc.binary_replace_slice(column.cast(pa.string()), 10, 11, "T")
    return column.cast(pa.string())


def joined(parts: Sequence[Column], separator: str, *, skip_nulls: bool = False) -> Column:
    """Texts of several columns, joined row by row; a null makes the row null, or is skipped."""
    return pc.binary_join_element_wise(*parts, separator, null_handling="skip" if skip_nulls else "emit_null")


def overwritten(column: Column, mask: npt.NDArray[np.bool_], text: str) -> Column:
    """A text column with some cells replaced."""
    return pc.if_else(pa.array(mask), pa.scalar(text), column)


def _nullable(values: npt.NDArray[np.integer[Any]], kind: Any) -> Column:  # noqa: ANN401 - pyarrow has no types
    return pa.array(values, kind, mask=values == NONE)
