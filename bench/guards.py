"""Everything that a server is guarded with in production, in a folder: TLS both ways, known callers, an audit, budgets.

What belongs here: making such a folder, once for a run, and what a client shows to be let in. Certificates are those
of a CA made for it, good for nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import grpc
import trustme

_CALLER = "load.example.dk"
_ACCESS = f"""
[[callers]]
name = "load"
certificates = ["DNS:{_CALLER}"]
"""
_DELIVERY, _REGISTRAR = 'role = "delivery"\nsenders = "all"\n', 'role = "registrar"\n'


class Guards(NamedTuple):
    """What a guarded server is started with, and what its callers show.

    Attributes:
        options: further words for ``resolver-grpc serve``, instead of ``--insecure``.
        credentials: a caller's that is let in.
    """

    options: tuple[str, ...]
    credentials: grpc.ChannelCredentials


def make_guards(folder: Path, *, registrar: bool = False) -> Guards:
    """Makes a CA, certificates of both sides, an access file and an empty audit.

    Args:
        folder: empty; what the server writes goes there, too.
        registrar: whether the caller sends changes; else it resolves, for delivery.
    """
    ca = trustme.CA()
    ours, theirs = ca.issue_cert("127.0.0.1", "localhost"), ca.issue_cert(_CALLER)
    roots = ca.cert_pem.bytes()
    chains = [b"".join(pem.bytes() for pem in leaf.cert_chain_pems) for leaf in (ours, theirs)]
    access = _ACCESS + (_REGISTRAR if registrar else _DELIVERY)
    files = {"ca.pem": roots, "server.pem": chains[0], "server.key": ours.private_key_pem.bytes()}
    for name, content in {**files, "access.toml": access.encode()}.items():
        (folder / name).touch(0o600)
        (folder / name).write_bytes(content)
    (folder / "audit").mkdir(0o700)
    named = {"tls-cert": "server.pem", "tls-key": "server.key", "client-ca": "ca.pem", "access": "access.toml"}
    named |= {"audit": "audit", "budgets": "budgets"}
    options = tuple(word for name, file in named.items() for word in (f"--{name}", str(folder / file)))
    key = theirs.private_key_pem.bytes()
    return Guards(options, grpc.ssl_channel_credentials(roots, key, chains[1]))
