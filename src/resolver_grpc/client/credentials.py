"""What a client shows of itself, and by what it knows the server: files in, gRPC credentials out.

What belongs here: reading certificates, keys and tokens. None of their content ever stands in an error.
"""

from __future__ import annotations

import re
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.secret_files import read_secret_file

# What a token is made of (RFC 6750); anything else would end the header, or begin another.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")


def read_channel_credentials(
    ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials | None:
    """Read what a channel is encrypted with.

    Args:
        ca: the certificates of those who sign servers' ones, PEM; None for no encryption.
        certificate: the client's own certificate chain, PEM, for a server that asks for one.
        key: its private key, PEM, which only its owner may read.

    Returns:
        The credentials; None where no file is named.

    Raises:
        ConfigurationError: half of a pair, or a file that is missing or holds something else.
        KeyFileError: the key can't be read, or others may read it.
    """
    if bool(certificate) != bool(key):
        raise ConfigurationError("A certificate and its key belong together: name both --cert and --key.")
    if not ca:
        if certificate:
            raise ConfigurationError("A certificate is shown to a server that is known: name its CA with --ca.")
        return None
    roots = _read_certificates(ca)
    if not (certificate and key):
        return grpc.ssl_channel_credentials(roots)
    return grpc.ssl_channel_credentials(roots, _read_key(key), _read_certificates(certificate))


class TokenFile:
    """The token in a file, read again each time: whoever renews the file need not tell the client.

    Args:
        path: the file, which only its owner may read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> str:
        """Read the token.

        Raises:
            ConfigurationError: the file holds no token.
            KeyFileError: it can't be read, or others may read it.
        """
        token = read_secret_file(self._path).strip()
        if not _TOKEN.fullmatch(token):
            raise ConfigurationError(f"{self._path}: holds no token; ask your issuer of tokens for one.")
        return token.decode("ascii")


def _read_certificates(path: Path) -> bytes:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    try:
        load_pem_x509_certificates(pem)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no certificate
        raise ConfigurationError(f"{path}: holds no certificate in PEM.") from None
    return pem


def _read_key(path: Path) -> bytes:
    key = read_secret_file(path)
    try:
        load_pem_private_key(key, None)
    except Exception:  # noqa: BLE001 - a library's own words may quote the key
        raise ConfigurationError(f"{path}: is no private key in PEM without a passphrase.") from None
    return key
