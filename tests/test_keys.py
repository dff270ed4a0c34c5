import base64
import hashlib
import hmac
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.canonical.address import Address
from resolver_grpc.canonical.kvhx import Kvhx
from resolver_grpc.canonical.names import canonical_name_words
from resolver_grpc.canonical.street import canonical_street
from resolver_grpc.errors import KeyFileError
from resolver_grpc.keys import IndexKeys, KeyKind, MasterKey, create_key_file, read_key_file

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
    assert key.key_id == hkdf(key.secret, "key id")[:8].hex()


def test_a_key_never_shows_in_its_own_description():
    assert "0101" not in repr(MasterKey(b"0101" * 8)) + repr(IndexKeys(b"0101" * 8))


def test_a_new_key_file_is_read_again_and_belongs_to_its_owner_alone(tmp_path):
    path = tmp_path / "index.key"
    made = create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key_file(path) == made
    assert create_key_file(tmp_path / "other.key") != made
    with pytest.raises(KeyFileError, match="never overwritten"):
        create_key_file(path)
    assert read_key_file(path) == made


def test_a_key_file_that_cant_be_made_is_refused(tmp_path):
    with pytest.raises(KeyFileError, match="can't be written: No such file"):
        create_key_file(tmp_path / "nowhere" / "index.key")


def test_a_key_file_that_cant_be_finished_is_removed_again(tmp_path):
    """Half a key would stand in the way of the next attempt."""
    program = """
import pathlib, resource, sys
from resolver_grpc.keys import create_key_file
resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))
create_key_file(pathlib.Path(sys.argv[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "index.key"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "index.key: can't be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (None, 0o600, "can't be read: No such file or directory; make one with"),
        (base64.b64encode(bytes(32)), 0o640, "others may read it; run `chmod 600`"),
        (base64.b64encode(bytes(32)), 0o604, "others may read it"),
        (b"", 0o600, "holds no key of 32 bytes"),
        (base64.b64encode(bytes(31)), 0o600, "holds no key of 32 bytes"),
        (base64.b64encode(bytes(33)), 0o600, "holds no key of 32 bytes"),
        (b"\xff" * 44, 0o600, "holds no key of 32 bytes"),
        (base64.b64encode(bytes(32)) + b"!", 0o600, "holds no key of 32 bytes"),
        (bytes(32), 0o600, "holds no key of 32 bytes"),
    ],
)
def test_what_is_no_key_file_is_refused_in_one_sentence(tmp_path, content, mode, problem):
    path = tmp_path / "index.key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(KeyFileError) as raised:
        read_key_file(path)
    assert problem in raised.value.message
    assert raised.value.message.startswith(str(path))


def test_a_directory_is_no_key_file(tmp_path):
    with pytest.raises(KeyFileError, match="can't be read: Is a directory"):
        read_key_file(tmp_path)


@pytest.mark.parametrize("content", [base64.b64encode(b"k" * 32), b" " + base64.b64encode(b"k" * 32) + b"\r\n"])
def test_blanks_around_a_key_dont_count(tmp_path, content):
    path = tmp_path / "index.key"
    path.write_bytes(content)
    path.chmod(0o400)
    assert read_key_file(path) == MasterKey(b"k" * 32)
