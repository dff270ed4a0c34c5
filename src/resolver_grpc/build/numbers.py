"""Old CPR numbers lead to current ones.

Source of the rules: domain rules, section 5. A number of status 50 or 60, and each in a record of old
numbers, leads to the number that took its place, however many steps away. Where the register contradicts
itself (a circle, two successors, a replaced number that is still in use), it can't be known whose the
numbers are: all of them are out, and so are all that a rejected row speaks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

Link = tuple[str, str]
"""An old number and the number that took its place."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which number leads to which.

    Attributes:
        out: numbers that lead to nobody.
        contradicted: those that the register contradicts itself about.
        replaced: each old number with the number that took its place.
    """

    out: frozenset[str]
    contradicted: frozenset[str]
    replaced: Mapping[str, str]

    def current(self, number: str) -> str | None:
        """The current number that a number leads to, itself for most; None where it is out."""
        if number in self.out:
            return None
        while number in self.replaced:
            number = self.replaced[number]
        return number


def follow_numbers(links: Iterable[Link], in_use: Container[str], rejected: Iterable[str]) -> Numbers:
    """Works out where each number leads.

    Args:
        links: all that the persons table says of replaced numbers, rejected rows included.
        in_use: the numbers whose accepted row says that they were not replaced.
        rejected: numbers that rejected rows speak for.
    """
    successors: defaultdict[str, set[str]] = defaultdict(set)
    for old, current in links:
        successors[old].add(current)
    replaced = {old: min(currents) for old, currents in successors.items()}
    contradicted = _in_circles(replaced)
    for old, currents in successors.items():
        if len(currents) > 1 or old in in_use:
            contradicted |= {old, *currents}
    everyone = _linked(contradicted, successors)
    return Numbers(frozenset(everyone | _linked(set(rejected), successors)), frozenset(everyone), replaced)


def _linked(numbers: set[str], successors: Mapping[str, set[str]]) -> set[str]:
    """The numbers, and all that lead to them or that they lead to, however many steps away."""
    neighbours: defaultdict[str, set[str]] = defaultdict(set)
    for old, currents in successors.items():
        for current in currents:
            neighbours[old].add(current)
            neighbours[current].add(old)
    found, waiting = set(numbers), list(numbers)
    while waiting:
        more = neighbours.get(waiting.pop(), set()) - found
        found |= more
        waiting.extend(more)
    return found


def _in_circles(replaced: Mapping[str, str]) -> set[str]:
    """The numbers that lead back to themselves."""
    found: set[str] = set()
    settled: set[str] = set()
    for start in replaced:
        path: dict[str, None] = {}
        number = start
        while number in replaced and number not in settled and number not in path:
            path[number] = None
            number = replaced[number]
        if number in path:
            steps = list(path)
            found.update(steps[steps.index(number) :])
        settled.update(path)
    return found
