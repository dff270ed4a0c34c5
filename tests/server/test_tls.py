"""TLS with real servers: certificates of both sides, and files that change while the server serves."""

import threading

import pytest
import structlog
import trustme
from access_nursery import (
    NOW,
    SERVICE,
    bearing,
    channel_to,
    client_pair,
    copied,
    entrance,
    info_over,
    replace,
    token,
    trusting,
    uri_pair,
    write_access,
    write_server_files,
)
from grpc_health.v1 import health_pb2

from resolver_grpc.errors import ConfigurationError, KeyFileError
from resolver_grpc.server.plan import TlsFiles
from resolver_grpc.v1.resolver_service_pb2 import ResolveBatchRequest
from small_register import serving

LET_IN = "OK", ""
NOT_KNOWN = "UNAUTHENTICATED", "UNAUTHENTICATED"
NO_CONNECTION = "UNAVAILABLE", ""


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


def request(sender_id):
    return ResolveBatchRequest(sender_id=sender_id).SerializeToString()


@pytest.fixture(scope="module")
def mutual(register, tmp_path_factory, ca):
    """A server that asks for certificates, and takes tokens beside them."""
    folder = tmp_path_factory.mktemp("mutual")
    (folder / "clients.pem").write_bytes(ca.cert_pem.bytes())
    files = write_server_files(folder, ca)
    tls = TlsFiles(files.certificate, files.key, folder / "clients.pem")
    with serving(copied(register, folder / "copy"), **entrance(write_access(folder), tls)) as server:
        yield server


@pytest.mark.parametrize("names", [["rest.example.dk"], ["rest@example.dk"], ["other.example.dk", "REST.example.dk"]])
def test_a_caller_is_known_by_a_name_in_its_certificate(mutual, ca, names):
    assert info_over(mutual.target, trusting(ca, client_pair(ca, *names))) == LET_IN


def test_a_caller_is_known_by_a_uri_in_its_certificate(mutual, ca):
    assert info_over(mutual.target, trusting(ca, uri_pair(ca, "spiffe://example.dk/post"))) == LET_IN
    assert info_over(mutual.target, trusting(ca, uri_pair(ca, "spiffe://example.dk/post/"))) == NOT_KNOWN


def test_a_name_of_one_kind_and_a_common_name_are_no_name_of_another(mutual, ca):
    assert info_over(mutual.target, trusting(ca, uri_pair(ca, "post.example.dk"))) == NOT_KNOWN
    leaf = ca.issue_cert("nobody.example.dk", common_name="post.example.dk")
    pair = leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes()
    assert info_over(mutual.target, trusting(ca, pair)) == NOT_KNOWN


@pytest.mark.parametrize(
    "names",
    [
        ["nobody.example.dk"],
        ["a.rest.example.dk"],
        ["*.example.dk"],
        ["rest.example.dk", "post.example.dk"],
        ["intake"],
        ["127.0.0.1"],
    ],
)
def test_a_certificate_of_nobody_or_of_several_is_nobodys(mutual, ca, names):
    assert info_over(mutual.target, trusting(ca, client_pair(ca, *names))) == NOT_KNOWN


def test_certificate_and_token_must_be_of_the_same_caller(mutual, ca):
    rest = trusting(ca, client_pair(ca, "rest.example.dk"))
    assert info_over(mutual.target, rest, bearing(token("intake"))) == LET_IN
    assert info_over(mutual.target, rest, bearing(token("delivery"))) == NOT_KNOWN
    assert info_over(mutual.target, rest, bearing(token("nobody"))) == NOT_KNOWN
    assert info_over(mutual.target, rest, bearing(token(exp=NOW))) == NOT_KNOWN
    nobody = trusting(ca, client_pair(ca, "nobody.example.dk"))
    assert info_over(mutual.target, nobody, bearing(token("intake"))) == NOT_KNOWN


def test_without_a_certificate_of_the_client_ca_there_is_no_connection(mutual, ca):
    assert info_over(mutual.target, trusting(ca)) == NO_CONNECTION
    assert info_over(mutual.target, trusting(ca), bearing(token())) == NO_CONNECTION
    foreign = client_pair(trustme.CA(), "rest.example.dk")
    assert info_over(mutual.target, trusting(ca, foreign)) == NO_CONNECTION
    assert info_over(mutual.target) == NO_CONNECTION


def test_health_is_open_to_whoever_has_a_connection(mutual, ca):
    with channel_to(mutual.target, trusting(ca, client_pair(ca, "probe.example.dk"))) as channel:
        answer = channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
    assert health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING


def test_with_tls_alone_callers_show_tokens_and_certificates_are_not_asked_for(register, tmp_path, ca):
    tls = write_server_files(tmp_path, ca)
    with serving(copied(register, tmp_path / "copy"), **entrance(write_access(tmp_path), tls)) as server:
        assert info_over(server.target, trusting(ca), bearing(token())) == LET_IN
        assert info_over(server.target, trusting(ca)) == NOT_KNOWN
        assert info_over(server.target, trusting(ca, client_pair(ca, "rest.example.dk"))) == NOT_KNOWN
        assert info_over(server.target, trusting(trustme.CA()), bearing(token())) == NO_CONNECTION
        assert info_over(server.target, None, bearing(token())) == NO_CONNECTION


class Reloaded:
    """A server whose files change while a stream goes on, and what it logged."""

    def __init__(self, folder, ca):
        self.folder, self.ca, self.lines = folder, ca, []
        (folder / "clients.pem").write_bytes(ca.cert_pem.bytes())
        files = write_server_files(folder, ca)
        self.tls = TlsFiles(files.certificate, files.key, folder / "clients.pem")

    def entrance(self):
        def keep(_logger, _level, event):
            self.lines.append(event)
            raise structlog.DropEvent

        log = structlog.wrap_logger(None, processors=[keep])
        return entrance(write_access(self.folder), self.tls, log)

    def connects(self, target, ca, client_ca):
        return info_over(target, trusting(ca, client_pair(client_ca, "rest.example.dk")))


@pytest.fixture
def reloaded(tmp_path, ca):
    return Reloaded(tmp_path, ca)


def test_certificates_are_taken_up_anew_while_a_stream_goes_on(register, reloaded, ca):
    fresh = trustme.CA()
    with serving(copied(register, reloaded.folder / "copy"), **reloaded.entrance()) as server:
        credentials = trusting(ca, client_pair(ca, "rest.example.dk"))
        sent, answered = [request("power")] * 3, []
        changed = threading.Event()

        def requests():
            yield sent[0]
            changed.wait()
            yield from sent[1:]

        with channel_to(server.target, credentials) as channel:
            answers = channel.stream_stream(SERVICE + "ResolveStream")(requests())
            answered.append(next(answers))
            write_server_files(reloaded.folder, fresh)
            replace(reloaded.tls.client_ca, fresh.cert_pem.bytes())
            assert reloaded.connects(server.target, fresh, fresh) == LET_IN
            assert reloaded.connects(server.target, ca, fresh) == NO_CONNECTION
            assert reloaded.connects(server.target, fresh, ca) == NO_CONNECTION
            changed.set()
            answered += answers
        assert len(answered) == len(sent)
    assert [line["event"] for line in reloaded.lines] == ["certificates taken up"]


def spoil_certificate(reloaded):
    replace(reloaded.tls.certificate, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return "holds no certificate in PEM"


def lose_certificate(reloaded):
    reloaded.tls.certificate.unlink()
    return "can't be read: No such file"


def take_another_key(reloaded):
    key, _ = client_pair(reloaded.ca, "localhost")
    replace(reloaded.tls.key, key)
    return "is the key of another certificate"


def spoil_key(reloaded):
    replace(reloaded.tls.key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    return "is no private key in PEM"


def open_key(reloaded):
    reloaded.tls.key.chmod(0o640)
    return "others may read it; run `chmod 600` on it"


def empty_client_ca(reloaded):
    replace(reloaded.tls.client_ca, b"")
    return "clients.pem: holds no certificate"


SPOILING = [spoil_certificate, lose_certificate, take_another_key, spoil_key, open_key, empty_client_ca]


@pytest.mark.parametrize("spoil", SPOILING)
def test_files_that_are_no_good_are_refused_and_told_once_and_the_old_ones_stay(register, reloaded, ca, spoil):
    with serving(copied(register, reloaded.folder / "copy"), **reloaded.entrance()) as server:
        sentence = spoil(reloaded)
        for _ in range(3):
            assert reloaded.connects(server.target, ca, ca) == LET_IN
        assert [(line["event"], sentence in line["reason"]) for line in reloaded.lines] == [
            ("certificates refused", True)
        ]
        fresh = trustme.CA()
        write_server_files(reloaded.folder, fresh)
        replace(reloaded.tls.client_ca, ca.cert_pem.bytes())
        assert reloaded.connects(server.target, fresh, ca) == LET_IN
    assert reloaded.lines[-1]["event"] == "certificates taken up"


@pytest.mark.parametrize("spoil", SPOILING)
def test_a_server_does_not_start_on_files_that_are_no_good(reloaded, spoil):
    """And says nothing of what is in them."""
    sentence = spoil(reloaded)
    with pytest.raises((ConfigurationError, KeyFileError), match=sentence) as refused:
        reloaded.entrance()
    assert "-----" not in str(refused.value)
