"""The memory index: the obvious one, and the oracle of the others.

What belongs here: an index out of plain dictionaries and loops. It shares no codec, no page and no timeline
with what it judges; clearness comes before speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyroaring import FrozenBitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.content import check_content
from resolver_grpc.index.intervals import Timeline, intervals_of
from resolver_grpc.index.layout import ALWAYS, FOREVER
from resolver_grpc.index.reader import FactSets, check_instant, check_ordinal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver_grpc.index.content import Content
    from resolver_grpc.index.intervals import Intervals


class MemoryIndex:
    """An index that answers from a content.

    Raises:
        SnapshotError: no index could hold the content.
    """

    def __init__(self, content: Content) -> None:
        check_content(content)
        self._content = content
        self._open = True
        self._latest: FactSets | None = None
        self._ordinals: dict[bytes, set[int]] = {}
        for keys, ordinals in content.pairs.partitions():
            for key, ordinal in zip(keys, ordinals.tolist(), strict=True):
                self._ordinals.setdefault(key.tobytes(), set()).add(ordinal)
        self._facts = {name: _rows(fact) for name, fact in content.facts.items()}

    @property
    def owners(self) -> int:
        """See ``Index``."""
        return self._content.owners

    def find(self, keys: Sequence[bytes]) -> list[tuple[int, ...]]:
        """See ``Index``."""
        self._check_open()
        return [tuple(sorted(self._ordinals.get(key, ()))) for key in keys]

    def road(self, key: bytes) -> int:
        """See ``Index``."""
        self._check_open()
        return self._content.roads.get(key, 0)

    def facts_at(self, instant: int) -> FactSets:
        """See ``Index``."""
        self._check_open()
        check_instant(instant)
        if self._latest is None or not self._latest.hold_at(instant):
            self._latest = self._sets_at(instant)
        return self._latest

    def _sets_at(self, instant: int) -> FactSets:
        times = {time for facts in self._facts.values() for _, start, end in facts for time in (start, end)}
        sets = {
            name: FrozenBitMap([ordinal for ordinal, start, end in facts if start <= instant < end])
            for name, facts in self._facts.items()
        }
        start = max((time for time in times if time <= instant), default=ALWAYS)
        until = min((time for time in times if time > instant), default=FOREVER)
        return FactSets(start, until, sets)

    def spans_of(self, ordinal: int) -> dict[str, tuple[tuple[int, int], ...]]:
        """See ``SpannedIndex``."""
        self._check_owner(ordinal)
        rows = {
            name: sorted((start, end) for owner, start, end in fact if owner == ordinal and start < end)
            for name, fact in self._facts.items()
        }
        return {name: _joined(spans) for name, spans in rows.items() if spans}

    def number(self, ordinal: int) -> str:
        """See ``Index``."""
        self._check_owner(ordinal)
        return bytes(self._content.numbers[ordinal]).decode("ascii")

    def address_number(self, ordinal: int) -> int:
        """See ``Index``."""
        self._check_owner(ordinal)
        return int(self._content.address_numbers[ordinal])

    def forwarding_address(self, ordinal: int) -> str:
        """See ``Index``."""
        self._check_owner(ordinal)
        return self._content.forwarding.get(ordinal, "")

    def close(self) -> None:
        """See ``Index``."""
        self._open = False

    def _check_owner(self, ordinal: int) -> None:
        self._check_open()
        check_ordinal(ordinal, self.owners)

    def _check_open(self) -> None:
        if not self._open:
            raise SnapshotError("The index is closed; open the snapshot again.")


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Joins spans that overlap or touch; they are sorted by start."""
    joined = spans[:1]
    for start, end in spans[1:]:
        if start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _rows(fact: Intervals | Timeline) -> list[tuple[int, int, int]]:
    """Lists intervals as rows of ordinal, start and end."""
    stated = intervals_of(fact) if isinstance(fact, Timeline) else fact
    return list(zip(stated.ordinals.tolist(), stated.starts.tolist(), stated.ends.tolist(), strict=True))
