"""What a peer shows of itself, as gRPC tells it: a certificate's names, a token.

What belongs here: reading them. gRPC has verified the certificate; only where it was asked for one does its context
tell any name. Who the names belong to is ``access.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from resolver_grpc.server.access import Identity, IdentityKind, unauthenticated

# gRPC's own properties of a verified peer, which keep apart what stands in the certificate under different kinds.
_PEER_NAMES = {
    "peer_dns": IdentityKind.DNS,
    "peer_uri": IdentityKind.URI,
    "peer_email": IdentityKind.EMAIL,
}
_CERTIFICATE = "x509_pem_cert"
_AUTHORIZATION = "authorization"
_SCHEME = "bearer"


def certificate_identities(auth_context: Mapping[str, Iterable[bytes]]) -> frozenset[Identity] | None:
    """The alternative names of the certificate that a peer showed; None where it showed none.

    Args:
        auth_context: gRPC's, of the call.
    """
    if _CERTIFICATE not in auth_context:
        return None
    return frozenset(
        Identity(kind, _readable(name, kind))
        for name_of, kind in _PEER_NAMES.items()
        for name in auth_context.get(name_of, ())
    )


def _readable(name: bytes, kind: IdentityKind) -> str:
    # What is no text is no caller's name either: nothing in an access file equals it.
    text = name.decode("ascii", errors="replace")
    return text.lower() if kind is IdentityKind.DNS else text


def bearer_token(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The token that a call carries; None where it says nothing of authorization.

    Args:
        metadata: the call's.

    Raises:
        UnauthenticatedError: it says so twice, or in another way than ``Bearer``.
    """
    said: Sequence[str | bytes] = [value for key, value in metadata if key == _AUTHORIZATION]
    if not said:
        return None
    if len(said) > 1 or not isinstance(said[0], str):
        raise unauthenticated("more than one authorization")
    scheme, _, token = said[0].partition(" ")
    if scheme.lower() != _SCHEME or not token:
        raise unauthenticated("an authorization that is no Bearer token")
    return token
