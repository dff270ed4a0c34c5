"""Owners to the keys that lead to them.

Source of the rules: domain rules, section 5, "Data minimisation": keys of an address or an e-mail address
are made only for owners who can be reached that way at some instant within the snapshot's horizon. This
module says in its own words who can; a test compares it with the policy's.
"""

from __future__ import annotations

from collections.abc import Iterator

from resolver_grpc.build.owners import Facts, Owner
from resolver_grpc.build.roads import Roads, SharedStreets
from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span, is_cpr
from resolver_grpc.rows.persons import Home


def reachable_within(facts: Facts, needed: tuple[Fact, ...], window: Span) -> bool:
    """Whether at some instant of a window the mailbox is open, all needed facts hold, and no protection does."""
    needed = (Fact.MAILBOX, Fact.LOGIN, *needed)
    spans = [span for fact in needed for span in facts.get(fact, [])] + facts.get(Fact.PROTECTION, [])
    # Nothing changes between two edges, so that only the edges need to be looked at.
    edges = {window.start, *(edge for span in spans for edge in span if window.start < edge < window.end)}
    return any(
        all(_holds(facts, fact, edge) for fact in needed) and not _holds(facts, Fact.PROTECTION, edge) for edge in edges
    )


def _holds(facts: Facts, fact: Fact, instant: int) -> bool:
    return any(span.start <= instant < span.end for span in facts.get(fact, []))


class Entries:
    """Makes the keys of owners.

    Args:
        keys: makes keys.
        roads: the register's roads.
        window: the snapshot's horizon.
    """

    def __init__(self, keys: IndexKeys, roads: Roads, window: Span) -> None:
        self._keys = keys
        self._roads = roads
        self._shared: SharedStreets = roads.shared()
        self._window = window

    def keys_of(self, owner: Owner, *, has_address: bool) -> Iterator[bytes]:
        """All keys that lead to an owner; the same key may come twice.

        Args:
            owner: the owner.
            has_address: whether ``address_key`` found an address at which the owner can be reached.
        """
        kind = KeyKind.CPR if is_cpr(owner.number) else KeyKind.CVR
        for number in (owner.number, *owner.old_numbers):
            yield self._keys.key(kind, number)
        if owner.person and has_address:
            yield from self._place_keys(owner.person.home, owner.person.names)
        if owner.email_address and reachable_within(owner.facts, (Fact.REGISTERED, Fact.CLAIM), self._window):
            yield self._keys.key(KeyKind.EMAIL, owner.email_address)

    def address_key(self, owner: Owner) -> bytes | None:
        """The key that stands for an owner's address, one for all who live there; None where it has none.

        Without a road's codes all that the rows say of the street must be equal for two to live together: the town
        too, for it is all that may tell two roads apart.
        """
        if not owner.person or not owner.person.home.has_key:
            return None
        if not reachable_within(owner.facts, (Fact.RESIDENT, Fact.CONSENT), self._window):
            return None
        home = owner.person.home
        if home.has_road:
            return self._keys.place(home.kvhx)
        spellings = sorted(self._roads.spellings(home))
        return self._keys.place(home.text(" ".join(spellings), home.town)) if spellings and home.postal_code else None

    def road_keys(self) -> Iterator[tuple[bytes, bool]]:
        """The keys that ``keys_of_roads`` makes."""
        return keys_of_roads(self._shared, self._keys)

    def _place_keys(self, home: Home, names: tuple[str, ...]) -> Iterator[bytes]:
        for place in self._places(home):
            yield self._keys.place(place)
            for known in range(1, len(names) + 1):
                yield self._keys.place(place, *names[:known])

    def _places(self, home: Home) -> Iterator[Address | Kvhx]:
        """The forms in which a home can be asked for: KVHX, and each spelling of its text.

        On a shared street the text alone serves the name kinds, which go by uniqueness; the text with a
        town that tells the road leads to this road alone.
        """
        if home.has_road:
            yield home.kvhx
        if not home.postal_code:
            return
        for street in sorted(self._roads.spellings(home)):
            yield home.text(street)
            for town in self._shared.telling.get((home.postal_code, street, home.road), []):
                yield home.text(street, town)


def keys_of_roads(shared: SharedStreets, keys: IndexKeys) -> Iterator[tuple[bytes, bool]]:
    """The keys of shared streets (False), and with the towns that tell their roads apart (True)."""
    for postal_code, street in sorted(shared.streets):
        yield keys.street(postal_code, street), False
    for (postal_code, street, _road), towns in sorted(shared.telling.items()):
        for town in towns:
            yield keys.street_with_town(postal_code, street, town), True
