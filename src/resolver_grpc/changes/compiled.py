"""What of the overlay is compiled, where there was a C compiler; without one Python does the same, more slowly.

What belongs here: choosing. What the compiled parts do says ``_following.pyx``; beside each stands its oracle.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, MutableSequence, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from pyroaring import BitMap

from resolver_grpc.changes.holding import Holding, holding_plainly
from resolver_grpc.changes.log_sealing import after_in

if TYPE_CHECKING:
    from resolver_grpc.changes.overlay import Overlay


class Follower(Protocol):
    """What lays usual changes over an overlay."""

    def follow(self, afters: list[bytes], first: int) -> int:
        """Takes the next changes as far as they are usual; see ``Overlay.follow_many``."""


class LeavingAll:
    """Leaves all changes to ``Overlay.follow``."""

    def __init__(self, *_: object) -> None:
        pass

    def follow(self, _afters: list[bytes], _first: int) -> int:
        """Takes none."""
        return 0


def find_following() -> ModuleType | None:
    """The compiled module; None where the package was installed without a C compiler."""
    try:
        return import_module("resolver_grpc._following")
    except ImportError:
        return None


def afters_plainly(plains: list[bytes]) -> list[bytes]:
    """What was worked out, of entries of the log that were deciphered."""
    return [after_in(plain) for plain in plains]


_FOUND = find_following()

packed_owners: Callable[[], MutableSequence[bytes]] = _FOUND.PackedOwners if _FOUND else list
"""Makes a list of packed owners."""
holding_at: Callable[
    [Sequence[bytes], memoryview, array[int], tuple[int, int], int, int, int],
    Holding | tuple[int, list[BitMap], array[int]],
] = _FOUND.holding_at if _FOUND else holding_plainly
"""See ``holding_plainly``."""
afters_in: Callable[[list[bytes]], list[bytes]] = _FOUND.afters_in if _FOUND else afters_plainly
"""See ``afters_plainly``."""
following: Callable[[Overlay, bytes, tuple[int, int, int], tuple[list[memoryview], bytearray]], Follower] = (
    _FOUND.Following if _FOUND else LeavingAll
)
"""Makes what lays usual changes over an overlay: of it, of the snapshot's name, of facts and of pages."""
