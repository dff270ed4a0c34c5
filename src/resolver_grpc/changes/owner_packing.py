"""What is kept of an owner whom changes touched, to bytes and back: a tenth of what the same takes in objects.

What belongs here: the codec of an owner's state with its ordinals and keys; ``packed_owner.py`` has the layout. What
takes a change over reads single things of it; it is unpacked when another change to the same owner is to be judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from resolver_grpc.changes.packed_owner import (
    CHANGES,
    COMMON_FACTS,
    HAS_EMAIL,
    HAS_HOME,
    HAS_ODD_NUMBER,
    HEAD,
    IS_KEYLESS,
    NO_ORDINAL,
    SPAN,
    TOLD,
    head_of,
    keys_in,
)
from resolver_grpc.changes.state import OwnerState, Spans
from resolver_grpc.keys import KEY_BYTES
from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import Home


@dataclass(slots=True)
class FactNames:
    """Numbers for the names of facts, in the order in which they were met; the same in all that met the same changes.

    Attributes:
        names: by number.
    """

    names: list[str] = field(default_factory=lambda: [str(fact) for fact in COMMON_FACTS])
    _numbers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def number(self, name: str) -> int:
        """The number of a fact; a new one where it was not met before."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(str(name))
        return found

    def find(self, name: str) -> int | None:
        """The number of a fact that was met; None of another."""
        return self._numbers.get(name)


class Owner(NamedTuple):
    """What is kept of an owner.

    Attributes:
        state: what is known of it.
        old: its ordinal in the snapshot; None where the snapshot doesn't know it.
        new: its ordinal past the snapshot's; None where the old one is enough.
        keys: the keys that lead to the new ordinal.
        address_number: the number of its home, where a change told that; 0 for none.
        has_odd_number: whether its number is not the one of the snapshot, or not the only one.
    """

    state: OwnerState
    old: int | None = None
    new: int | None = None
    keys: tuple[bytes, ...] = ()
    address_number: int = 0
    has_odd_number: bool = False


def pack_owner(owner: Owner, facts: FactNames) -> bytes:
    """An owner as bytes; the names of its facts are numbered."""
    state, number = owner.state, facts.number
    spans = [SPAN.pack(number(name), *span) for name, held in state.facts.items() for span in held]
    ended = [TOLD.pack(number(name), end) for name, ends in state.ended.items() for end in ends]
    stated = [TOLD.pack(number(name), instant) for name, instant in state.stated.items()]
    head = HEAD.pack(
        NO_ORDINAL if owner.old is None else owner.old,
        NO_ORDINAL if owner.new is None else owner.new,
        state.number.encode(),
        owner.address_number,
        state.recorded,
        _traits_of(owner),
        state.changes % CHANGES,
        len(spans),
        len(ended),
        len(stated),
        len(owner.keys),
    )
    return b"".join((head, *spans, *ended, *stated, *owner.keys, _rest_of(state)))


def unpack_owner(packed: bytes, facts: FactNames, horizon: Span) -> Owner:
    """The inverse of ``pack_owner``; a keyless owner's horizon is given."""
    head = head_of(packed)
    at = HEAD.size
    spans: dict[str, Spans] = {}
    for number, start, end in SPAN.iter_unpack(packed[at : (at := at + head.spans * SPAN.size)]):
        name = facts.names[number]
        spans[name] = (*spans.get(name, ()), Span(start, end))
    ended: dict[str, tuple[int, ...]] = {}
    for number, end in TOLD.iter_unpack(packed[at : (at := at + head.ended * TOLD.size)]):
        name = facts.names[number]
        ended[name] = (*ended.get(name, ()), end)
    told = TOLD.iter_unpack(packed[at : (at := at + head.stated * TOLD.size)])
    stated = {facts.names[number]: instant for number, instant in told}
    at += head.keys * KEY_BYTES
    state = OwnerState(
        head.number.rstrip(b"\0").decode(),
        facts=spans,
        ended=ended,
        stated=stated,
        recorded=head.recorded,
        keyless=horizon if head.traits & IS_KEYLESS else None,
        changes=head.changes,
        **(_read_rest(packed[at:]) if len(packed) > at else {}),
    )
    return Owner(
        state,
        None if head.old == NO_ORDINAL else head.old,
        None if head.new == NO_ORDINAL else head.new,
        keys_in(packed, head),
        head.address_number,
        bool(head.traits & HAS_ODD_NUMBER),
    )


def _traits_of(owner: Owner) -> int:
    state = owner.state
    return (
        (HAS_HOME if state.home else 0)
        | (HAS_EMAIL if state.email_address else 0)
        | (HAS_ODD_NUMBER if owner.has_odd_number else 0)
        | (IS_KEYLESS if state.keyless else 0)
    )


def _rest_of(state: OwnerState) -> bytes:
    """What few owners have; nothing of most."""
    rest = (
        state.old_numbers,
        state.home and home_cells(state.home),
        state.names,
        state.claimed,
        state.verified,
        state.dropped,
        state.forwarding_address,
    )
    told: dict[str, Any] = {
        name: value for name, value in zip(REST_NAMES, rest, strict=False) if value or (value == () and name == "names")
    }
    if state.email_address != "":
        told["email_address"] = state.email_address
    return write_rest(told)


REST_NAMES: Final = tuple("old_numbers home names claimed verified dropped forwarding_address email_address".split())
"""What few owners have, in the order in which it is written."""
_write: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def write_rest(told: Mapping[str, Any]) -> bytes:
    """Writes what few owners have, in that order; ``b""`` of nothing."""
    return _write(told).encode() if told else b""


def home_cells(home: Home) -> tuple[Any, ...]:
    """A home as it is written."""
    road, streets = home.road, sorted(home.streets)
    return road, streets, home.postal_code, home.town, home.house_number, home.floor, home.door


def home_of_cells(cells: Sequence[Any]) -> Home:
    """The inverse of ``home_cells``."""
    road, streets, *others = cells
    return Home(tuple(road), frozenset(streets), *others)


def _read_rest(packed: bytes) -> dict[str, Any]:
    """The arguments of a state that ``_rest_of`` was made of."""
    rest: dict[str, Any] = json.loads(packed)
    if home := rest.get("home"):
        rest["home"] = home_of_cells(home)
    for name in ("old_numbers", "names"):
        if name in rest:
            rest[name] = tuple(rest[name])
    if dropped := rest.get("dropped"):
        rest["dropped"] = {address: tuple(drops) for address, drops in dropped.items()}
    return rest
