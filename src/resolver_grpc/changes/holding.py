"""What holds of all owners whom changes touched at an instant, and what begins or ends soon after it.

What belongs here: looking at everybody at once, as at a start. ``overlay_facts.py`` carries on from there. Where it
could be compiled (``_following.pyx``) it takes a tenth of the time.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from resolver_grpc.changes.packed_owner import HAS_EMAIL, HAS_HOME, HEAD, NO_ORDINAL, SPAN, Head
from resolver_grpc.index.layout import ALWAYS
from resolver_grpc.model import Fact

TAKEN_OVER: Final = (list(Fact).index(Fact.RESIDENT), list(Fact).index(Fact.CLAIM))
"""The facts that hold of an owner's new ordinal alone, where a change told the home, or an e-mail address."""

_TRAITS: Final = (HAS_HOME, HAS_EMAIL)
_SPAN_TYPE: Final = np.dtype([("fact", "<u2"), ("start", "<u4"), ("end", "<u4")])
_HEAD_TYPE: Final = np.dtype(
    list(zip(Head._fields, ("<u4", "<u4", "S10", "<u4", "<u4", "u1", "<u2", "<u2", "<u2", "u1", "<u2"), strict=True))
)
_ORDINAL_BITS: Final = 32

NumberedSpan = tuple[int, int, int]
"""The number of a fact, start and end; spans of one fact may overlap, and an inverted one holds never."""


class Holding(NamedTuple):
    """What holds of all at an instant, and what begins or ends soon after it.

    Attributes:
        start: when the last of what holds or doesn't began or ended.
        held: by the number of a fact, of whom it holds.
        coming: when something begins or ends, above the ordinal of whom; one may stand there twice.
    """

    start: int
    held: Sequence[BitMap]
    coming: array[int]


class _Rows(NamedTuple):
    """Spans of many owners, a column for each of their values."""

    ordinals: npt.NDArray[np.uint32]
    facts: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.uint32]

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Rows:
        """The rows that are chosen."""
        return _Rows(self.ordinals[chosen], self.facts[chosen], self.starts[chosen], self.ends[chosen])

    def and_rows(self, others: _Rows) -> _Rows:
        """These rows, and others after them."""
        return _Rows(
            np.concatenate([self.ordinals, others.ordinals]),
            np.concatenate([self.facts, others.facts]),
            np.concatenate([self.starts, others.starts]),
            np.concatenate([self.ends, others.ends]),
        )


def holding_plainly(
    packed: Sequence[bytes],
    _places: memoryview,
    _new_places: array[int],
    taken_over: tuple[int, int],
    count: int,
    instant: int,
    until: int,
) -> Holding:
    """Looks at all owners.

    Args:
        packed: the owners.
        _places: by ordinal of the snapshot where each is kept, counted from one; 0 for who isn't.
        _new_places: by ordinal past the snapshot's where each is kept.
        taken_over: ``TAKEN_OVER``.
        count: facts have lower numbers.
        instant: UTC seconds.
        until: what begins or ends from then on is not told.
    """
    rows = _rows_of(list(packed), dict(zip(_TRAITS, taken_over, strict=True)))
    rows = rows.where(rows.starts < rows.ends)
    edges = np.concatenate([rows.starts, rows.ends])
    ordinals = np.concatenate([rows.ordinals, rows.ordinals])
    start = int(edges[edges <= instant].max(initial=ALWAYS))
    near = (edges > instant) & (edges < until)
    coming = edges[near].astype(np.uint64) << np.uint64(_ORDINAL_BITS) | ordinals[near]
    rows = rows.where((rows.starts <= instant) & (instant < rows.ends))
    # An array of the standard library is read as one stretch, one of numpy's number by number.
    held = [BitMap(array("I", rows.ordinals[rows.facts == fact].tobytes())) for fact in range(count)]
    return Holding(start, held, array("Q", coming.tobytes()))


def _rows_of(owners: Sequence[bytes], left_behind: Mapping[int, int]) -> _Rows:
    """The spans of all packed owners, by their ordinals.

    Args:
        owners: as they are packed.
        left_behind: by trait, the fact that doesn't hold of an owner's ordinal in the snapshot.
    """
    heads = np.frombuffer(b"".join([packed[: HEAD.size] for packed in owners]), _HEAD_TYPE)
    packed_spans = b"".join(
        [
            packed[HEAD.size : HEAD.size + count * SPAN.size]
            for packed, count in zip(owners, heads["spans"].tolist(), strict=True)
        ]
    )
    spans = np.frombuffer(packed_spans, _SPAN_TYPE)
    of_owner = np.repeat(np.arange(len(owners)), heads["spans"])
    traits = heads["traits"][of_owner]
    stays = np.ones(len(spans), np.bool_)
    for trait, fact in left_behind.items():
        stays &= (traits & trait == 0) | (spans["fact"] != fact)
    columns = (spans["fact"], spans["start"], spans["end"])
    new, old = (_Rows(heads[name][of_owner], *columns) for name in ("new", "old"))
    new, old = new.where(new.ordinals != NO_ORDINAL), old.where((old.ordinals != NO_ORDINAL) & stays)
    return new.and_rows(old)
