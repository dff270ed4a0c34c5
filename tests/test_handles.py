"""Handles: blocks there and back, and everybody else's are nobody's."""

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver_grpc.handles import Handles, NamedOwner, decode_block, encode_block
from resolver_grpc.keys import MasterKey
from resolver_grpc.model import Kind

SECRET, OLDER, FOREIGN = (bytes([byte]) * 32 for byte in b"aof")
HANDLES = Handles([SECRET])
SENDER_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NUMBERS = st.from_regex(r"[0-9]{10}|[0-9]{8}", fullmatch=True)
KINDS = [kind for kind in Kind if kind not in {Kind.UNSPECIFIED, Kind.HANDLE}]
CALMLY = settings(deadline=None)
OWNERS = st.builds(NamedOwner, NUMBERS, st.sampled_from(KINDS))


def key_of(secret, sender_id):
    """RFC 5869 with an empty salt, for one block of output: what a sender's cipher is keyed with."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, b"resolver-grpc/1/handles/" + sender_id.encode() + b"\x01", "sha256")


def enciphered_alone(key, block):
    """One block by a mode of its own: CBC under a vector of zeros is the block cipher itself."""
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor().update(block)


@pytest.mark.parametrize(
    ("owner", "block"),
    [
        (NamedOwner("0101801239", Kind.FULL_NAME), "01 0101801239 00000000000000000000"),
        (NamedOwner("13585628", Kind.CVR), "06 13585628ff 00000000000000000000"),
        (NamedOwner("0000000000", Kind.CPR), "05 0000000000 00000000000000000000"),
    ],
)
def test_a_block_is_kind_digits_and_80_bits_of_zeros(owner, block):
    """Fixed for good: a change makes every handle that was issued a stranger's."""
    assert encode_block(owner) == bytes.fromhex(block)


@given(SENDER_IDS, st.lists(OWNERS, max_size=20))
@CALMLY
def test_what_was_issued_is_read(sender_id, owners):
    handles = HANDLES.issue(sender_id, owners)
    assert all(len(handle) == 16 for handle in handles)
    assert HANDLES.read(sender_id, handles) == owners


@given(SENDER_IDS, st.lists(OWNERS, min_size=1, max_size=5))
@CALMLY
def test_a_handle_is_one_block_of_aes_under_the_senders_key(sender_id, owners):
    key = key_of(SECRET, sender_id)
    alone = [enciphered_alone(key, encode_block(owner)) for owner in owners]
    assert HANDLES.issue(sender_id, owners) == alone
    assert HANDLES.encipher(sender_id, b"".join(map(encode_block, owners))) == b"".join(alone)


@given(SENDER_IDS, OWNERS)
@CALMLY
def test_the_same_owner_and_kind_have_the_same_handle_for_a_sender(sender_id, owner):
    other = Handles([SECRET, OLDER])
    assert HANDLES.issue(sender_id, [owner, owner]) == other.issue(sender_id, [owner]) * 2


@given(st.lists(SENDER_IDS, min_size=2, max_size=2, unique=True), OWNERS)
@CALMLY
def test_another_sender_s_handle_is_nobody_s_and_never_equal(sender_ids, owner):
    mine, others = sender_ids
    handle = HANDLES.issue(mine, [owner])
    assert HANDLES.issue(others, [owner]) != handle
    assert HANDLES.read(others, handle) == [None]


@given(OWNERS)
@CALMLY
def test_one_number_under_two_kinds_has_two_handles(owner):
    assert len(set(HANDLES.issue("s", [owner._replace(kind=kind) for kind in KINDS]))) == len(KINDS)


@given(OWNERS, st.integers(0, 127))
@CALMLY
def test_a_handle_with_any_bit_flipped_is_nobody_s(owner, bit):
    handle = int.from_bytes(HANDLES.issue("s", [owner])[0])
    assert HANDLES.read("s", [(handle ^ 1 << bit).to_bytes(16)]) == [None]


@given(st.binary(min_size=16, max_size=16))
@CALMLY
def test_any_16_bytes_are_nobody_s(handle):
    assert HANDLES.read("s", [handle]) == [None]


@pytest.mark.parametrize("bit", range(48, 128))
def test_a_block_of_which_one_of_the_80_bits_is_no_zero_is_nobody_s(bit):
    block = int.from_bytes(encode_block(NamedOwner("0101801239", Kind.CPR)), "big") | 1 << 127 - bit
    assert decode_block(block.to_bytes(16, "big")) is None


@given(st.binary(min_size=16, max_size=16))
@CALMLY
def test_a_block_that_is_read_is_the_one_that_is_laid_out(block):
    owner = decode_block(block[:6] + bytes(10))
    assert owner is None or encode_block(owner) == block[:6] + bytes(10)
    assert decode_block(block) is None or block[6:] == bytes(10)


@pytest.mark.parametrize("kind", [0, 7, 8, 255])
def test_a_kind_that_no_decision_comes_from_is_nobody_s(kind):
    block = bytes([kind]) + encode_block(NamedOwner("0101801239", Kind.CPR))[1:]
    assert HANDLES.read("s", [HANDLES.encipher("s", block)]) == [None]


@pytest.mark.parametrize("digits", ["123456789f", "1234567fff", "ffffffffff", "12345678f9", "12345f78ff", "a234567890"])
def test_digits_that_no_number_has_are_nobody_s(digits):
    block = bytes([Kind.CVR]) + bytes.fromhex(digits) + bytes(10)
    assert HANDLES.read("s", [HANDLES.encipher("s", block)]) == [None]


@given(st.lists(st.tuples(OWNERS, st.sampled_from([SECRET, OLDER, FOREIGN])), max_size=12))
@CALMLY
def test_handles_of_every_key_of_the_ring_are_read_and_those_of_others_are_not(issued):
    handles = [Handles([secret]).issue("s", [owner])[0] for owner, secret in issued]
    expected = [None if secret == FOREIGN else owner for owner, secret in issued]
    assert Handles([SECRET, OLDER]).read("s", handles) == expected


def test_new_handles_are_made_under_the_active_key_alone():
    owner = NamedOwner("0101801239", Kind.CPR)
    rotated = Handles([SECRET, OLDER])
    assert rotated.issue("s", [owner]) == HANDLES.issue("s", [owner]) != Handles([OLDER]).issue("s", [owner])
    assert HANDLES.read("s", Handles([OLDER]).issue("s", [owner])) == [None]


@pytest.mark.parametrize("size", [1, 15, 17, 31])
def test_what_is_no_whole_block_is_refused_and_shifts_no_other(size):
    """The ciphers go on from call to call: what stayed in one would stand in the next one's handles."""
    owner = NamedOwner("0101801239", Kind.CPR)
    handles = Handles([SECRET])
    for refuse in (lambda: handles.encipher("s", bytes(size)), lambda: handles.read("s", [bytes(size)])):
        with pytest.raises(ValueError, match="whole blocks"):
            refuse()
    assert handles.read("s", handles.issue("s", [owner])) == [owner]
    assert handles.issue("s", [owner]) == HANDLES.issue("s", [owner])


def test_no_handles_are_no_work():
    assert HANDLES.issue("s", []) == HANDLES.read("s", []) == []


def test_the_secret_of_handles_is_derived_for_them_alone():
    key = MasterKey(bytes(range(32)))
    extracted = hmac.digest(bytes(32), key.secret, "sha256")
    assert key.handles_secret == hmac.digest(extracted, b"resolver-grpc/1/handles\x01", "sha256")
    assert len({key.handles_secret, key.columns_secret, key.snapshot_secret, key.index_keys.secret}) == 4


def test_neither_handles_nor_their_descriptions_show_a_secret():
    assert SECRET.hex() not in repr(HANDLES) + str(vars(HANDLES).keys())
    assert "aaaa" not in repr(HANDLES)
