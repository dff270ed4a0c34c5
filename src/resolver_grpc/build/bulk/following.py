"""Old CPR numbers lead to current ones, on arrays: what ``build/numbers.py`` found out, applied to columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resolver_grpc.build.bulk.numbers import Numbers, number_of
from resolver_grpc.build.bulk.texts import Flags
from resolver_grpc.build.numbers import Numbers as Rules
from resolver_grpc.index.sorting import order_of_numbers

NOWHERE = -1
"""Stands for a row, an owner or an ordinal that there is none of."""
OUT = -2
"""Stands for a number that leads to nobody."""


@dataclass(frozen=True, eq=False, slots=True)
class Following:
    """Leads columns of numbers to current ones.

    Attributes:
        special: the numbers that don't simply lead to themselves, ascending.
        currents: where each of these leads, ``OUT`` for nowhere.
    """

    special: Numbers
    currents: Numbers

    @classmethod
    def by(cls, rules: Rules) -> Following:
        """Takes over what was found out of all replaced, contradicted and rejected numbers."""
        texts = sorted(rules.out | rules.replaced.keys(), key=number_of)
        currents = [OUT if (current := rules.current(text)) is None else number_of(current) for text in texts]
        return cls(as_numbers(texts), np.array(currents, np.int64))

    def current(self, numbers: Numbers) -> Numbers:
        """Where each number leads: itself for most, ``OUT`` for nowhere."""
        led = numbers.copy()
        if len(self.special):
            places = np.minimum(np.searchsorted(self.special, numbers), len(self.special) - 1)
            found = self.special[places] == numbers
            led[found] = self.currents[places[found]]
        return led

    def owner(self, numbers: Numbers) -> Numbers:
        """Where each number leads, and where it leads nowhere, the number itself: whose row it is said to be."""
        led = self.current(numbers)
        return np.where(led == OUT, numbers, led)


def as_numbers(texts: Iterable[str]) -> Numbers:
    """The integers of numbers that were read."""
    return np.array([number_of(text) for text in texts], np.int64)


def find(values: Numbers, sought: Numbers) -> npt.NDArray[np.int64]:
    """Finds the places of what is sought among distinct values, ``NOWHERE`` where it is not among them.

    Args:
        values: where to look.
        sought: what to look for.
    """
    if not len(values):
        return np.full(len(sought), NOWHERE, np.int64)
    # Both in order: then neighbours are sought next to each other, and found in the processor's cache.
    order, in_order = order_of_numbers(values), order_of_numbers(sought)
    ordered = values[order]
    wanted = sought[in_order]
    places = np.minimum(np.searchsorted(ordered, wanted), len(values) - 1)
    found = np.empty(len(sought), np.int64)
    found[in_order] = np.where(ordered[places] == wanted, order[places], NOWHERE)
    return found


def is_among(numbers: Numbers, few: Numbers) -> Flags:
    """Which numbers are among a few."""
    if not len(few):
        return np.zeros(len(numbers), np.bool_)
    ordered = np.sort(few)
    among: Flags = ordered[np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)] == numbers
    return among


def repeated(values: Numbers) -> Flags:
    """Which values stand there more than once."""
    ordered = np.sort(values)
    return is_among(values, ordered[1:][ordered[1:] == ordered[:-1]])
