import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.errors import KeyFileError
from resolver_grpc.keys import IndexKeys, KeyKind, KeyRing, MasterKey

KEYS = IndexKeys(b"k" * 32)
HOME = Address("8000", "vestergade", "12", "3", "tv", "")
KVHX = Kvhx("0751", "1234", "12", "3", "tv")


def test_a_key_is_keyed_blake2b_over_the_kinds_byte_and_the_parts():
    """Fixed for good: a change is a new canonical or format version."""
    made = KEYS.key(KeyKind.TEXT_ADDRESS, "8000", "vestergade", "12", "3", "tv", "")
    plain = b"\x01" + b"8000\x1fvestergade\x1f12\x1f3\x1ftv\x1f"
    assert made == KEYS.place(HOME) == hashlib.blake2b(plain, digest_size=16, key=b"k" * 32).digest()
    assert made != IndexKeys(b"l" * 32).place(HOME)


def test_kinds_and_places_never_meet():
    keys = [KEYS.key(kind, "a", "b") for kind in KeyKind]
    keys += [KEYS.place(place, *names) for place in (HOME, KVHX) for names in ((), ("ann",), ("ann", "bo"))]
    keys += [KEYS.place(HOME._replace(town="bolbro")), KEYS.place(HOME, "bo"), KEYS.place(HOME, "ann", "ann")]
    keys += [KEYS.street("8000", "vestergade"), KEYS.street_with_town("8000", "vestergade", "bolbro")]
    keys += [KEYS.place(HOME._replace(floor="", door="3")), KEYS.place(HOME._replace(floor="3", door=""))]
    assert len(set(keys)) == len(keys)


@given(st.text())
def test_no_canonical_form_holds_the_separator(text):
    assert "\x1f" not in canonical_street(text) + "".join(canonical_name_words(text + "\x1f" + text))


def hkdf(secret, use):
    """RFC 5869 with an empty salt, for one block of output."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, f"resolver-grpc/1/{use}".encode() + b"\x01", "sha256")


def test_each_use_has_a_secret_of_its_own_derived_from_the_master_key():
    key = MasterKey(bytes(range(32)))
    assert key.index_keys.secret == hkdf(key.secret, "index")
    assert key.columns_secret == hkdf(key.secret, "columns")
    assert key.snapshot_secret == hkdf(key.secret, "snapshot")
    assert key.handles_secret == hkdf(key.secret, "handles")
    assert key.audit_secret == hkdf(key.secret, "audit")
    assert key.budgets_secret == hkdf(key.secret, "budgets")
    assert key.key_id == hkdf(key.secret, "key id")[:8].hex()


def test_a_key_never_shows_in_its_own_description():
    assert "0101" not in repr(MasterKey(b"0101" * 8)) + repr(IndexKeys(b"0101" * 8))


RING = KeyRing(MasterKey(b"a" * 32), (MasterKey(b"b" * 32), MasterKey(b"c" * 32)))


def test_a_ring_gives_the_active_key_first_and_finds_each_by_its_id():
    assert list(RING) == [MasterKey(letter * 32) for letter in (b"a", b"b", b"c")]
    assert [RING.of(key.key_id) for key in RING] == list(RING)


@pytest.mark.parametrize("key_id", ["", MasterKey(b"d" * 32).key_id, MasterKey(b"a" * 32).key_id[:-1]])
def test_a_key_that_is_not_in_the_ring_is_refused(key_id):
    with pytest.raises(
        KeyFileError, match="built under another key; pass the key file that the builder used"
    ) as raised:
        RING.of(key_id)
    assert f"holds no key '{key_id}'" in raised.value.message


def test_of_an_id_that_is_none_no_more_is_told_than_an_id_has():
    with pytest.raises(KeyFileError) as raised:
        RING.of("\x1b[2J\nØster" + "long" * 9)
    assert "key '\\x1b[2J\\n\\xd8sterlonglo':" in raised.value.message


def test_a_ring_never_shows_a_key_in_its_description():
    assert not [key for key in RING if key.secret.decode() in repr(RING)]
