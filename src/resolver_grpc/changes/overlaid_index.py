"""An index with changes laid over it: the same questions, answered as of the last change.

What belongs here: the answers of ``index.reader.Index``, out of a snapshot's and an overlay's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from resolver_grpc.changes.overlay import Overlay
from resolver_grpc.index.reader import FactSets, check_instant, check_ordinal


@dataclass(frozen=True, eq=False, slots=True)
class OverlaidSets(FactSets):
    """Sets that hold until the next change, and no longer than their window."""

    _overlay: Overlay = field(repr=False)
    _version: int

    def hold_at(self, instant: int) -> bool:
        """See ``FactSets``."""
        return self._version == self._overlay.version and self.start <= instant < self.until


class OverlaidIndex:
    """A snapshot's index and the overlay over it, as one; see ``Index``.

    Candidates are those of both. Where an owner's two ordinals stand under one key the new one counts alone.

    Args:
        overlay: the overlay, with the snapshot's index below; it may take changes between two batches.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._below = overlay.below
        self._latest: OverlaidSets | None = None

    @property
    def owners(self) -> int:
        """See ``Index``."""
        return self._overlay.owners

    def find(self, keys: Sequence[bytes]) -> list[tuple[int, ...]]:
        """See ``Index``."""
        found = zip(keys, self._below.find(keys), strict=True)
        return [self._laid_over(key, ordinals) for key, ordinals in found]

    def _laid_over(self, key: bytes, below: Sequence[int]) -> tuple[int, ...]:
        over = self._overlay.by_key.get(key, ())
        stood = {self._overlay.by_ordinal[ordinal].old for ordinal in over}
        # Ordinals of the overlay lie past the snapshot's.
        return (*(ordinal for ordinal in below if ordinal not in stood), *over)

    def road(self, key: bytes) -> int:
        """See ``Index``; of a road that is newer than the snapshot nothing is known."""
        return self._below.road(key)

    def facts_at(self, instant: int) -> FactSets:
        """See ``Index``."""
        if self._latest is None or not self._latest.hold_at(instant):
            check_instant(instant)
            laid = self._overlay.facts.laid_over(self._below.facts_at(instant), instant)
            self._latest = OverlaidSets(*laid, self._overlay, self._overlay.version)
        return self._latest

    def number(self, ordinal: int) -> str:
        """See ``Index``; of an ordinal of the snapshot too it is the current one."""
        check_ordinal(ordinal, self.owners)
        touched = self._overlay.by_ordinal.get(ordinal)
        return touched.state.number if touched else self._below.number(ordinal)

    def address_number(self, ordinal: int) -> int:
        """See ``Index``."""
        check_ordinal(ordinal, self.owners)
        if ordinal < self._below.owners:
            return self._below.address_number(ordinal)
        return self._overlay.by_ordinal[ordinal].address_number

    def forwarding_address(self, ordinal: int) -> str:
        """See ``Index``."""
        check_ordinal(ordinal, self.owners)
        touched = self._overlay.by_ordinal.get(ordinal)
        return touched.state.forwarding_address if touched else self._below.forwarding_address(ordinal)

    def close(self) -> None:
        """See ``Index``; closes the snapshot's."""
        self._below.close()
