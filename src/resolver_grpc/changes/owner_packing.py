"""What is kept of an owner whom changes touched, as bytes: a tenth of what the same takes in objects.

What belongs here: the codec of an owner's state with its ordinals and keys. What takes a change over reads the head and
the spans alone; the rest is unpacked when another change to the same owner is to be judged.

An owner is its ``HEAD``, its spans (fact, start, end), the ends and the lists that were told (fact, instant), its keys,
and as JSON what few owners have. Facts are numbered by ``FactNames``. Integers are little-endian.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np

from resolver_grpc.changes.overlay_facts import Rows
from resolver_grpc.changes.state import OwnerState, Spans
from resolver_grpc.keys import KEY_BYTES
from resolver_grpc.model import Fact
from resolver_grpc.rows.cells import Span
from resolver_grpc.rows.persons import Home

NO_ORDINAL: Final = 0xFFFF_FFFF

HAS_HOME: Final = 1 << 0
HAS_EMAIL: Final = 1 << 1
HAS_ODD_NUMBER: Final = 1 << 2
IS_KEYLESS: Final = 1 << 3
IS_ANEW: Final = HAS_HOME | HAS_EMAIL | HAS_ODD_NUMBER
"""Any of these: keys lead to the owner of which the snapshot doesn't know."""

_FACTS: Final = list(Fact)
SPAN: Final = Struct("<HII")
_SPAN_TYPE: Final = np.dtype([("fact", "<u2"), ("start", "<u4"), ("end", "<u4")])
_TOLD: Final = Struct("<HI")
_NUMBER: Final = Struct("<H")


class Head(NamedTuple):
    """What stands at the beginning of a packed owner.

    Attributes:
        old: its ordinal in the snapshot, or ``NO_ORDINAL``.
        new: its ordinal past the snapshot's, or ``NO_ORDINAL``.
        number: its current number, ten bytes, shorter ones with zeros behind them.
        address_number: the number of its home, where a change told that; else 0.
        recorded: when the register's last record took effect.
        traits: whether a change told its home or an e-mail address, whether its number is not what the snapshot has
            or not the only one, and whether the snapshot has no keys of its home.
        spans: how many there are, and so for the next three.
    """

    old: int
    new: int
    number: bytes
    address_number: int
    recorded: int
    traits: int
    spans: int
    ended: int
    stated: int
    keys: int


HEAD: Final = Struct("<II10sIIBHHBH")
_HEAD_TYPE: Final = np.dtype(
    list(zip(Head._fields, ("<u4", "<u4", "S10", "<u4", "<u4", "u1", "<u2", "<u2", "u1", "<u2"), strict=True))
)


@dataclass(slots=True)
class FactNames:
    """Numbers for the names of facts, in the order in which they were met; the same in all that met the same changes.

    Attributes:
        names: by number.
    """

    names: list[str] = field(default_factory=lambda: [str(fact) for fact in _FACTS])
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
    ended = [_TOLD.pack(number(name), end) for name, ends in state.ended.items() for end in ends]
    stated = [_TOLD.pack(number(name), instant) for name, instant in state.stated.items()]
    head = HEAD.pack(
        NO_ORDINAL if owner.old is None else owner.old,
        NO_ORDINAL if owner.new is None else owner.new,
        state.number.encode(),
        owner.address_number,
        state.recorded,
        _traits_of(owner),
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
    for number, end in _TOLD.iter_unpack(packed[at : (at := at + head.ended * _TOLD.size)]):
        name = facts.names[number]
        ended[name] = (*ended.get(name, ()), end)
    told = _TOLD.iter_unpack(packed[at : (at := at + head.stated * _TOLD.size)])
    stated = {facts.names[number]: instant for number, instant in told}
    at += head.keys * KEY_BYTES
    state = OwnerState(
        head.number.rstrip(b"\0").decode(),
        facts=spans,
        ended=ended,
        stated=stated,
        recorded=head.recorded,
        keyless=horizon if head.traits & IS_KEYLESS else None,
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


def with_ordinals(packed: bytes, old: int, new: int, address_number: int) -> bytes:
    """The packed owner with other ordinals, or ``NO_ORDINAL``, and another address number; keys go with the new one."""
    head = head_of(packed)._replace(old=old, new=new, address_number=address_number)
    if new != NO_ORDINAL:
        return HEAD.pack(*head) + packed[HEAD.size :]
    begin = _keys_begin(head)
    rest = packed[begin + head.keys * KEY_BYTES :]
    return HEAD.pack(*head._replace(keys=0)) + packed[HEAD.size : begin] + rest


def renumbered(packed: bytes, numbers: Sequence[int]) -> bytes:
    """The packed owner with other numbers for the facts that have numbers past ``Fact``'s."""
    head, written, common = head_of(packed), bytearray(packed), len(_FACTS)
    shapes = [(SPAN, head.spans), (_TOLD, head.ended + head.stated)]
    at = HEAD.size
    for shape, count in shapes:
        for place in range(at, at := at + count * shape.size, shape.size):
            (number,) = _NUMBER.unpack_from(written, place)
            if number >= common:
                _NUMBER.pack_into(written, place, numbers[number - common])
    return bytes(written)


def head_of(packed: bytes) -> Head:
    """What stands at the beginning of a packed owner."""
    return Head._make(HEAD.unpack_from(packed))


def spans_in(packed: bytes, head: Head) -> Iterable[tuple[int, int, int]]:
    """A packed owner's spans: the number of the fact, start and end."""
    return SPAN.iter_unpack(packed[HEAD.size : HEAD.size + head.spans * SPAN.size])


def rows_of(owners: Sequence[bytes], left_behind: Mapping[int, int]) -> Rows:
    """The spans of all packed owners, by their ordinals.

    Args:
        owners: as they are packed.
        left_behind: by trait, the fact that doesn't hold of an owner's ordinal in the snapshot.
    """
    heads = np.frombuffer(b"".join([packed[: HEAD.size] for packed in owners]), _HEAD_TYPE)
    packed_spans = b"".join(
        [
            packed[HEAD.size : HEAD.size + count * SPAN.size]
            for packed, count in zip(owners, heads["spans"].tolist(), strict=True)
        ]
    )
    spans = np.frombuffer(packed_spans, _SPAN_TYPE)
    of_owner = np.repeat(np.arange(len(owners)), heads["spans"])
    traits = heads["traits"][of_owner]
    stays = np.ones(len(spans), np.bool_)
    for trait, fact in left_behind.items():
        stays &= (traits & trait == 0) | (spans["fact"] != fact)
    columns = (spans["fact"], spans["start"], spans["end"])
    new, old = (Rows(heads[name][of_owner], *columns) for name in ("new", "old"))
    new, old = new.where(new.ordinals != NO_ORDINAL), old.where((old.ordinals != NO_ORDINAL) & stays)
    return new.and_rows(old)


def email_in(packed: bytes, head: Head) -> str:
    """A packed owner's e-mail address, where a change told one; else ``""``."""
    return str(_rest_in(packed, head)["email_address"]) if head.traits & HAS_EMAIL else ""


def numbers_in(packed: bytes, head: Head) -> list[str]:
    """A packed owner's number, and the old ones where they are known."""
    olds = _rest_in(packed, head).get("old_numbers", []) if head.traits & HAS_ODD_NUMBER else []
    return [head.number.rstrip(b"\0").decode(), *olds]


def forwarding_address_in(packed: bytes, head: Head) -> str:
    """A packed owner's forwarding address; ``""`` for none."""
    return str(_rest_in(packed, head).get("forwarding_address", ""))


def _rest_in(packed: bytes, head: Head) -> dict[str, Any]:
    rest: dict[str, Any] = json.loads(packed[_keys_begin(head) + head.keys * KEY_BYTES :] or b"{}")
    return rest


def _keys_begin(head: Head) -> int:
    return HEAD.size + head.spans * SPAN.size + (head.ended + head.stated) * _TOLD.size


def keys_in(packed: bytes, head: Head) -> tuple[bytes, ...]:
    """A packed owner's keys."""
    begin = _keys_begin(head)
    return tuple(packed[at : at + KEY_BYTES] for at in range(begin, begin + head.keys * KEY_BYTES, KEY_BYTES))


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
    home = state.home
    rest: dict[str, Any] = {
        "old_numbers": state.old_numbers,
        "home": home and [home.road, sorted(home.streets), home.postal_code, home.town, *_unit_of(home)],
        "names": state.names,
        "claimed": state.claimed,
        "verified": state.verified,
        "dropped": state.dropped,
        "forwarding_address": state.forwarding_address,
    }
    told = {name: value for name, value in rest.items() if value or (value == () and name == "names")}
    if state.email_address != "":
        told["email_address"] = state.email_address
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode() if told else b""


def _unit_of(home: Home) -> tuple[str, str, str]:
    return home.house_number, home.floor, home.door


def _read_rest(packed: bytes) -> dict[str, Any]:
    """The arguments of a state that ``_rest_of`` was made of."""
    rest: dict[str, Any] = json.loads(packed)
    if home := rest.get("home"):
        rest["home"] = Home(tuple(home[0]), frozenset(home[1]), *home[2:])
    for name in ("old_numbers", "names"):
        if name in rest:
            rest[name] = tuple(rest[name])
    if dropped := rest.get("dropped"):
        rest["dropped"] = {address: tuple(drops) for address, drops in dropped.items()}
    return rest
