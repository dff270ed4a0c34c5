"""What tests of access stand on: certificates, signed tokens, an access file, and calls that tell how they ended."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from resolver_grpc.server.entrance import open_entrance
from resolver_grpc.server.log import make_log
from resolver_grpc.server.plan import Plan, TlsFiles

ISSUER, AUDIENCE = "https://idp.example.dk", "resolver"
NOW = 1_800_000_000
SERVICE = "/resolver_grpc.v1.ResolverService/"

SIGNING_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC_PEM = SIGNING_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

ACCESS = f"""
[[issuers]]
name = "{ISSUER}"
audience = "{AUDIENCE}"
algorithm = "EdDSA"
keys = ["idp.pem"]

[[callers]]
name = "rest"
role = "intake"
senders = ["power"]
certificates = ["DNS:Rest.example.dk", "email:rest@example.dk"]
tokens = [{{ issuer = "{ISSUER}", subject = "intake" }}]

[[callers]]
name = "post"
role = "delivery"
senders = "all"
certificates = ["URI:spiffe://example.dk/post", "DNS:post.example.dk"]
tokens = [{{ issuer = "{ISSUER}", subject = "delivery" }}]

[[callers]]
name = "register"
role = "registrar"
tokens = [{{ issuer = "{ISSUER}", subject = "registrar" }}]

[[callers]]
name = "night"
role = "operator"
tokens = [{{ issuer = "{ISSUER}", subject = "operator" }}]
"""


def write_access(folder, text=ACCESS):
    """Writes an access file and the issuer's public key beside it."""
    (folder / "idp.pem").write_bytes(PUBLIC_PEM)
    (folder / "access.toml").write_text(text, encoding="utf-8")
    return folder / "access.toml"


def token(subject="intake", key=SIGNING_KEY, algorithm="EdDSA", **claims):
    """A token of the issuer, valid at ``NOW``; a claim that is None is left out."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "nbf": NOW - 60, "exp": NOW + 60}
    told = {name: claim for name, claim in (usual | claims).items() if claim is not None}
    return jwt.encode(told, key, algorithm)


def segment(content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bearing(text):
    return (("authorization", f"Bearer {text}"),)


def write_server_files(folder, ca, *names):
    """Writes a server's certificate and key, replacing each at one stroke; tells where they are."""
    leaf = ca.issue_cert(*(names or ("localhost", "127.0.0.1")))
    replace(folder / "server.key", leaf.private_key_pem.bytes())
    replace(folder / "server.pem", b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return TlsFiles(folder / "server.pem", folder / "server.key")


def replace(path, content):
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.chmod(0o600)
    fresh.replace(path)


def client_pair(ca, *names):
    """A client's key and certificate chain, of host names and e-mail addresses."""
    leaf = ca.issue_cert(*names)
    return leaf.private_key_pem.bytes(), b"".join(pem.bytes() for pem in leaf.cert_chain_pems)


def uri_pair(ca, *uris):
    """A client's key and certificate, of URIs."""
    key, begun = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName(list(map(x509.UniformResourceIdentifier, uris))), critical=True)
    )
    certificate = builder.sign(load_pem_private_key(ca.private_key_pem.bytes(), None), SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, certificate.public_bytes(Encoding.PEM)


def copied(register, directory):
    """The same register elsewhere: LMDB opens no file twice in one process."""
    shutil.copytree(register.directory, directory)
    return dataclasses.replace(register, directory=directory)


def entrance(access_file=None, tls=None, log=None):
    """What a server is told of how callers come in; with ``NOW`` as the instant of tokens."""
    plan = Plan(Path(), Path(), Path(), "", access_file=access_file, tls=tls)
    return {"entrance": open_entrance(plan, log or make_log()), "now": lambda: NOW}


def trusting(ca, pair=(None, None)):
    return grpc.ssl_channel_credentials(ca.cert_pem.bytes(), *pair)


def channel_to(target, credentials=None):
    """A channel of its own, that shares no connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)


def outcome(call):
    """How a call ended: its status code, and the reason that the server gave."""
    try:
        call()
    except grpc.RpcError as error:
        status, info = rpc_status.from_call(error), ErrorInfo()
        if status:
            status.details[0].Unpack(info)
        return error.code().name, info.reason
    return "OK", ""


def info_over(target, credentials=None, metadata=()):
    """How ``GetServerInfo`` ends over a connection of its own."""
    with channel_to(target, credentials) as channel:
        return outcome(lambda: channel.unary_unary(SERVICE + "GetServerInfo")(b"", metadata=metadata))
