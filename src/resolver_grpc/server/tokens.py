"""Signed tokens (JWT, RFC 7519): whose a token is, as of an instant.

What belongs here: verifying a token against the keys of its issuer. The algorithm is the issuer's, never the
token's choice, and a key is a public key of just that algorithm: neither ``none`` nor a public key taken for an HMAC's
secret can pass (RFC 8725, section 3.1). The instant is an argument; there is no leeway.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from resolver_grpc.server.access import Identity, IdentityKind, unauthenticated

MAX_TOKEN_BYTES = 4 * 1024
"""Room for any token with a signature; gRPC refuses calls by itself from 8 KiB of metadata on."""
_TOKENS_REMEMBERED = 1024
_LEAST_RSA_BITS = 2048

PublicKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@unique
class Algorithm(StrEnum):
    """How an issuer signs; each by a key that the server could not sign with."""

    EDDSA = "EdDSA"
    ES256 = "ES256"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens.

    Attributes:
        name: the claim ``iss`` of its tokens.
        audience: what their claim ``aud`` must name.
        algorithm: how it signs.
        keys: the public keys that it signs under: one, or two while it changes them.
    """

    name: str
    audience: str
    algorithm: Algorithm
    keys: tuple[PublicKey, ...]


class Verified(NamedTuple):
    """A token whose signature, issuer and audience are right.

    Attributes:
        identity: whose it is.
        not_before: the first instant of its validity, in seconds of UTC.
        expires: the first instant past it.
    """

    identity: Identity
    not_before: float
    expires: float


class Tokens:
    """Verifies tokens; remembers those that were verified, for a caller shows one for as long as it lasts.

    Args:
        issuers: whose tokens are taken.
    """

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self._issuers = tuple(issuers)
        # A token that is refused is not remembered: nobody can drive the others out.
        self._verified = lru_cache(_TOKENS_REMEMBERED)(self._verify)

    def verify(self, token: str, instant: int) -> Verified:
        """Tells whose a token is.

        Args:
            token: the token as it was shown.
            instant: now, in seconds of UTC.

        Raises:
            UnauthenticatedError: it is too long, no issuer's, for another audience, not valid yet or no more.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise unauthenticated("a token past the size limit")
        verified = self._verified(token)
        if instant < verified.not_before:
            raise unauthenticated("a token that is not valid yet")
        if instant >= verified.expires:
            raise unauthenticated("a token that has expired")
        return verified

    def _verify(self, token: str) -> Verified:
        for issuer in self._issuers:
            for key in issuer.keys:
                verified = _verify_by(issuer, key, token)
                if verified:
                    return verified
        raise unauthenticated("a token that no issuer signed for this server")


def _verify_by(issuer: Issuer, key: PublicKey, token: str) -> Verified | None:
    """Verifies a token by one key; None where that fails, however it does."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[issuer.algorithm.value],
            audience=issuer.audience,
            issuer=issuer.name,
            options={
                "require": ["iss", "aud", "sub", "exp"],
                # By the library they would be held against the wall clock.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject:
            return None
        not_before, expires = _instant(claims, "nbf", -math.inf), _instant(claims, "exp", -math.inf)
    except Exception:  # noqa: BLE001 - whatever a hostile token makes a library do, it verifies nothing
        return None
    return Verified(Identity(IdentityKind.SUBJECT, subject, issuer.name), not_before, expires)


def _instant(claims: Mapping[str, object], name: str, default: float) -> float:
    """A claim that is an instant.

    Raises:
        ValueError: it is none: a token that never expires is not to be had by saying Infinity.
    """
    value = claims.get(name, default)
    if name in claims and (isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)):
        raise ValueError(name)
    assert isinstance(value, int | float)
    return value


def parse_public_key(pem: bytes, algorithm: Algorithm) -> PublicKey:
    """Reads a public key of an algorithm.

    Raises:
        ValueError: it is none, one of another algorithm, or too weak.
    """
    try:
        key = load_pem_public_key(pem)
    except Exception:  # noqa: BLE001 - a library's own words may quote the file
        raise ValueError("is no public key in PEM") from None
    if algorithm is Algorithm.EDDSA and isinstance(key, Ed25519PublicKey):
        return key
    if algorithm is Algorithm.ES256 and isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    if algorithm is Algorithm.RS256 and isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    wanted = f"EdDSA wants Ed25519, ES256 P-256, RS256 RSA of {_LEAST_RSA_BITS} bits or more"
    raise ValueError(f"is no public key for {algorithm}: {wanted}")
