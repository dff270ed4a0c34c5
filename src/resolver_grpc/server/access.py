"""Who may do what: callers, the table of RPCs and roles, and the default, which is no.

What belongs here: pure rules over identities that were verified elsewhere. Neither gRPC nor a clock nor a file comes
in here, and no refusal says what was shown or what would have done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, NamedTuple

from resolver_grpc.errors import NotPermittedError, UnauthenticatedError
from resolver_grpc.model import Role


@unique
class IdentityKind(StrEnum):
    """By what a caller is known: a name in its certificate, or the subject of a token."""

    DNS = "DNS"
    URI = "URI"
    EMAIL = "email"
    SUBJECT = "subject"


class Identity(NamedTuple):
    """One thing that a caller is known by; the same text of another kind or issuer is another one.

    Attributes:
        kind: what the text is.
        value: the text, DNS names in lower case.
        issuer: who signed the token that it is the subject of; empty for certificates.
    """

    kind: IdentityKind
    value: str
    issuer: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Somebody who is known to the server (domain rules, section 8).

    Attributes:
        name: how the access file calls it.
        role: what it is to the resolver.
        senders: the ids of the senders it may act for; None for all of them.
    """

    name: str
    role: Role
    senders: frozenset[str] | None = frozenset()

    def may_act_for(self, sender_id: str) -> bool:
        """Tells whether it may ask in a sender's name, whether that one is onboarded or not."""
        return self.senders is None or sender_id in self.senders


WHOEVER_IS_ON_THIS_MACHINE: Final = Caller("loopback", Role.DELIVERY, None)
"""The one caller of a server on the loopback that asks nobody who they are."""

ANYBODY: Final = Caller("", Role.OPERATOR, frozenset())
"""Who calls what asks nobody; of no name that an access file could hold, and for no sender."""

EVERYBODY: Final = None
"""Stands in the table for an RPC that asks nobody who they are."""

_RESOLVING = frozenset({Role.INTAKE, Role.DELIVERY})
_REGISTERING = frozenset({Role.REGISTRAR})

ROLES_BY_RPC: Mapping[str, frozenset[Role] | None] = {
    "/resolver_grpc.v1.ResolverService/ResolveBatch": _RESOLVING,
    "/resolver_grpc.v1.ResolverService/ResolveStream": _RESOLVING,
    "/resolver_grpc.v1.ResolverService/GetServerInfo": _RESOLVING | {Role.OPERATOR},
    "/resolver_grpc.v1.ChangeService/ApplyChanges": _REGISTERING,
    "/resolver_grpc.v1.ChangeService/WatchChanges": _REGISTERING,
    "/resolver_grpc.v1.ChangeService/GetOwner": _REGISTERING,
    "/resolver_grpc.v1.ChangeService/EraseOwner": _REGISTERING,
    "/grpc.health.v1.Health/Check": EVERYBODY,
    "/grpc.health.v1.Health/Watch": EVERYBODY,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": frozenset(Role),
}
"""Whose an RPC is. One that stands in no row is nobody's."""


def is_open(rpc: str) -> bool:
    """Tells whether an RPC asks nobody who they are."""
    return rpc in ROLES_BY_RPC and ROLES_BY_RPC[rpc] is EVERYBODY


def check_role(rpc: str, caller: Caller) -> None:
    """Lets a caller make a call.

    Args:
        rpc: ``/package.Service/Method``.
        caller: who makes it.

    Raises:
        NotPermittedError: the RPC is not one of its role's, or nobody's.
    """
    if not is_open(rpc) and caller.role not in (ROLES_BY_RPC.get(rpc) or ()):
        raise NotPermittedError("the caller's role may not make this call; ask the server's operator for another")


def caller_of(callers: Mapping[Identity, Caller], proofs: Sequence[Collection[Identity]]) -> Caller:
    """Finds the caller that everything shown leads to.

    Args:
        callers: the known callers by what they are known by.
        proofs: the identities of each proof that was shown and verified: a certificate's names, a token's subject.

    Raises:
        UnauthenticatedError: nothing was shown, a proof leads to nobody, or they lead to several.
    """
    if not proofs:
        raise unauthenticated("neither a certificate nor a token was shown")
    found: set[Caller] = set()
    for identities in proofs:
        led_to = {callers[identity] for identity in identities if identity in callers}
        if not led_to:
            raise unauthenticated("what was shown is verified, but stands for no caller of the access file")
        found |= led_to
    if len(found) > 1:
        raise unauthenticated("what was shown stands for several callers")
    return found.pop()


def unauthenticated(why: str) -> UnauthenticatedError:
    """The refusal of a caller that is not known; all of them read alike.

    Args:
        why: for the log alone; nothing of what was shown.
    """
    error = UnauthenticatedError("the caller is not known; show a certificate or a token that the server was told of")
    error.add_note(why)
    return error
