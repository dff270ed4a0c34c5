"""An index with changes laid over it: the same questions, answered as of the last change.

What belongs here: the answers of ``index.reader.Index``, out of a snapshot's and an overlay's.
"""

from __future__ import annotations

from collections.abc import Sequence

from resolver_grpc.changes.laid_sets import LaidSets, lay_over
from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.changes.packed_owner import forwarding_address_in, head_of
from resolver_grpc.index.reader import check_ordinal


class OverlaidIndex:
    """A snapshot's index and the overlay over it, as one; see ``Index``.

    Candidates are those of both. Where an owner's two ordinals stand under one key the new one counts alone.

    Args:
        overlay: the overlay, with the snapshot's index below; it may take changes between two batches.
    """

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self._below = overlay.below
        self._latest: LaidSets | None = None

    @property
    def owners(self) -> int:
        """See ``Index``."""
        return self.overlay.owners

    def find(self, keys: Sequence[bytes]) -> list[Sequence[int]]:
        """See ``Index``."""
        # A key that changes told of is looked for in both: the time is not to tell.
        found = zip(map(self.overlay.table.get, keys), self._below.find(keys), strict=True)
        return [below if known is None else known for known, below in found]

    def road(self, key: bytes) -> int:
        """See ``Index``; of a road that is newer than the snapshot nothing is known."""
        return self._below.road(key)

    def facts_at(self, instant: int) -> LaidSets:
        """See ``Index``; the sets are of use until the next change."""
        # Asked in any case: an index that is closed says so.
        below = self._below.facts_at(instant)
        if self._latest is None or self._latest.below is not below or not self._latest.hold_at(instant):
            self._latest = lay_over(self.overlay, below, instant)
        return self._latest

    def number(self, ordinal: int) -> str:
        """See ``Index``; of an ordinal of the snapshot too it is the current one."""
        check_ordinal(ordinal, self.owners)
        packed = self.overlay.packed(ordinal)
        return head_of(packed).number.rstrip(b"\0").decode() if packed else self._below.number(ordinal)

    def address_number(self, ordinal: int) -> int:
        """See ``Index``."""
        check_ordinal(ordinal, self.owners)
        past = ordinal - self._below.owners
        return self._below.address_number(ordinal) if past < 0 else self.overlay.columns.address_number(past)

    def forwarding_address(self, ordinal: int) -> str:
        """See ``Index``."""
        check_ordinal(ordinal, self.owners)
        packed = self.overlay.packed(ordinal)
        return forwarding_address_in(packed, head_of(packed)) if packed else self._below.forwarding_address(ordinal)

    def close(self) -> None:
        """See ``Index``; closes the snapshot's."""
        self._below.close()
