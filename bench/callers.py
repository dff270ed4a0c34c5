"""Callers that a server in the clear knows by their tokens: the access file, who signs, and the tokens.

What belongs here: what several callers of one server, or callers of several roles, are told apart by.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS_OF_A_TOKEN = 86_400
_SENDERS = {"delivery": 'senders = "all"\n'}


def write_access(folder: Path, roles: Mapping[str, str]) -> Path:
    """Writes an access file, the public key of who signs tokens, and the token of each caller.

    Args:
        folder: where all of it goes; a caller's token into a file of the caller's name.
        roles: each caller's, by its name: delivery, registrar or operator.

    Returns:
        The access file.
    """
    key = Ed25519PrivateKey.generate()
    (folder / "idp.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    lines = ['[[issuers]]\nname = "bench"\naudience = "bench"\nalgorithm = "EdDSA"\nkeys = ["idp.pem"]\n']
    for name, role in roles.items():
        known_by = f'tokens = [{{ issuer = "bench", subject = "{name}" }}]'
        lines.append(f'[[callers]]\nname = "{name}"\nrole = "{role}"\n{_SENDERS.get(role, "")}{known_by}\n')
        claims = {"iss": "bench", "aud": "bench", "sub": name, "exp": time.time() + _SECONDS_OF_A_TOKEN}
        (folder / name).write_text(jwt.encode(claims, key, "EdDSA"), encoding="utf-8")
    (folder / "access.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "access.toml"


def read_proof(folder: Path, name: str) -> tuple[tuple[str, str], ...]:
    """Reads the token of a caller, as the metadata of its calls."""
    return (("authorization", f"Bearer {(folder / name).read_text(encoding='utf-8')}"),)
