from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from index_contents import COLUMNS_KEY, SNAPSHOT_ID, u32

from resolver_grpc.errors import SnapshotError
from resolver_grpc.index.columns import ColumnCipher, chunk_count
from resolver_grpc.index.layout import CHUNK_VALUES

CIPHER = ColumnCipher(COLUMNS_KEY, SNAPSHOT_ID)
VALUES = np.arange(2 * CHUNK_VALUES + 3, dtype=np.uint32)


@pytest.fixture(scope="module")
def chunks():
    return list(CIPHER.encode("address_number", VALUES))


@pytest.mark.parametrize("count", [0, 1, CHUNK_VALUES - 1, CHUNK_VALUES, CHUNK_VALUES + 1])
def test_a_column_comes_back(count):
    encoded = list(CIPHER.encode("address_number", VALUES[:count]))
    assert len(encoded) == chunk_count(count) == -(-count // CHUNK_VALUES)
    assert np.array_equal(CIPHER.decode("address_number", encoded, count), VALUES[:count])


@given(numbers=st.lists(st.text("0123456789", min_size=8, max_size=10), max_size=20))
def test_numbers_come_back(numbers):
    encoded = CIPHER.encode("number", np.array(numbers, "S10"))
    assert [number.decode() for number in CIPHER.decode("number", encoded, len(numbers)).tolist()] == numbers


def test_the_cipher_is_the_one_that_is_documented(chunks):
    """What a foreign reader relies on: HKDF-SHA256, nonce by chunk number, bound to column, place and count."""
    key = HKDF(SHA256(), length=32, salt=SNAPSHOT_ID, info=b"address_number").derive(COLUMNS_KEY)
    place = b"address_number" + u32([1, len(VALUES)]).tobytes()
    plain = AESGCM(key).decrypt((1).to_bytes(12, "big"), chunks[1], place)
    assert np.array_equal(np.frombuffer(plain, "<u4"), VALUES[CHUNK_VALUES : 2 * CHUNK_VALUES])


def test_nothing_stands_in_the_clear():
    chunk = next(CIPHER.encode("number", np.array(["0101801239"] * 9, "S10")))
    assert b"0101801239" not in chunk
    assert "0101801239" not in repr(CIPHER)
    assert repr(COLUMNS_KEY) not in repr(CIPHER)


@pytest.mark.parametrize("place", [0, 1_000, -1])
def test_a_changed_chunk_is_refused(chunks, place):
    changed = bytearray(chunks[1])
    changed[place] ^= 1
    with pytest.raises(SnapshotError, match="deciphered"):
        CIPHER.decode("address_number", [chunks[0], bytes(changed), chunks[2]], len(VALUES))


@pytest.mark.parametrize(
    ("order", "count", "fault"),
    [
        ((1, 0, 2), len(VALUES), "deciphered"),
        ((0, 0, 2), len(VALUES), "deciphered"),
        ((1, 2), len(VALUES), "deciphered"),
        ((0, 1), len(VALUES), "lacks values"),
        ((), len(VALUES), "lacks values"),
        ((0, 1), 2 * CHUNK_VALUES, "deciphered"),
        ((0, 1, 2, 2), len(VALUES), "deciphered"),
    ],
    ids=["swapped", "doubled", "first missing", "last missing", "all missing", "fewer said", "one too many"],
)
def test_chunks_that_were_moved_or_left_out_are_refused(chunks, order, count, fault):
    with pytest.raises(SnapshotError, match=fault):
        CIPHER.decode("address_number", [chunks[place] for place in order], count)


@pytest.mark.parametrize(
    ("cipher", "name"),
    [
        (ColumnCipher(bytes(32), SNAPSHOT_ID), "address_number"),
        (ColumnCipher(COLUMNS_KEY, bytes(16)), "address_number"),
        (CIPHER, "forwarding_ordinal"),
    ],
    ids=["other key", "other snapshot", "other column"],
)
def test_a_chunk_from_elsewhere_is_refused(chunks, cipher, name):
    with pytest.raises(SnapshotError, match="deciphered"):
        cipher.decode(name, chunks, len(VALUES))


@pytest.mark.parametrize("chunk", [b"", b"short", bytes(16)])
def test_bytes_that_are_no_chunk_are_refused(chunk):
    with pytest.raises(SnapshotError, match="deciphered"):
        CIPHER.decode("address_number", [chunk], 1)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_columns_key_of_another_length_is_refused(length):
    with pytest.raises(SnapshotError, match="columns key"):
        list(ColumnCipher(bytes(length), SNAPSHOT_ID).encode("address_number", VALUES[:1]))
