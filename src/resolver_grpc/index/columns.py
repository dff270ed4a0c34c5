"""Columns: fixed-width values by ordinal, enciphered in chunks.

What belongs here: the codec of a column. Each column of each snapshot has a key of its own, derived from the
columns key, the snapshot's id and the column's name, and each chunk a nonce of its own, its number; since the
id is a digest of the content, no nonce ever meets two plaintexts. A chunk is bound to its column, its place
and the number of values of the whole column: one that was changed, moved, left out or taken from elsewhere
is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.layout import CHUNK_VALUES, COLUMN_TYPES, COLUMNS_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resolver_grpc.index.pages import Page

Values: TypeAlias = npt.NDArray[Any]

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PLACE: Final = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class ColumnCipher:
    """Enciphers and deciphers the columns of one snapshot.

    Attributes:
        columns_key: the secret of all columns, 32 bytes.
        snapshot_id: the snapshot's id.
    """

    columns_key: bytes = field(repr=False)
    snapshot_id: bytes

    def encode(self, name: str, values: Values) -> Iterator[bytes]:
        """Enciphers the values of a column, chunk by chunk; none where there are no values."""
        cipher = self._cipher(name)
        for number in range(chunk_count(len(values))):
            chunk = values[number * CHUNK_VALUES : (number + 1) * CHUNK_VALUES]
            plain = chunk.astype(COLUMN_TYPES[name]).tobytes()
            yield cipher.encrypt(_nonce(number), plain, _place(name, number, len(values)))

    def decode(self, name: str, chunks: Iterable[Page], count: int) -> Values:
        """Deciphers a column of so many values.

        Raises:
            SnapshotError: a chunk is damaged, at the wrong place, missing, or of another snapshot or key.
        """
        cipher = self._cipher(name)
        values = np.empty(count, COLUMN_TYPES[name])
        deciphered = 0
        try:
            for number, chunk in enumerate(chunks):
                plain = cipher.decrypt(_nonce(number), chunk, _place(name, number, count))
                found = np.frombuffer(plain, values.dtype)
                values[deciphered : deciphered + len(found)] = found
                deciphered += len(found)
        except InvalidTag:
            raise SnapshotError(
                f"The column {name} of the index can't be deciphered; "
                "use the key file that the builder used, or publish the snapshot again.",
                column=name,
            ) from None
        if deciphered != count:
            raise SnapshotError(
                f"The column {name} of the index lacks values; publish the snapshot again.", column=name
            )
        return values

    def _cipher(self, name: str) -> AESGCM:
        if len(self.columns_key) != COLUMNS_KEY_BYTES:
            raise SnapshotError(f"The columns key has not {COLUMNS_KEY_BYTES} bytes; use the builder's key file.")
        derived = HKDF(SHA256(), length=COLUMNS_KEY_BYTES, salt=self.snapshot_id, info=name.encode())
        return AESGCM(derived.derive(self.columns_key))


def chunk_count(values: int) -> int:
    """Tells how many chunks a column of so many values has."""
    return -(-values // CHUNK_VALUES)


def enciphered_bytes(name: str, values: int) -> int:
    """Tells how long the chunks of a column of so many values are together."""
    return values * np.dtype(COLUMN_TYPES[name]).itemsize + chunk_count(values) * _TAG_BYTES


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


def _place(name: str, number: int, count: int) -> bytes:
    """States where a chunk belongs: its column, its number and how many values the column has."""
    return name.encode() + _PLACE.pack(number, count)
