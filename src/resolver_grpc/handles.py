"""Handles: 16 bytes that stand for an owner towards one sender, and tell nothing else.

What belongs here: making them and reading them, and nothing of what they are good for. A handle is one block of
AES-256 under a key of its sender's own (ADR 0020): the kind of the query that it came from, the owner's number,
and 80 bits of zeros, by which a block is known that nobody else can have made.

| bytes | what |
| --- | --- |
| 0 | the number of the ``Kind``, FULL_NAME to CVR |
| 1-5 | the number's digits, half a byte each; a CVR number's eight have 0xF twice behind them |
| 6-15 | zeros |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from resolver_grpc.model import Kind

HANDLE_BYTES: Final = 16
_KEY_BYTES: Final = 32
_NUMBER_ENDS: Final = 6
_REDUNDANCY: Final = bytes(HANDLE_BYTES - _NUMBER_ENDS)
_NO_DIGIT: Final = "f"
_DIGITS: Final = frozenset({8, 10})
_MOST_DIGITS: Final = 10
_ISSUED_FOR: Final = frozenset(Kind) - {Kind.UNSPECIFIED, Kind.HANDLE}
_SENDERS: Final = 1024


class _OfSender(NamedTuple):
    """A sender's ciphers. To make one costs more than a slice's handles: each is made once, and goes on."""

    encipher: CipherContext
    decipher: tuple[CipherContext, ...]


class NamedOwner(NamedTuple):
    """What a handle says.

    Attributes:
        number: the owner's CPR or CVR number when the handle was made.
        kind: that of the query whose decision gave the handle.
    """

    number: str
    kind: Kind


def encode_block(owner: NamedOwner) -> bytes:
    """Lays out the block that is enciphered to a handle.

    Args:
        owner: with a number of eight or ten digits, and any kind but HANDLE.
    """
    return bytes((owner.kind,)) + bytes.fromhex(owner.number.ljust(_MOST_DIGITS, _NO_DIGIT)) + _REDUNDANCY


def decode_block(block: bytes) -> NamedOwner | None:
    """Reads a block of 16 bytes; None where it is none that ``encode_block`` lays out."""
    number = block[1:_NUMBER_ENDS].hex()
    digits = number.rstrip(_NO_DIGIT)
    is_sound = (
        block[_NUMBER_ENDS:] == _REDUNDANCY
        and block[0] in _ISSUED_FOR
        and len(digits) in _DIGITS
        and digits.isdecimal()
    )
    return NamedOwner(digits, Kind(block[0])) if is_sound else None


class Handles:
    """Makes and reads the handles of a ring of keys.

    Args:
        secrets: 32 bytes of each key, derived for this use alone; the active key's first. New handles are made
            under that one, those made under the others are still read.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)
        self._of_sender = lru_cache(_SENDERS)(self._derive)
        self._lock = Lock()

    def issue(self, sender_id: str, owners: Sequence[NamedOwner]) -> list[bytes]:
        """Makes the handles of some owners for a sender, in one call of the cipher."""
        enciphered = self.encipher(sender_id, b"".join(map(encode_block, owners)))
        return [enciphered[at : at + HANDLE_BYTES] for at in range(0, len(enciphered), HANDLE_BYTES)]

    def encipher(self, sender_id: str, blocks: bytes) -> bytes:
        """Makes handles of blocks, one behind the other as they lie, in one call of the cipher.

        Args:
            sender_id: whose handles these are.
            blocks: as ``encode_block`` lays them out, 16 bytes each.

        Returns:
            As many bytes.

        Raises:
            ValueError: bytes that are no whole blocks.
        """
        with self._lock:
            return _pass_through(self._of_sender(sender_id).encipher, blocks)

    def read(self, sender_id: str, handles: Sequence[bytes]) -> list[NamedOwner | None]:
        """Reads handles, all in one call of the cipher for each key of the ring.

        Args:
            sender_id: who asks.
            handles: any 16 bytes each.

        Returns:
            What each says; None for one that was not made for this sender under a key of the ring.

        Raises:
            ValueError: handles of another length.
        """
        if not handles:
            return []
        joined = b"".join(handles)
        with self._lock:
            blocks = [_pass_through(cipher, joined) for cipher in self._of_sender(sender_id).decipher]
        read = [
            [decode_block(some[at : at + HANDLE_BYTES]) for at in range(0, len(some), HANDLE_BYTES)] for some in blocks
        ]
        return [next(filter(None, said), None) for said in zip(*read, strict=True)]

    def _derive(self, sender_id: str) -> _OfSender:
        """A cipher for each key of the ring, under what HKDF-SHA256 makes of it for this sender."""
        label = f"resolver-grpc/1/handles/{sender_id}".encode()
        keys = [HKDF(SHA256(), _KEY_BYTES, salt=None, info=label).derive(secret) for secret in self._secrets]
        # Each message is one block, and equal handles for equal owners are wanted.
        ciphers = [Cipher(AES256(key), ECB()) for key in keys]  # noqa: S305 - see ADR 0020
        return _OfSender(ciphers[0].encryptor(), tuple(cipher.decryptor() for cipher in ciphers))


def _pass_through(cipher: CipherContext, blocks: bytes) -> bytes:
    """Passes whole blocks through a cipher that goes on: part of one would stay in it, and shift all that follow."""
    if len(blocks) % HANDLE_BYTES:
        raise ValueError("no whole blocks")
    passed = bytearray(len(blocks) + HANDLE_BYTES - 1)
    size = cipher.update_into(blocks, passed)
    return bytes(memoryview(passed)[:size])
