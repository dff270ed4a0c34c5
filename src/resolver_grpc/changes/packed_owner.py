"""An owner whom changes touched, as it lies in memory: what is read or rewritten of it without unpacking the rest.

What belongs here: how it is laid out, and reading single things of it. An owner is its ``HEAD``, its spans (fact,
start, end), the ends and the lists that were told (fact, instant), its keys, and as JSON what few owners have. Facts
are numbered. Integers are little-endian. ``owner_packing.py`` packs and unpacks the whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from resolver_grpc.keys import KEY_BYTES
from resolver_grpc.model import Fact

NO_ORDINAL: Final = 0xFFFF_FFFF
CHANGES: Final = 1 << 16

HAS_HOME: Final = 1 << 0
HAS_EMAIL: Final = 1 << 1
HAS_ODD_NUMBER: Final = 1 << 2
IS_KEYLESS: Final = 1 << 3
IS_ANEW: Final = HAS_HOME | HAS_EMAIL | HAS_ODD_NUMBER
"""Any of these: keys lead to the owner of which the snapshot doesn't know."""

COMMON_FACTS: Final = list(Fact)
SPAN: Final = Struct("<HII")
TOLD: Final = Struct("<HI")
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
        changes: how many changes this is after, modulo ``CHANGES``.
        spans: how many there are, and so for the next three.
    """

    old: int
    new: int
    number: bytes
    address_number: int
    recorded: int
    traits: int
    changes: int
    spans: int
    ended: int
    stated: int
    keys: int


HEAD: Final = Struct("<II10sIIBHHHBH")


def head_of(packed: bytes) -> Head:
    """What stands at the beginning of a packed owner."""
    return Head._make(HEAD.unpack_from(packed))


def spans_in(packed: bytes, head: Head) -> Iterable[tuple[int, int, int]]:
    """A packed owner's spans: the number of the fact, start and end."""
    return SPAN.iter_unpack(packed[HEAD.size : HEAD.size + head.spans * SPAN.size])


def keys_in(packed: bytes, head: Head) -> tuple[bytes, ...]:
    """A packed owner's keys."""
    begin = keys_begin(head)
    return tuple(packed[at : at + KEY_BYTES] for at in range(begin, begin + head.keys * KEY_BYTES, KEY_BYTES))


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


def with_ordinals(packed: bytes, old: int, new: int, address_number: int) -> bytes:
    """The packed owner with other ordinals, or ``NO_ORDINAL``, and another address number; keys go with the new one."""
    head = head_of(packed)._replace(old=old, new=new, address_number=address_number)
    if new != NO_ORDINAL:
        return HEAD.pack(*head) + packed[HEAD.size :]
    begin = keys_begin(head)
    rest = packed[begin + head.keys * KEY_BYTES :]
    return HEAD.pack(*head._replace(keys=0)) + packed[HEAD.size : begin] + rest


def renumbered(packed: bytes, numbers: Sequence[int]) -> bytes:
    """The packed owner with other numbers for the facts that have numbers past ``Fact``'s."""
    head, written, common = head_of(packed), bytearray(packed), len(COMMON_FACTS)
    shapes = [(SPAN, head.spans), (TOLD, head.ended + head.stated)]
    at = HEAD.size
    for shape, count in shapes:
        for place in range(at, at := at + count * shape.size, shape.size):
            (number,) = _NUMBER.unpack_from(written, place)
            if number >= common:
                _NUMBER.pack_into(written, place, numbers[number - common])
    return bytes(written)


def _rest_in(packed: bytes, head: Head) -> dict[str, Any]:
    rest: dict[str, Any] = json.loads(packed[keys_begin(head) + head.keys * KEY_BYTES :] or b"{}")
    return rest


def keys_begin(head: Head) -> int:
    """Where a packed owner's keys begin."""
    return HEAD.size + head.spans * SPAN.size + (head.ended + head.stated) * TOLD.size
