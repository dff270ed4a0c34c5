"""An owner after a change, as bytes that the log may keep with it: worked out once, by who took the change.

What belongs here: the codec. It begins with the hash of the snapshot's name and of the layout, for over another
snapshot the same change comes to something else; then come the key that stands for the owner's home, or zeros, which of
the owner's keys the snapshot knows, a bit each, the names of facts that are not ``Fact``'s, and the owner as
``packed_owner.py`` has it, with no ordinals that count, and with those names numbered here.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

from resolver_grpc.changes.owner_packing import FactNames, Owner, pack_owner
from resolver_grpc.keys import KEY_BYTES

LAYOUT: Final = b"after/1"
"""Names how all this is laid out, packed owners too: what has another name is nothing to follow."""
NO_HOME: Final = bytes(KEY_BYTES)
MOST_KNOWN: Final = 32
_BASE_BYTES: Final = 8
_HEAD: Final = Struct(f"<{_BASE_BYTES}s{KEY_BYTES}sIH")


class After(NamedTuple):
    """An owner after a change.

    Attributes:
        base: names the snapshot; zeros where it has no name.
        home_key: the key that stands for the home, ``NO_HOME`` for none.
        known_keys: which of the keys the snapshot knows: a bit for each of the first ``MOST_KNOWN``.
        names: the names of facts that have numbers past ``Fact``'s.
        packed: the owner.
    """

    base: bytes
    home_key: bytes
    known_keys: int
    names: tuple[str, ...]
    packed: bytes


def base_of(name: bytes) -> bytes:
    """What stands for a snapshot's name; zeros for none."""
    return blake2b(name, digest_size=_BASE_BYTES, person=LAYOUT).digest() if name else bytes(_BASE_BYTES)


def pack_after(base: bytes, home_key: bytes, known_keys: int, owner: Owner) -> bytes:
    """An owner after a change as bytes."""
    facts = FactNames()
    common = len(facts.names)
    packed = pack_owner(owner, facts)
    names = "\n".join(facts.names[common:]).encode()
    return _HEAD.pack(base, home_key, known_keys, len(names)) + names + packed


def unpack_after(packed: bytes) -> After:
    """The inverse of ``pack_after``, but that the owner stays as it is."""
    base, home_key, known_keys, size = _HEAD.unpack_from(packed)
    end = _HEAD.size + size
    names = tuple(packed[_HEAD.size : end].decode().split("\n")) if size else ()
    return After(base, home_key, known_keys, names, packed[end:])
