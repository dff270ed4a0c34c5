"""Targets that take what operators keep: keys, configuration, tokens, snapshots, the audit."""

from __future__ import annotations

import tomllib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from access_nursery import AUDIENCE, ISSUER
from audit_nursery import KEYRING, Clock, chain, record
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fast_nursery import KERNEL
from fuzz_oracle import refusing, words_of
from fuzz_tables import opening_folder

from resolver_grpc.audit.naming import head_name, list_chains
from resolver_grpc.audit.verify import verify_folder
from resolver_grpc.errors import ConfigurationError, KeyFileError, SnapshotError, UnauthenticatedError
from resolver_grpc.index.layout import INDEX_FILE
from resolver_grpc.index.pages import check_pages, decode_page
from resolver_grpc.index.postings import decode_posting, encode_posting
from resolver_grpc.key_file import read_key_ring
from resolver_grpc.server.access_file import read_access
from resolver_grpc.server.identity import bearer_token
from resolver_grpc.server.senders import read_senders
from resolver_grpc.server.served import open_served
from resolver_grpc.server.tokens import Algorithm, Issuer, Tokens, parse_public_key
from resolver_grpc.snapshot.manifest import MANIFEST_FILE, decode_manifest, encode_manifest
from small_register import NOON, build_register

SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
PUBLIC_PEM = SIGNING_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
NOW = 1_800_000_000
SUBJECTS = frozenset({"intake", "Zaphod Beeblebrox"})
OWNERS = 1_000


def fuzz_key_file(folder, data):
    """A key file is a ring, or refused without a word of it."""
    path = folder / "index.key"
    path.write_bytes(data)
    path.chmod(0o600)
    with refusing(data, path, kind=KeyFileError):
        read_key_ring(path)


def fuzz_senders(folder, data):
    """A senders file is taken, or refused by the place of a sender and the name of a key."""
    path = folder / "senders.toml"
    path.write_bytes(data)
    with refusing(data, path, _names_of(data), kind=ConfigurationError):
        read_senders(path)


@contextmanager
def opening_access_folder():
    """A folder with an issuer's public key."""
    with opening_folder() as folder:
        (folder / "idp.pem").write_bytes(PUBLIC_PEM)
        yield folder


def fuzz_access(folder, data):
    """An access file is taken, or refused by names of callers, issuers and keys."""
    path = folder / "access.toml"
    path.write_bytes(data)
    with refusing(data, str(folder), _names_of(data), kind=ConfigurationError):
        read_access(path)


def _names_of(data):
    """The words of a TOML file's keys, names and paths of key files, which a refusal may tell."""
    words = set()

    def walk(value, *, may_be_told):
        if isinstance(value, dict):
            for key, held in value.items():
                words.update(words_of(key))
                walk(held, may_be_told=key in {"name", "keys"})
        elif isinstance(value, list):
            for held in value:
                walk(held, may_be_told=may_be_told)
        elif may_be_told and isinstance(value, str):
            words.update(words_of(value))

    with suppress(ValueError, RecursionError):
        walk(tomllib.loads(StringIO(data.decode(), newline=None).read()), may_be_told=False)
    return frozenset(words)


@contextmanager
def opening_tokens():
    """What verifies the tokens of one issuer."""
    key = parse_public_key(PUBLIC_PEM, Algorithm.EDDSA)
    yield Tokens([Issuer(ISSUER, AUDIENCE, Algorithm.EDDSA, (key,))])


def fuzz_token(tokens, data):
    """An authorization is refused, or one that the issuer signed for somebody whom the tests named."""
    value = data.decode("iso-8859-1")
    with refusing(data, kind=UnauthenticatedError):
        token = bearer_token([("authorization", value)])
        verified = tokens.verify(token, NOW)
        assert verified.identity.value in SUBJECTS
        assert verified.not_before <= NOW < verified.expires


def fuzz_public_key(_environment, data):
    """An issuer's key file is a public key of its algorithm, or refused."""
    for algorithm in Algorithm:
        with refusing(data, kind=ValueError):
            parse_public_key(data, algorithm)


@dataclass
class Audit:
    """A folder with one chain file, as it was written."""

    folder: Path
    chain: Path
    head: Path
    sound: bytes


@contextmanager
def opening_audit():
    """An audit of three records, closed."""
    with opening_folder() as folder:
        one = chain(folder, clock=Clock())
        for number in range(3):
            one.append([record(number)])
        one.close()
        (name,) = list_chains(folder)
        yield Audit(folder, folder / name, folder / head_name(name), (folder / name).read_bytes())


def fuzz_audit(audit, data):
    """A chain and its head, parted by a zero byte, are what was written, or faults are told."""
    content, _, head = data.partition(b"\0")
    audit.chain.write_bytes(content)
    audit.head.write_bytes(head)
    faults = verify_folder(audit.folder, KEYRING).faults
    assert faults or content == audit.sound
    for fault in faults:
        assert f"{fault.file} {fault.what}".isprintable()


@dataclass
class Snapshot:
    """A built snapshot, and its two files as they were written."""

    register: object
    files: dict


@contextmanager
def opening_snapshot():
    """The small register's snapshot."""
    with opening_folder() as folder:
        register = build_register(folder)
        names = (INDEX_FILE, MANIFEST_FILE)
        yield Snapshot(register, {name: (register.directory / name).read_bytes() for name in names})


def fuzz_snapshot(snapshot, data):
    """A snapshot of which some bytes are others is refused; whose it is never told.

    The first byte says of which file; then three bytes of place and one of value for each byte that is another.
    """
    name = (INDEX_FILE, MANIFEST_FILE)[data[0] % 2] if data else INDEX_FILE
    path, sound = snapshot.register.directory / name, snapshot.files[name]
    changed = bytearray(sound)
    for start in range(1, len(data) - 3, 4):
        changed[int.from_bytes(data[start : start + 3], "little") % len(changed)] = data[start + 3]
    if bytes(changed) == sound:
        return
    path.write_bytes(changed)
    try:
        with refusing(data, snapshot.register.directory, kind=SnapshotError):
            served = open_served(snapshot.register.directory, snapshot.register.key, {}, NOON)
            served.snapshot.index.close()
            raise AssertionError("a snapshot with other bytes was opened")
    finally:
        path.write_bytes(sound)


def fuzz_manifest(_environment, data):
    """Bytes are the one spelling of a manifest, or refused."""
    with refusing(data, kind=SnapshotError):
        assert encode_manifest(decode_manifest(data)) == data


def fuzz_index(_environment, data):
    """Posting lists and pages of any bytes are refused or sound, for Python and the kernel alike."""
    with refusing(data, kind=SnapshotError):
        ordinals = decode_posting(data, OWNERS)
        assert list(ordinals) == sorted(set(ordinals))
        assert all(0 <= ordinal < OWNERS for ordinal in ordinals)
        assert decode_posting(encode_posting(np.array(ordinals, np.uint32)), OWNERS) == ordinals
    sound = False
    with refusing(data, kind=SnapshotError):
        check_pages([data], 0, 1, OWNERS, 3)
        sound = True
    if len(data) % 20 == 0:
        assert KERNEL.PageSet([memoryview(data)], OWNERS, 3, bytearray(1), []).check(0, 1) == sound
        keys, slots = decode_page(data)
        assert len(keys) == len(slots)


SENDERS_TOML = """
[[senders]]
id = "power"
name = "Zaphod Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["FULL_NAME", "CPR"]
hold = true
fallback = "LETTER"

[[senders]]
id = "town"
name = "Town"
cvr = "61126228"
class = "PUBLIC"
mandatory = true
kinds = []
"""
