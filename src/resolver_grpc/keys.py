"""Keys: canonical form to 16 bytes, under a secret; the only place where keys are derived.

Builder and server both come here, so that they can't differ. A key is BLAKE2b-128, keyed, over the kind's
byte and the canonical parts, joined by a character that no canonical form holds (U+001F counts as white
space, which folding collapses). Who steals an index without the key file can't try names against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, unique
from functools import cached_property
from hashlib import blake2b

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.errors import KeyFileError

KEY_BYTES = 16
SECRET_BYTES = 32
KEY_ID_BYTES = 8
SEPARATOR = "\x1f"


@unique
class KeyKind(IntEnum):
    """The first byte under the hash; kinds never meet, whatever their parts."""

    TEXT_ADDRESS = 1
    TEXT_FIRST_NAME = 2
    TEXT_FULL_NAME = 3
    KVHX_ADDRESS = 4
    KVHX_FIRST_NAME = 5
    KVHX_FULL_NAME = 6
    EMAIL = 7
    CPR = 8
    CVR = 9
    STREET = 10
    STREET_WITH_TOWN = 11
    OWNER = 12


def form_of(kind: KeyKind, *parts: str) -> bytes:
    """What a key is the hash of: the kind's byte, and the canonical parts with a separator between them."""
    return _KIND_BYTES[kind] + SEPARATOR.join(parts).encode()


_SEPARATOR_BYTE = SEPARATOR.encode()
_KIND_BYTES = tuple(bytes((kind,)) for kind in range(max(KeyKind) + 1))


def place_form(place: Address | Kvhx, first_name: str = "", last_name: str = "") -> bytes:
    """The form of an address, alone or with a first name or with both names; see ``IndexKeys.place``."""
    return place_forms(place, tuple(name for name in (first_name, last_name) if name))[-1]


def place_forms(place: Address | Kvhx, names: tuple[str, ...]) -> list[bytes]:
    """The forms of an address: alone, with the first of some names, with the first two, and so on."""
    kind = KeyKind.KVHX_ADDRESS if isinstance(place, Kvhx) else KeyKind.TEXT_ADDRESS
    form = SEPARATOR.join(place).encode()
    forms = [_KIND_BYTES[kind] + form]
    for known, name in enumerate(names, 1):
        form += _SEPARATOR_BYTE + name.encode()
        forms.append(_KIND_BYTES[kind + known] + form)
    return forms


@dataclass(frozen=True, slots=True)
class IndexKeys:
    """Makes every key of an index.

    Args:
        secret: 32 bytes, derived from the master key for this use alone.
    """

    secret: bytes = field(repr=False)

    def key(self, kind: KeyKind, *parts: str) -> bytes:
        """The key of 16 bytes of one kind and its canonical parts."""
        return self.hash(form_of(kind, *parts))

    def place(self, place: Address | Kvhx, first_name: str = "", last_name: str = "") -> bytes:
        """The key of an address, alone or with a first name or with both names.

        The supplementary town of an ``Address`` is part of its key: pass it only where the road needs it.
        """
        return self.hash(place_form(place, first_name, last_name))

    def hash(self, form: bytes) -> bytes:
        """The key of a form that ``form_of`` or ``place_form`` gave."""
        return blake2b(form, digest_size=KEY_BYTES, key=self.secret).digest()

    def street(self, postal_code: str, street: str) -> bytes:
        """The key of a street in a postal code, whatever the road."""
        return self.key(KeyKind.STREET, postal_code, street)

    def street_with_town(self, postal_code: str, street: str, town: str) -> bytes:
        """The key of a street in a supplementary town of a postal code."""
        return self.key(KeyKind.STREET_WITH_TOWN, postal_code, street, town)


@dataclass(frozen=True, slots=False)
class MasterKey:
    """The one secret of an index: all other secrets are derived from it, one for each use.

    Args:
        secret: 32 random bytes.
    """

    secret: bytes = field(repr=False)

    @cached_property
    def key_id(self) -> str:
        """Names the key without telling it; stands in every manifest."""
        return self._derive("key id")[:KEY_ID_BYTES].hex()

    @cached_property
    def index_keys(self) -> IndexKeys:
        """For the keys of the index."""
        return IndexKeys(self._derive("index"))

    @cached_property
    def columns_secret(self) -> bytes:
        """For the encrypted columns, 32 bytes."""
        return self._derive("columns")

    @cached_property
    def snapshot_secret(self) -> bytes:
        """For the digest of a snapshot's content that is its id, 32 bytes."""
        return self._derive("snapshot")

    @cached_property
    def handles_secret(self) -> bytes:
        """For the handles of decisions, 32 bytes."""
        return self._derive("handles")

    @cached_property
    def audit_secret(self) -> bytes:
        """For the chains of the audit, 32 bytes."""
        return self._derive("audit")

    @cached_property
    def budgets_secret(self) -> bytes:
        """For the sketches of budgets, 32 bytes."""
        return self._derive("budgets")

    @cached_property
    def changes_secret(self) -> bytes:
        """For the log of changes, 32 bytes."""
        return self._derive("changes")

    @cached_property
    def erasure_keys(self) -> IndexKeys:
        """For the list of erased numbers: no key of it is a key of an index."""
        return IndexKeys(self._derive("erasure"))

    def _derive(self, use: str) -> bytes:
        """HKDF-SHA256 (RFC 5869) with the use as its label."""
        hkdf = HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=f"resolver-grpc/1/{use}".encode())
        return hkdf.derive(self.secret)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that a key file holds: the one that snapshots are built under, and older ones that still open theirs.

    Iterating gives the active key first, then the kept ones, the newest first.

    Args:
        active: what is built from now on is built under it.
        kept: the older ones, each another key.
    """

    active: MasterKey
    kept: tuple[MasterKey, ...] = ()

    def __iter__(self) -> Iterator[MasterKey]:
        yield self.active
        yield from self.kept

    def of(self, key_id: str) -> MasterKey:
        """Finds the key of an id, as a manifest names it.

        Raises:
            KeyFileError: it is not in the ring.
        """
        for key in self:
            if key.key_id == key_id:
                return key
        # The id comes from a file that anybody may have written: no more of it than an id has.
        named = ascii(key_id[: 2 * KEY_ID_BYTES])
        raise KeyFileError(
            f"The key file holds no key {named}: the snapshot was built under another key; pass the key file that the "
            "builder used."
        )
