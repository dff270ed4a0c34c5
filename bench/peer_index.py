"""An index whose lookups another one answers, and what such another one is.

What belongs here: what every peer has in common. Only ``find`` is swapped; facts, columns and roads stay those of
the snapshot's own index, so that two peers differ in the lookup alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resolver_grpc.index.reader import Index, Sets

Lookup = Callable[[Sequence[bytes]], Sequence[Sequence[int]]]
"""What ``Index.find`` does."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program that holds a snapshot's pairs of key and ordinal.

    Attributes:
        name: what it is called.
        lookup: asks it.
        process: the id of the process that answers.
        about: one sentence that says how it was set up and what it keeps.
    """

    name: str
    lookup: Lookup
    process: int
    about: str


class SwappedIndex:
    """The index of a snapshot, but for its lookups; see ``Index``. Closing it is left to who opened the snapshot.

    Args:
        index: answers everything else.
        lookup: answers ``find``.

    Attributes:
        seconds: how long all lookups took together.
    """

    def __init__(self, index: Index, lookup: Lookup) -> None:
        self._index = index
        self._lookup = lookup
        self.seconds = 0.0
        # No call more than the index's own: what is swapped is all that may differ.
        self.road = index.road
        self.number = index.number
        self.address_number = index.address_number
        self.forwarding_address = index.forwarding_address

    @property
    def owners(self) -> int:
        """See ``Index``."""
        return self._index.owners

    def find(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """See ``Index``."""
        started = time.perf_counter()
        found = self._lookup(keys)
        self.seconds += time.perf_counter() - started
        return found

    def facts_at(self, instant: int) -> Sets[Any]:
        """See ``Index``."""
        return self._index.facts_at(instant)

    def close(self) -> None:
        """See ``Index``."""


class KnownAnswers:
    """A lookup that costs nothing the second time: the answers to whole batches, remembered.

    Args:
        lookup: is asked for each batch once.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[bytes, Sequence[Sequence[int]]] = {}

    def __call__(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """Gives what the lookup gave."""
        batch = b"".join(keys)
        if batch not in self._known:
            self._known[batch] = self._lookup(keys)
        return self._known[batch]
