"""What is otherwise than a content has it, of some of its owners: plain values, as whoever knows the changes says them.

What belongs here: the shape alone. What changes come to ``changes`` works out, a content with it ``build`` makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class AmendedOwner(NamedTuple):
    """An owner as it is by now.

    Attributes:
        number: the current CPR or CVR number.
        address_number: the number of its address, 0 for none.
        forwarding_address: where an organisation forwards to, empty for nowhere.
        facts: when each fact holds, as spans [start, end) of UTC seconds.
        kept_keys: which of the content's keys that lead to it go on leading to it; None for all of them.
    """

    number: str
    address_number: int
    forwarding_address: str
    facts: Mapping[str, Sequence[tuple[int, int]]]
    kept_keys: frozenset[bytes] | None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is otherwise; ordinals past the content's are new ones, without a gap.

    Attributes:
        owners: by ordinal, those of whom anything is otherwise.
        removed: the ordinals of those who are no owners any more.
        keys: by key, all whom it leads to by now; of every other key the content's own.
    """

    owners: Mapping[int, AmendedOwner] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    keys: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
