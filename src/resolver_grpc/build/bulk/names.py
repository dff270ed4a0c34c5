"""A column of full names to the words that count: none, the first, or the first and the last.

Where a name consists of letters of Latin-1 and Latin Extended-A, single blanks and the signs of ASCII, folding it
whole and folding its words one by one is the same; its first and last word are then folded once for all who
bear them. Every other name, and one whose outer word does not fold to exactly one word, is folded whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from resolver_grpc.build.bulk.texts import (
    Column,
    Encoded,
    Flags,
    Indices,
    Utf8,
    concatenated,
    encode,
    read_chunks,
    slices,
    utf8,
)
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.rows.persons import name_words

_BLANK = 0x20
# Leading bytes of U+00C0-U+017F, and every byte that continues one.
_LETTERS = (0xC3, 0xC4, 0xC5)
_STRANGE = np.ones(256, np.bool_)
_STRANGE[[*range(0x20, 0x7F), *_LETTERS, *range(0x80, 0xC0)]] = False
_NOT_ONE_WORD = -1


@dataclass(frozen=True, eq=False, slots=True)
class Names:
    """The words of a column of names.

    Attributes:
        words: canonical words; the first is ``""``, for no word.
        firsts: for each row the place of its first word.
        lasts: for each row the place of its last word, 0 where there is but one.
    """

    words: list[str]
    firsts: Indices
    lasts: Indices


class _Outer(NamedTuple):
    """The outer words of a chunk's ordinary names, as they are written.

    Attributes:
        rows: which rows are ordinary.
        firsts: their first words.
        lasts: their last words.
        is_lone: which of them are one word only.
        others: the names that are not ordinary, by row.
        texts: the names as they are written.
    """

    rows: npt.NDArray[np.intp]
    firsts: Encoded[str]
    lasts: Encoded[str]
    is_lone: Flags
    others: dict[int, str]
    texts: Any


class _Words:
    """Numbers canonical words, and remembers which written words they were folded from."""

    def __init__(self) -> None:
        self.places = {"": 0}
        self._written: dict[str, int] = {}

    def place(self, word: str) -> int:
        """The number of a canonical word."""
        return self.places.setdefault(word, len(self.places))

    def fold(self, written: str) -> int:
        """The number of what a written word folds to, if that is exactly one word."""
        place = self._written.get(written)
        if place is None:
            words = canonical_name_words(written)
            place = self._written[written] = self.place(words[0]) if len(words) == 1 else _NOT_ONE_WORD
        return place


def read_names(column: Column) -> Names:
    """Reads a column of full names as the plain way does."""
    words = _Words()
    found = [_fold(outer, words) for outer in read_chunks(column, _outer_words)]
    firsts, lasts = (concatenated((chunk[place] for chunk in found), np.uint32) for place in (0, 1))
    return Names(list(words.places), firsts, lasts)


def _outer_words(chunk: Any) -> _Outer:  # noqa: ANN401 - pyarrow has no types
    text = utf8(chunk)
    ordinary = _is_ordinary(text)
    rows = np.flatnonzero(ordinary)
    starts, ends = text.starts[rows], text.ends[rows]
    blanks = np.append(np.flatnonzero(text.data == _BLANK), len(text.data))
    first_ends = np.minimum(blanks[np.searchsorted(blanks, starts)], ends)
    is_lone = first_ends == ends
    last_starts = np.where(is_lone, starts, blanks[np.searchsorted(blanks, ends) - 1] + 1)
    firsts, lasts = slices(text.data, starts, first_ends), slices(text.data, last_starts, ends)
    others = {row: chunk[row].as_py() for row in np.flatnonzero(~ordinary & (text.lengths > 0)).tolist()}
    written, last_written = (encode(pa.chunked_array([words])) for words in (firsts, lasts))
    return _Outer(rows, written, last_written, is_lone, others, chunk)


def _is_ordinary(text: Utf8) -> Flags:
    """Which rows begin and end with a word and hold nothing but the letters and signs named above."""
    ordinary = text.lengths > 0
    rows = np.flatnonzero(ordinary)
    ordinary[rows] &= (text.data[text.starts[rows]] != _BLANK) & (text.data[text.ends[rows] - 1] != _BLANK)
    strange = np.flatnonzero(_STRANGE[text.data])
    ordinary[np.searchsorted(text.ends, strange, side="right")] = False
    return ordinary


def _fold(outer: _Outer, words: _Words) -> tuple[Indices, Indices]:
    """Folds the words of a chunk; gives the places of its rows' first and last words."""
    places = np.zeros((2, len(outer.texts)), np.int64)
    for target, written in zip(places, (outer.firsts, outer.lasts), strict=True):
        target[outer.rows] = np.array([words.fold(word) for word in written.values], np.int64)[written.indices]
    places[1, outer.rows[outer.is_lone & (places[0, outer.rows] != _NOT_ONE_WORD)]] = 0
    doubtful = np.flatnonzero((places == _NOT_ONE_WORD).any(axis=0)).tolist()
    for row, name in [*outer.others.items(), *((row, outer.texts[row].as_py()) for row in doubtful)]:
        places[:, row] = [*map(words.place, name_words(name)), 0, 0][:2]
    return places[0].astype(np.uint32), places[1].astype(np.uint32)
