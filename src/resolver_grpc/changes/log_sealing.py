"""What stands in the log of changes, as bytes that tell nothing without the key.

What belongs here: the codec of an entry, the keyed hashes of change ids, and the seal of the last sequence. All of it
under secrets of the log's own, derived from a master key and the log's id; an entry names the key that it is under, so
that entries from before a rotation stay readable while the key file keeps theirs.

An entry is its key's id (8 bytes), the hash of its change's id (16), four random bytes, then AES-256-GCM of the number
of index keys (2 bytes), these (16 each), how long what was worked out is (2 bytes), that, and the content. The nonce is
the sequence and the random bytes, for a sequence may be written twice: after a commit that failed, or in a file that
was restored. Sequence, key id and hash are authenticated.
"""

from __future__ import annotations

import hmac
import os
import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from resolver_grpc.keys import KEY_BYTES, KEY_ID_BYTES, SECRET_BYTES, MasterKey

SEQUENCE: Final = struct.Struct(">Q")
HASH_BYTES: Final = 16
MOST_KEYS: Final = 0xFFFF

_SALT_BYTES: Final = 4
_COUNT: Final = struct.Struct(">H")
_MOST_AFTER: Final = 0xFFFF
_NAMED_BYTES: Final = KEY_ID_BYTES + HASH_BYTES
_SEALED_AT: Final = _NAMED_BYTES + _SALT_BYTES


class Entry(NamedTuple):
    """What is kept of a change.

    Attributes:
        change_id: the source's name for it.
        content: the change as bytes.
        keys: the index keys that lead to its owner from then on, 16 bytes each.
        after: what whoever follows may take instead of working the change out, see ``Overlay.after``; not part of what
            makes two entries one, and left out where it is very long.
    """

    change_id: str
    content: bytes
    keys: tuple[bytes, ...] = ()
    after: bytes = b""


class Read(NamedTuple):
    """An entry as it is read: its sequence, the change as bytes, the index keys, and what was worked out."""

    sequence: int
    content: bytes
    keys: tuple[bytes, ...]
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class LogKey:
    """The secrets of one log under one master key.

    Attributes:
        key_id: names the master key, 8 bytes.
        cipher: enciphers entries.
        hashes: hashes ids and contents, 32 bytes.
    """

    key_id: bytes
    cipher: AESGCM = field(repr=False)
    hashes: bytes = field(repr=False)

    @classmethod
    def of(cls, key: MasterKey, log_id: bytes) -> Self:
        """The log's secrets of a master key."""
        entries, hashes = (
            HKDF(SHA256(), length=SECRET_BYTES, salt=log_id, info=use).derive(key.changes_secret)
            for use in (b"entries", b"hashes")
        )
        return cls(bytes.fromhex(key.key_id), AESGCM(entries), hashes)

    def hash_id(self, change_id: str) -> bytes:
        """What a change's id is found by."""
        return self._hash(b"id", change_id.encode())

    def hash_content(self, entry: Entry) -> bytes:
        """What tells whether two changes of one id are one; the index keys follow from the content."""
        return self._hash(b"content", entry.content)

    def seal(self, sequence: int, entry: Entry) -> bytes:
        """An entry as it stands in the log."""
        named, salt = self.key_id + self.hash_id(entry.change_id), os.urandom(_SALT_BYTES)
        place = SEQUENCE.pack(sequence)
        after = entry.after if len(entry.after) <= _MOST_AFTER else b""
        plain = b"".join((_COUNT.pack(len(entry.keys)), *entry.keys, _COUNT.pack(len(after)), after, entry.content))
        return named + salt + self.cipher.encrypt(place + salt, plain, place + named)

    def open(self, sequence: int, sealed: bytes) -> bytes:
        """Deciphers an entry; ``read_entry`` and ``after_in`` read what it gives.

        Raises:
            ValueError: it is not the one of this sequence, or was changed.
        """
        place = SEQUENCE.pack(sequence)
        nonce, named = place + sealed[_NAMED_BYTES:_SEALED_AT], place + sealed[:_NAMED_BYTES]
        try:
            return self.cipher.decrypt(nonce, sealed[_SEALED_AT:], named)
        except (InvalidTag, ValueError):
            raise ValueError("no entry of this sequence") from None

    def seal_last(self, sequence: int) -> bytes:
        """A sequence with a seal, of ``LAST_BYTES``."""
        stated = self.key_id + SEQUENCE.pack(sequence)
        return stated + self._hash(b"last", stated)

    def read_last(self, stated: bytes) -> int:
        """Reads a sealed sequence.

        Raises:
            ValueError: it is none.
        """
        (sequence,) = SEQUENCE.unpack_from(stated, KEY_ID_BYTES)
        if not hmac.compare_digest(self.seal_last(sequence), stated):
            raise ValueError("no sealed sequence")
        return int(sequence)

    def _hash(self, use: bytes, text: bytes) -> bytes:
        return blake2b(text, digest_size=HASH_BYTES, key=self.hashes, person=use).digest()


LAST_BYTES: Final = KEY_ID_BYTES + SEQUENCE.size + HASH_BYTES


def read_entry(sequence: int, plain: bytes) -> Read:
    """Reads an entry that was deciphered."""
    (count,) = _COUNT.unpack_from(plain)
    end = _COUNT.size + count * KEY_BYTES
    keys = tuple(plain[at : at + KEY_BYTES] for at in range(_COUNT.size, end, KEY_BYTES))
    after = after_in(plain)
    return Read(sequence, plain[end + _COUNT.size + len(after) :], keys, after)


def after_in(plain: bytes) -> bytes:
    """What was worked out, of an entry that was deciphered; it is all that who follows needs of most."""
    begin = _COUNT.size + (plain[0] << 8 | plain[1]) * KEY_BYTES
    end = begin + _COUNT.size
    return plain[end : end + (plain[begin] << 8 | plain[begin + 1])]


def key_id_of(sealed: bytes) -> bytes:
    """The id of the key that an entry is under."""
    return sealed[:KEY_ID_BYTES]


def id_hash_of(sealed: bytes) -> bytes:
    """The hash of the id of an entry's change."""
    return sealed[KEY_ID_BYTES:_NAMED_BYTES]
