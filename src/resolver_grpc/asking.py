"""From queries to the keys that they are looked up by.

What belongs here: reading, what of a query makes its key, and what its handle names. Nothing is looked up but the
streets that several roads share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.query import Addressing, BadFieldError, parse_query
from resolver_grpc.handles import Handles, NamedOwner
from resolver_grpc.index.layout import STREET_SHARED, TOWN_TELLS
from resolver_grpc.index.reader import Index
from resolver_grpc.keys import IndexKeys, KeyKind
from resolver_grpc.model import Kind, Query, Sender

_CVR_DIGITS: Final = 8


class Asked(NamedTuple):
    """A query that could be read.

    Attributes:
        addressing: what it says.
        key: leads to its owners.
        way: how it may reach them: its kind, or that which its handle came from.
        several_roads: whether its text leads to several roads.
    """

    addressing: Addressing
    key: bytes
    way: Kind
    several_roads: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """Makes the keys of queries to one index.

    Attributes:
        index: knows the streets that several roads share.
        keys: makes the index's keys.
        handles: reads the handles.
    """

    index: Index
    keys: IndexKeys
    handles: Handles

    def ask(self, queries: Iterable[Query], sender: Sender) -> list[Asked | BadFieldError]:
        """Reads queries of a sender; the handles of all of them are read together.

        Returns:
            For each query, in their order, what it asks, or its first bad field.
        """
        read = [_read(query) for query in queries]
        handles = [said.handle for said in read if isinstance(said, Addressing) and said.handle]
        named = iter(self.handles.read(sender.id, handles))
        return [
            said
            if isinstance(said, BadFieldError)
            else self._ask_handle(said, next(named))
            if said.handle
            else self._ask_one(said)
            for said in read
        ]

    def _ask_handle(self, addressing: Addressing, named: NamedOwner | None) -> Asked:
        """The owner is found by the number; a handle that names nobody is looked for as hard, as what no number is."""
        number, way = named or NamedOwner(addressing.handle.hex(), Kind.CPR)
        kind = KeyKind.CVR if len(number) == _CVR_DIGITS else KeyKind.CPR
        return Asked(addressing, self.keys.key(kind, number), way)

    def _ask_one(self, addressing: Addressing) -> Asked:
        kind = addressing.kind
        match kind:
            case Kind.EMAIL:
                return Asked(addressing, self.keys.key(KeyKind.EMAIL, addressing.email_address), kind)
            case Kind.CPR:
                return Asked(addressing, self.keys.key(KeyKind.CPR, addressing.number), kind)
            case Kind.CVR:
                return Asked(addressing, self.keys.key(KeyKind.CVR, addressing.number), kind)
        return self._ask_place(addressing)

    def _ask_place(self, addressing: Addressing) -> Asked:
        """The town is part of the key only where two roads share the text and this town tells them apart."""
        place, several_roads = addressing.place, False
        assert place is not None
        if isinstance(place, Address):
            town = self._telling_town(place)
            several_roads = town is None
            place = place._replace(town=town or "")
        key = self.keys.place(place, addressing.first_name, addressing.last_name)
        return Asked(addressing, key, addressing.kind, several_roads)

    def _telling_town(self, address: Address) -> str | None:
        """The town that the key needs: none (``""``) on most streets; None where the text is ambiguous."""
        if self.index.road(self.keys.street(address.postal_code, address.street)) != STREET_SHARED:
            return ""
        key = self.keys.street_with_town(address.postal_code, address.street, address.town)
        return address.town if address.town and self.index.road(key) == TOWN_TELLS else None


def _read(query: Query) -> Addressing | BadFieldError:
    try:
        return parse_query(query)
    except BadFieldError as error:
        return error
