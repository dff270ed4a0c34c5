"""The access file: who is known to the server, by what, and who signs their tokens.

The file is TOML and is taken whole or not at all. Its own text is never quoted but for names of callers, issuers and
keys; what it holds is no secret, for of issuers it names public keys alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Role
from resolver_grpc.server.access import Caller, Identity, IdentityKind
from resolver_grpc.server.strict_tables import check_keys, read_choice, read_tables, read_text, read_texts
from resolver_grpc.server.tokens import Algorithm, Issuer, PublicKey, parse_public_key

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TEXT = re.compile(r"[!-~]{1,255}")
_DNS_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_IN_CERTIFICATES = {kind.value: kind for kind in (IdentityKind.DNS, IdentityKind.URI, IdentityKind.EMAIL)}
_ROLES = {role.value: role for role in Role}
_RESOLVING = (Role.INTAKE, Role.DELIVERY)
_CALLER_KEYS = ("name", "role", "senders", "certificates", "tokens")
_ISSUER_KEYS = ("name", "audience", "algorithm", "keys")
_MOST_KEYS = 8
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Access:
    """What an access file says.

    Attributes:
        callers: the known callers by each thing that they are known by.
        issuers: whose tokens are taken.
    """

    callers: Mapping[Identity, Caller]
    issuers: tuple[Issuer, ...]


def read_access(path: Path) -> Access:
    """Reads an access file, and the public keys that it names.

    Raises:
        ConfigurationError: a file is missing, no TOML or no key, or one of its tables is not complete and sound;
            names the caller or the issuer, and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        # No UTF-8, no TOML, a number past what Python reads, or lists within lists without end.
        raise ConfigurationError(f"{path}: not a TOML file in UTF-8") from None
    if not set(document) <= {"callers", "issuers"} or "callers" not in document:
        raise ConfigurationError(f"{path}: holds no [[callers]], or something else beside [[callers]] and [[issuers]]")
    try:
        issuers = tuple(read_tables(document, "issuers", lambda table: parse_issuer(table, path.parent)))
        callers = _by_identity(document, frozenset(issuer.name for issuer in issuers))
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return Access(callers, issuers)


def parse_issuer(table: Mapping[str, object], folder: Path) -> Issuer:
    """Reads one issuer and its public keys.

    Args:
        table: the issuer's table.
        folder: where paths of keys begin.

    Raises:
        ValueError: a key of the table is unknown, missing or has no sensible value.
    """
    check_keys(table, _ISSUER_KEYS, _ISSUER_KEYS)
    algorithm = read_choice(table, "algorithm", {one.value: one for one in Algorithm})
    paths = read_texts(table, "keys")
    if not 0 < len(paths) <= _MOST_KEYS:
        raise ValueError(f"`keys` is not a list of 1 to {_MOST_KEYS} files")
    keys = tuple(_public_key(folder / path, algorithm) for path in paths)
    return Issuer(read_text(table, "name"), read_text(table, "audience"), algorithm, keys)


def parse_caller(table: Mapping[str, object], issuers: frozenset[str]) -> tuple[Caller, list[Identity]]:
    """Reads one caller and what it is known by.

    Args:
        table: the caller's table.
        issuers: the names of the known issuers.

    Raises:
        ValueError: a key of the table is unknown, missing or has no sensible value.
    """
    check_keys(table, ("name", "role"), _CALLER_KEYS)
    name = read_text(table, "name")
    if not _NAME.fullmatch(name):
        raise ValueError("`name` is not 1-64 letters, digits, `.`, `_` and `-`")
    identities = [*map(_certificate_name, read_texts(table, "certificates")), *_subjects(table, issuers)]
    if not identities:
        raise ValueError("neither `certificates` nor `tokens` says what it is known by")
    role = read_choice(table, "role", _ROLES)
    return Caller(name, role, _senders(table, role)), identities


def _by_identity(document: Mapping[str, object], issuers: frozenset[str]) -> dict[Identity, Caller]:
    callers: dict[Identity, Caller] = {}
    for caller, identities in read_tables(document, "callers", lambda table: parse_caller(table, issuers)):
        for identity in identities:
            if identity in callers:
                raise ValueError(f"caller {caller.name}: `{identity.kind}` identity of caller {callers[identity].name}")
            callers[identity] = caller
    return callers


def _certificate_name(text: str) -> Identity:
    """Reads a name as it stands in a certificate: ``DNS:intake.example.dk``, ``URI:spiffe://…``, ``email:…``."""
    kind, _, value = text.partition(":")
    if kind not in _IN_CERTIFICATES or not _TEXT.fullmatch(value):
        raise ValueError(f"`certificates` holds something that is none of {':… '.join(_IN_CERTIFICATES)}:…")
    identity = Identity(_IN_CERTIFICATES[kind], value)
    if identity.kind is not IdentityKind.DNS:
        return identity
    if not _DNS_NAME.fullmatch(value.lower()):
        raise ValueError("`certificates` holds a DNS: that is no name of a host; a pattern stands for nobody")
    return identity._replace(value=value.lower())


def _subjects(table: Mapping[str, object], issuers: frozenset[str]) -> Iterator[Identity]:
    tokens = table.get("tokens", [])
    if not isinstance(tokens, list) or not all(isinstance(token, Mapping) for token in tokens):
        raise ValueError('`tokens` is not a list of { issuer = "…", subject = "…" }')
    for token in tokens:
        check_keys(token, ("issuer", "subject"), ("issuer", "subject"))
        issuer, subject = read_text(token, "issuer"), read_text(token, "subject")
        if issuer not in issuers:
            raise ValueError("`tokens` names an `issuer` that is none of [[issuers]]")
        yield Identity(IdentityKind.SUBJECT, subject, issuer)


def _senders(table: Mapping[str, object], role: Role) -> frozenset[str] | None:
    """The senders that a caller may act for: a list of ids, or all of them; only those who resolve have any."""
    if role not in _RESOLVING:
        if "senders" in table:
            raise ValueError(f"`senders` stands beside the role {role}, which resolves for nobody")
        return frozenset()
    if table.get("senders") == _ALL:
        if role is not Role.DELIVERY:
            raise ValueError(f"`senders` is {_ALL}, which is for the role {Role.DELIVERY} alone; list their ids")
        return None
    senders = read_texts(table, "senders")
    if not senders or not all(map(_NAME.fullmatch, senders)):
        raise ValueError("`senders` is not a list of ids of senders")
    return frozenset(senders)


def _public_key(path: Path, algorithm: Algorithm) -> PublicKey:
    try:
        return parse_public_key(path.read_bytes(), algorithm)
    except OSError as error:
        raise ValueError(f"`keys`: {path}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"`keys`: {path}: {error}") from None
