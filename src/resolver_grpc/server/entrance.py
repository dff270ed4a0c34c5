"""How callers come in: whether over TLS, and who is asked who they are.

What belongs here: opening what a plan says of that.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import grpc
from structlog.typing import FilteringBoundLogger

from resolver_grpc.server.access_file import read_access
from resolver_grpc.server.certificates import Certificates
from resolver_grpc.server.gate import Recognition, Recognize, recognize_anyone
from resolver_grpc.server.plan import Plan


class Entrance(NamedTuple):
    """How callers come in.

    Attributes:
        recognize: tells who makes a call; without an access file whoever is on this machine is delivery.
        credentials: what to listen with; None for connections in the clear, which are for the loopback alone.
    """

    recognize: Recognize = recognize_anyone
    credentials: grpc.ServerCredentials | None = None


ON_THE_LOOPBACK: Final = Entrance()
"""In the clear, and whoever is on this machine is delivery."""


def open_entrance(plan: Plan, log: FilteringBoundLogger) -> Entrance:
    """Reads the access file, the certificates and the keys that a plan names.

    Raises:
        ConfigurationError: one of them is missing, or not what it should be.
        KeyFileError: the TLS key can't be read, or others may read it.
    """
    recognize = Recognition(read_access(plan.access_file)) if plan.access_file else recognize_anyone
    return Entrance(recognize, Certificates(plan.tls, log).credentials() if plan.tls else None)
