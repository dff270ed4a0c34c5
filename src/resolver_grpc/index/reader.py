"""What every index answers, whatever holds it.

What belongs here: the ``Index`` protocol and the values it returns. The memory index and the LMDB index both
keep it, and one conformance suite holds them to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from pyroaring import FrozenBitMap

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import ALWAYS, FOREVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOBODY: Final = FrozenBitMap()


@dataclass(frozen=True, eq=False, slots=True)
class FactSets:
    """Of whom each fact holds at every instant of a window; ``sets[name]`` is an immutable set of ordinals.

    Attributes:
        start: the first UTC second of the window.
        until: the first second after it.
    """

    start: int
    until: int
    _sets: Mapping[str, FrozenBitMap] = field(repr=False)

    def __getitem__(self, name: str) -> FrozenBitMap:
        """Tells of whom a fact holds; of nobody, where the index does not know the fact."""
        return self._sets.get(name, _NOBODY)

    @property
    def names(self) -> frozenset[str]:
        """The facts that the index knows."""
        return frozenset(self._sets)

    def hold_at(self, instant: int) -> bool:
        """Tells whether the sets hold at an instant."""
        return self.start <= instant < self.until


class OwnerSet(Protocol):
    """A set of ordinals, as far as it is asked."""

    def __and__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __contains__(self, ordinal: int, /) -> bool: ...


Owners_co = TypeVar("Owners_co", bound=OwnerSet, covariant=True)


class Sets(Protocol[Owners_co]):
    """What ``FactSets`` answers, whatever the sets are."""

    @property
    def start(self) -> int:
        """The first UTC second of the window."""

    @property
    def until(self) -> int:
        """The first second after it."""

    @property
    def names(self) -> frozenset[str]:
        """See ``FactSets``."""

    def __getitem__(self, name: str, /) -> Owners_co: ...

    def hold_at(self, instant: int) -> bool:
        """See ``FactSets``."""


class Index(Protocol):
    """The index of one snapshot: what the plain way asks, and the oracle of the fast way."""

    @property
    def owners(self) -> int:
        """How many owners there are; ordinals lie below."""

    def find(self, keys: Sequence[bytes]) -> Sequence[Sequence[int]]:
        """Finds the owners that each key leads to.

        Args:
            keys: keys of 16 bytes, in any order, doubles allowed.

        Returns:
            For each key, in the order of the keys, its ordinals, ascending; none where the key is unknown.

        Raises:
            SnapshotError: the index is damaged or closed.
        """

    def road(self, key: bytes) -> int:
        """Tells what is known of a road's text: ``layout.STREET_SHARED``, ``layout.TOWN_TELLS`` or 0 for nothing."""

    def facts_at(self, instant: int) -> Sets[Any]:
        """Tells of whom each fact holds at an instant, and how long that stays so.

        Args:
            instant: UTC seconds; cheap if asked again within the window, and earlier ones may follow later ones.

        Raises:
            SnapshotError: the instant is before 1970 or after 2106.
        """

    def number(self, ordinal: int) -> str:
        """Gives an owner's CPR or CVR number.

        Raises:
            SnapshotError: there is no such owner; so too for the other values by ordinal.
        """

    def address_number(self, ordinal: int) -> int:
        """Gives the number of an owner's address, equal for all who live there; 0 for none."""

    def forwarding_address(self, ordinal: int) -> str:
        """Gives the e-mail address that an organisation forwards to; empty where there is none."""

    def close(self) -> None:
        """Lets go of the file; afterwards nothing more may be asked. Closing twice is fine."""


class SpannedIndex(Index, Protocol):
    """An index that tells of one owner too: what changes are laid over."""

    def facts_at(self, instant: int) -> FactSets:
        """See ``Index``."""

    def spans_of(self, ordinal: int) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Tells when each fact holds of an owner.

        Returns:
            By the names of those facts that hold of the owner at any instant, their spans [start, end) in UTC seconds,
            ascending, none of which meets the next.

        Raises:
            SnapshotError: there is no such owner.
        """


def check_instant(instant: int) -> None:
    """Refuses an instant that no fact can state.

    Raises:
        SnapshotError: the instant is before 1970 or after 2106.
    """
    if not ALWAYS <= instant < FOREVER:
        raise SnapshotError("No snapshot can be judged at an instant before 1970 or after 2106; check the clock.")


def check_ordinal(ordinal: int, owners: int) -> None:
    """Refuses an ordinal that is no owner's.

    Raises:
        SnapshotError: the ordinal is no owner's.
    """
    if not 0 <= ordinal < owners:
        raise SnapshotError("An ordinal is no owner's in this snapshot; ordinals are valid in one snapshot only.")
