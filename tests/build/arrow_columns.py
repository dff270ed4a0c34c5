"""Columns of text in every shape in which Arrow may hand them over: what the bulk way's property tests draw."""

from itertools import pairwise

import pyarrow as pa
from hypothesis import strategies as st

TEXTS = (pa.string(), pa.large_string(), pa.string_view())
DICTIONARIES = (
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
    pa.dictionary(pa.int64(), pa.string()),
)
NEIGHBOURS = ("0101801239", None, "æ@b.dk", "")
"""What stands in an array before and behind the slice of it that a column has."""


@st.composite
def columns(draw, cells, kinds=TEXTS + DICTIONARIES, max_size=25):
    """A column of some cells and nulls, in several chunks, empty ones and slices of longer arrays among them."""
    held = draw(st.lists(st.none() | cells, max_size=max_size))
    cuts = draw(st.lists(st.integers(0, len(held)), max_size=3))
    return column_of(held, draw(st.sampled_from(kinds)), cuts, draw(st.integers(0, len(NEIGHBOURS))))


def column_of(cells, kind, cuts=(), padding=0):
    """These cells as a column of a type, cut into chunks, each with so many neighbours that the column hasn't."""
    parts = [cells[first:last] for first, last in pairwise([0, *sorted(cuts), len(cells)])]
    return pa.chunked_array([_sliced(part, kind, padding) for part in parts], kind)


def random_column_of(cells, random):
    """These cells as a column of text in a random shape; empty cells may be nulls."""
    blank = random.choice(["", None])
    cuts = [random.randint(0, len(cells)) for _ in range(random.randint(0, 3))]
    held = [cell or blank for cell in cells]
    return column_of(held, random.choice(TEXTS + DICTIONARIES), cuts, random.randint(0, len(NEIGHBOURS)))


def texts_of(column):
    """The cells as the plain way reads them."""
    return [cell or "" for cell in column.to_pylist()]


def _sliced(cells, kind, padding):
    around = list(NEIGHBOURS[:padding]) if _is_of_text(kind) else [None, 7][:padding]
    padded = [*around, *cells, *around]
    made = _as_dictionary(padded, kind) if pa.types.is_dictionary(kind) else pa.array(padded, kind)
    return made.slice(len(around), len(cells))


def _is_of_text(kind):
    return kind in TEXTS or pa.types.is_dictionary(kind)


def _as_dictionary(cells, kind):
    """Each chunk with a dictionary of its own, which holds a text that no cell has."""
    texts = ["unused", *dict.fromkeys(cell for cell in reversed(cells) if cell is not None)]
    places = [None if cell is None else texts.index(cell, cell != "unused") for cell in cells]
    return pa.DictionaryArray.from_arrays(pa.array(places, kind.index_type), pa.array(texts, kind.value_type))
