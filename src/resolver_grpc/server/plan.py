"""What a server is told to serve: paths and an address, no secret, so that it may travel to another process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resolver_grpc.errors import ConfigurationError

GRACE_SECONDS = 10
"""How long calls under way are given when a server stops."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a server's TLS is made of, all of it PEM.

    Attributes:
        certificate: the server's certificate, and those between it and its CA's.
        key: its private key.
        client_ca: the certificates of those who sign clients' ones; None where clients need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, and where.

    Attributes:
        directory: a snapshot's directory, or a store's.
        key_file: the key file that it was built with.
        senders_file: the onboarded senders.
        listen: ``HOST:PORT``.
        as_of: the instant that everything is judged at, where a past day is replayed.
        audit: the folder of the audit; None for a server that keeps none.
        budgets: the file of budgets; None for a server that holds senders to none.
        changes: the log of changes; None for a server that takes none.
        connection_age: seconds after which a worker asks a client to connect anew; a server alone never does.
        metrics: ``HOST:PORT`` where metrics are shown, if anywhere.
        access_file: the callers that are known; None where whoever is on this machine is delivery.
        tls: what connections are encrypted with; None in the clear, which is for the loopback alone.
    """

    directory: Path
    key_file: Path
    senders_file: Path
    listen: str
    as_of: int | None = None
    audit: Path | None = None
    connection_age: float = 30.0
    metrics: str | None = None
    access_file: Path | None = None
    tls: TlsFiles | None = None
    budgets: Path | None = None
    changes: Path | None = None

    @property
    def leaving_seconds(self) -> float:
        """How long a replaced worker waits for its clients to connect to another one."""
        # gRPC spreads the age by a tenth, and then wants a round trip.
        return self.connection_age * 1.1 + 1

    @property
    def patience(self) -> float:
        """How long a worker may take to end, whichever way it was told to, before it is killed."""
        return self.leaving_seconds + GRACE_SECONDS + 5


def check_production(tls: TlsFiles | None, *, audit: Path | None, budgets: Path | None) -> None:
    """Checks that a server that others can reach leaves nothing out.

    Args:
        tls: what connections are encrypted with; None in the clear, on the loopback alone.
        audit: the folder of the audit, if it was named; the next likewise.
        budgets: the file of budgets.

    Raises:
        ConfigurationError: one of them wasn't.
    """
    if tls and not (audit and budgets):
        raise ConfigurationError(
            "TLS wants both --audit DIR and --budgets FILE; only on the loopback, with --insecure, may they be left out"
        )


def choose_tls(
    *, insecure: bool, certificate: Path | None, key: Path | None, client_ca: Path | None, access_file: Path | None
) -> TlsFiles | None:
    """Tells what connections are to be encrypted with; None only where that was asked for.

    Args:
        insecure: whether connections in the clear were asked for.
        certificate: the server's certificate, if it was named; the next three likewise.
        key: its private key.
        client_ca: the certificates of those who sign clients' ones.
        access_file: the callers that are known.

    Raises:
        ConfigurationError: neither was asked for, or both, or half of one.
    """
    if insecure:
        if certificate or key or client_ca:
            raise ConfigurationError("--insecure stands beside --tls-cert, --tls-key or --client-ca; leave one out")
        return None
    if not certificate or not key:
        raise ConfigurationError(
            "TLS wants both --tls-cert and --tls-key, beside --access; for the loopback alone ask for --insecure"
        )
    if not access_file:
        raise ConfigurationError("TLS wants --access FILE, which says who the callers are; nobody else is answered")
    return TlsFiles(certificate, key, client_ca)
