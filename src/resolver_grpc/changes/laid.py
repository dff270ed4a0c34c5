"""What a change comes to, as bytes that any process takes over which took the same changes over the same snapshot.

What belongs here: the codec. It begins with the hash of the snapshot's name, how many changes were taken before, and
the names of facts that were not met before; then come the owners that the change touches, the one that it names first:
of each the key that stands for its home, or zeros, which of its keys the snapshot knows, a bit each, and the owner as
``owner_packing.py`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

from resolver_grpc.changes.owner_packing import FactNames, Owner, pack_owner
from resolver_grpc.keys import KEY_BYTES

NO_HOME: Final = bytes(KEY_BYTES)
_BASE_BYTES: Final = 8
_HEAD: Final = Struct(f"<{_BASE_BYTES}sIHB")
_SIZE: Final = Struct("<H")
_OWNER: Final = Struct(f"<{KEY_BYTES}sI")
MOST_KNOWN: Final = 32


class LaidOwner(NamedTuple):
    """What becomes of an owner.

    Attributes:
        home_key: the key that stands for the home, ``NO_HOME`` for none.
        known_keys: which of the keys the snapshot knows: a bit for each of the first ``MOST_KNOWN``.
        packed: what is kept.
    """

    home_key: bytes
    known_keys: int
    packed: bytes


class Laid(NamedTuple):
    """What a change comes to.

    Attributes:
        base: names the snapshot; zeros where it has no name.
        version: how many changes were taken before.
        names: the names of facts that were not met before.
        owners: each that is touched.
    """

    base: bytes
    version: int
    names: Sequence[str]
    owners: Sequence[LaidOwner]


def base_of(name: bytes) -> bytes:
    """What stands for a snapshot's name; zeros for none."""
    return blake2b(name, digest_size=_BASE_BYTES).digest() if name else bytes(_BASE_BYTES)


def pack_laid(owners: Sequence[tuple[bytes, int, Owner]], base: bytes, version: int, facts: FactNames) -> bytes:
    """What a change comes to as bytes; the facts' names are as they were before."""
    known = len(facts.names)
    packed = [_OWNER.pack(home_key, keys) + pack_owner(owner, facts) for home_key, keys, owner in owners]
    names = "\n".join(facts.forget_from(known)).encode()
    parts = [part for one in packed for part in (_SIZE.pack(len(one)), one)]
    return b"".join((_HEAD.pack(base, version, len(names), len(packed)), names, *parts))


def unpack_laid(packed: bytes) -> Laid:
    """The inverse of ``pack_laid``, but that the owners stay as they are."""
    base, version, size, count = _HEAD.unpack_from(packed)
    names = packed[_HEAD.size : _HEAD.size + size].decode()
    return Laid(base, version, names.split("\n") if names else (), list(_owners_in(packed, _HEAD.size + size, count)))


def _owners_in(packed: bytes, at: int, count: int) -> Iterator[LaidOwner]:
    for _ in range(count):
        (size,) = _SIZE.unpack_from(packed, at)
        at += _SIZE.size
        home_key, known_keys = _OWNER.unpack_from(packed, at)
        yield LaidOwner(home_key, known_keys, packed[at + _OWNER.size : at + size])
        at += size
