"""The server's certificate, its key and the client CA: files that may change while the server serves.

What belongs here: reading them whole or not at all. Every new connection is served under what the files hold by then;
one look at three files' marks is all that costs. Connections that there are live on under what they began with.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import grpc
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from structlog.typing import FilteringBoundLogger

from resolver_grpc.errors import ConfigurationError, ResolverError
from resolver_grpc.secret_files import read_secret_file
from resolver_grpc.server.plan import TlsFiles
from resolver_grpc.server.sighting import Mark, mark_of


class Certificates:
    """Follows the files of a server's TLS.

    Args:
        files: where they lie.
        log: where it is told that they were taken up, or refused.

    Raises:
        ConfigurationError: a file is missing, holds no certificate, or the key is another certificate's.
        KeyFileError: the key can't be read, or others may read it.
    """

    def __init__(self, files: TlsFiles, log: FilteringBoundLogger) -> None:
        self._files = files
        self._log = log
        self._one_at_a_time = Lock()
        self._marks = self._look()
        self._first = read_configuration(files)

    def credentials(self) -> grpc.ServerCredentials:
        """What a server is to listen with; where there is a client CA, nobody is let in without its certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self.fetch,  # type: ignore[arg-type]  # gRPC documents None, which its stubs don't
            require_client_authentication=self._files.client_ca is not None,
        )

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Tells what the next connection is to be served under; None for what the former was.

        gRPC asks from threads of its own, for every connection; an error would refuse that one.
        """
        with self._one_at_a_time:
            marks = self._look()
            if marks == self._marks:
                return None
            # What is refused is looked at again only once it has changed again.
            self._marks = marks
            try:
                configuration = read_configuration(self._files)
            except ResolverError as error:
                self._log.error("certificates refused", reason=error.message)
                return None
            self._log.info("certificates taken up")
            return configuration

    def _look(self) -> tuple[Mark | None, ...]:
        files = self._files
        return tuple(mark_of(path) for path in (files.certificate, files.key, files.client_ca) if path)


def read_configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    """Reads the files of a server's TLS, and checks what gRPC would only find out when somebody connects.

    Raises:
        ConfigurationError: a file is missing, holds no certificate, or the key is another certificate's.
        KeyFileError: the key can't be read, or others may read it.
    """
    chain, own = _read_certificates(files.certificate)
    key = read_secret_file(files.key)
    try:
        opened = load_pem_private_key(key, None)
    except Exception:  # noqa: BLE001 - a library's own words may quote the key
        raise ConfigurationError(f"{files.key}: is no private key in PEM without a passphrase") from None
    if opened.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != own:
        raise ConfigurationError(f"{files.key}: is the key of another certificate than {files.certificate}")
    client_ca = _read_certificates(files.client_ca)[0] if files.client_ca else None
    return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)


def _read_certificates(path: Path) -> tuple[bytes, bytes]:
    """The certificates of a file, and the public key of the first."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    try:
        first = load_pem_x509_certificates(pem)[0]
        return pem, first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no certificate to be served under
        raise ConfigurationError(f"{path}: holds no certificate in PEM") from None
