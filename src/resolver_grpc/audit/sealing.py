"""Seals: what ties each line of the audit to the one before it, and only who holds the key can make.

What belongs here: a line as bytes, and its seal. A line is canonical JSON (sorted, without blanks, ASCII) whose last
field is the seal: the first 16 bytes of HMAC-SHA256 over the former line's seal and the line without its own. Who
reads lines holds the bytes to the seal before anything in them is believed.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from resolver_grpc.audit.record import Body

if TYPE_CHECKING:
    # Whoever writes lines needs no ciphers, and starts twice as fast without them.
    from resolver_grpc.keys import MasterKey

SEAL_BYTES: Final = 16
NO_SEAL: Final = bytes(SEAL_BYTES)
"""Stands for the former seal where a line is its file's first, or alone in it."""
MAX_LINE: Final = 65_536
"""Bytes that no line reaches; what is longer is none."""

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_BEFORE_SEAL: Final = b',"seal":"'
_AFTER_SEAL: Final = b'"}'
_TAIL: Final = len(_BEFORE_SEAL) + 2 * SEAL_BYTES + len(_AFTER_SEAL)
_HASH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """The secrets of one audit.

    Attributes:
        key_id: names the master key that they come from.
        lines: seals lines.
        shipments: hashes shipment ids.
        subjects: hashes the numbers of data subjects.
    """

    key_id: str
    lines: bytes = field(repr=False)
    shipments: bytes = field(repr=False)
    subjects: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, key: MasterKey) -> AuditKeys:
        """The audit's secrets of a master key."""
        uses = (b"lines", b"shipments", b"subjects")
        return cls(key.key_id, *(hmac.digest(key.audit_secret, use, "sha256") for use in uses))

    def hash_shipment(self, sender_id: str, shipment_id: str) -> str:
        """The keyed hash that stands for a sender's shipment; empty where it has no id.

        Two senders' shipments of one id get two hashes.
        """
        if not shipment_id:
            return ""
        named = _ENCODER.encode([sender_id, shipment_id]).encode()
        return hmac.digest(self.shipments, named, "sha256")[:_HASH_BYTES].hex()

    def hash_subject(self, number: str) -> str:
        """The keyed hash that stands for the owner of a number."""
        return hmac.digest(self.subjects, number.encode(), "sha256")[:_HASH_BYTES].hex()


class Line(NamedTuple):
    """A line as it was read.

    Attributes:
        body: what it says, without its seal.
        seal: its seal.
    """

    body: Body
    seal: bytes

    @property
    def sequence(self) -> int:
        """Its number in the chain, counted from 0."""
        sequence = self.body["sequence"]
        assert isinstance(sequence, int)
        return sequence


def seal_line(secret: bytes, former: bytes, body: Body) -> tuple[bytes, bytes]:
    """Makes a line.

    Args:
        secret: ``AuditKeys.lines``.
        former: the seal of the line before it.
        body: what it says.

    Returns:
        The line with its line feed, and its seal.
    """
    text = _ENCODER.encode(body).encode()
    seal = _seal(secret, former, text)
    return text[:-1] + _BEFORE_SEAL + seal.hex().encode() + _AFTER_SEAL + b"\n", seal


def read_line(secret: bytes, former: bytes | None, line: bytes) -> Line | None:
    """Reads a line that is what was written after the line of a seal; None where it is anything else.

    Args:
        secret: ``AuditKeys.lines``.
        former: the seal of the line before it; None where that one has none.
        line: with its line feed.
    """
    text = line[: -_TAIL - 1] + b"}"
    seal = _seal(secret, former or NO_SEAL, text)
    made = text[:-1] + _BEFORE_SEAL + seal.hex().encode() + _AFTER_SEAL + b"\n"
    if former is None or not hmac.compare_digest(made, line):
        return None
    return Line(json.loads(text), seal)


def stated_seal(line: bytes) -> bytes | None:
    """The seal that a line states, whether it holds or not; None where it states none."""
    if line[-_TAIL - 1 : -_TAIL - 1 + len(_BEFORE_SEAL)] != _BEFORE_SEAL or not line.endswith(_AFTER_SEAL + b"\n"):
        return None
    try:
        seal = bytes.fromhex(line[len(line) - _TAIL - 1 + len(_BEFORE_SEAL) : -len(_AFTER_SEAL) - 1].decode())
    except ValueError:
        return None
    return seal if len(seal) == SEAL_BYTES else None


def _seal(secret: bytes, former: bytes, text: bytes) -> bytes:
    return hmac.digest(secret, former + text, "sha256")[:SEAL_BYTES]
