"""TLS, tokens and ``--insecure`` as an operator meets them: the programs themselves, one worker or several."""

import csv
import signal
import subprocess
import time

import jwt
import pytest
import trustme
from access_nursery import (
    ACCESS,
    AUDIENCE,
    ISSUER,
    SIGNING_KEY,
    bearing,
    client_pair,
    info_over,
    trusting,
    write_access,
)
from access_nursery import write_server_files as write_files
from click.testing import CliRunner
from worker_nursery import AS_OF, COMMAND, supervised

from resolver_grpc.cli import main
from small_register import ANN, build_register

SENDERS = """
[[senders]]
id = "power"
name = "Power"
cvr = "13585628"
class = "PRIVATE"
kinds = ["CPR"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A snapshot, its key, the senders and the callers."""
    folder = tmp_path_factory.mktemp("site")
    build_register(folder)
    (folder / "senders.toml").write_text(SENDERS, encoding="utf-8")
    write_access(folder)
    return folder


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(site, ca):
    """The words that serve it over TLS, with certificates asked for."""
    files = write_files(site, ca)
    (site / "clients.pem").write_bytes(ca.cert_pem.bytes())
    return ["--tls-cert", files.certificate, "--tls-key", files.key, "--client-ca", site / "clients.pem"]


def words(site, *options):
    paths = ["--snapshot", site / "snapshot", "--keys", site / "index.key", "--senders", site / "senders.toml"]
    return [str(word) for word in ("serve", *paths, "--as-of", AS_OF, "--listen", "127.0.0.1:0", *options)]


def production(folder):
    """What nobody may leave out who listens over TLS."""
    (folder / "audit").mkdir(exist_ok=True)
    return ["--audit", folder / "audit", "--budgets", folder / "budgets"]


def secret(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def current_token(subject):
    return jwt.encode(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": int(time.time()) + 600}, SIGNING_KEY, "EdDSA"
    )


def resolve(site, tmp_path, address, *options):
    (tmp_path / "shipment.csv").write_text(f"ref;cpr\n1;{ANN}\n", encoding="utf-8")
    shipment = [COMMAND, "resolve", tmp_path / "shipment.csv", "--sender", "power", "--server", address]
    return subprocess.run(
        [*shipment, "--out", tmp_path / "lists", *options], check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_shipment_resolves_over_tls_by_the_clients_certificate(site, ca, tls, tmp_path, workers):
    key, certificate = client_pair(ca, "post.example.dk")
    (tmp_path / "own.pem").write_bytes(certificate)
    secret(tmp_path / "own.key", key)
    shown = ["--ca", site / "clients.pem", "--cert", tmp_path / "own.pem", "--key", tmp_path / "own.key"]
    options = words(site, *tls, "--access", site / "access.toml", "--workers", workers, *production(tmp_path))
    with supervised([COMMAND, *options]) as server:
        done = resolve(site, tmp_path, server.address, *shown)
        assert (done.returncode, done.stderr) == (0, "")
        nobody = client_pair(ca, "nobody.example.dk")
        assert info_over(server.address, trusting(ca, nobody))[0] == "UNAUTHENTICATED"
        assert info_over(server.address)[0] == "UNAVAILABLE"
        assert server.end() == 0
    with (tmp_path / "lists" / "decisions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["numbers"] for row in csv.DictReader(file, delimiter=";")] == [ANN]


def test_in_the_clear_a_caller_may_show_a_token(site, tmp_path):
    secret(tmp_path / "token", current_token("delivery").encode())
    with supervised([COMMAND, *words(site, "--insecure", "--access", site / "access.toml")]) as server:
        assert resolve(site, tmp_path, server.address, "--token-file", tmp_path / "token").returncode == 0
        assert info_over(server.address, metadata=bearing(current_token("operator"))) == ("OK", "")
        for subject, sentence in [
            ("operator", "not as one who may"),
            ("nobody", "does not know who is calling"),
        ]:
            secret(tmp_path / "token", current_token(subject).encode())
            refused = resolve(site, tmp_path, server.address, "--token-file", tmp_path / "token")
            assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
            assert sentence in refused.stderr
        assert "does not know who is calling" in resolve(site, tmp_path, server.address).stderr
        assert server.end() == 0


def test_callers_change_when_workers_are_replaced_and_a_bad_file_replaces_nobody(site, tmp_path):
    access = write_access(tmp_path)
    operator = bearing(current_token("operator"))
    options = words(site, "--insecure", "--access", access, "--workers", "2")
    with supervised([COMMAND, *options]) as server:
        assert info_over(server.address, metadata=operator) == ("OK", "")
        write_access(tmp_path, ACCESS.replace('role = "operator"', 'role = "operators"'))
        server.process.send_signal(signal.SIGHUP)
        assert "caller 4 (night): `role` is none of" in server.wait_for("workers not replaced")["reason"]
        assert info_over(server.address, metadata=operator) == ("OK", "")
        write_access(tmp_path, ACCESS.replace('role = "operator"', 'role = "registrar"'))
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("workers replaced")
        assert info_over(server.address, metadata=operator) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        assert server.end() == 0


TLS_AND_ACCESS = ("--tls-cert", "a.pem", "--tls-key", "a.key", "--access", "access.toml")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "TLS wants both --tls-cert and --tls-key, beside --access; for the loopback alone ask for --insecure"),
        (["--tls-cert", "a.pem"], "TLS wants both"),
        (["--tls-key", "a.key"], "TLS wants both"),
        (["--client-ca", "a.pem"], "TLS wants both"),
        (["--access", "access.toml"], "TLS wants both"),
        (["--tls-cert", "a.pem", "--tls-key", "a.key"], "TLS wants --access FILE"),
        ([*TLS_AND_ACCESS], "TLS wants both --audit DIR and --budgets FILE"),
        ([*TLS_AND_ACCESS, "--audit", "audit"], "TLS wants both --audit DIR and --budgets FILE"),
        ([*TLS_AND_ACCESS, "--budgets", "budgets"], "TLS wants both --audit DIR and --budgets FILE"),
        (["--insecure", "--tls-cert", "a.pem"], "--insecure stands beside --tls-cert"),
        (["--insecure", "--client-ca", "a.pem"], "--insecure stands beside --tls-cert"),
        (["--insecure", "--listen", "0.0.0.0:50051"], "--insecure takes loopback addresses only"),
        (["--insecure", "--access", "nowhere.toml"], "nowhere.toml: can't be read"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_does_not_fit_together_ends_with_one_line(site, options, sentence, workers):
    if workers == "2" and "nowhere.toml" in options:
        done = subprocess.run(
            [COMMAND, *words(site, *options, "--workers", workers)], check=False, capture_output=True, text=True
        )
        code, stderr = done.returncode, done.stderr
    else:
        result = CliRunner().invoke(main, words(site, *options, "--workers", workers))
        code, stderr = result.exit_code, result.stderr
    assert (code, len(stderr.splitlines())) == (2, 1)
    assert stderr.startswith("error: ")
    assert sentence in stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--listen", "127.0.0.1:0"], "for the loopback alone ask for --insecure"),
        (["--insecure", "--listen", "0.0.0.0:0"], "--insecure takes loopback addresses only"),
    ],
)
def test_before_anything_is_read_it_is_known_that_nobody_reads_along(tmp_path, options, sentence):
    """None of the files is there, and of that nothing is said."""
    files = ["--snapshot", tmp_path / "snapshot", "--keys", tmp_path / "key", "--senders", tmp_path / "senders"]
    result = CliRunner().invoke(main, [str(word) for word in ("serve", *files, *options)])
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_with_tls_any_address_may_be_listened_on(site, ca, tls, tmp_path):
    options = words(site, *tls, "--access", site / "access.toml", *production(tmp_path))
    options[options.index("127.0.0.1:0")] = "0.0.0.0:0"
    with supervised([COMMAND, *options]) as server:
        assert info_over(f"localhost:{server.port}", trusting(ca, client_pair(ca, "post.example.dk"))) == ("OK", "")
        assert server.end() == 0


def test_a_tls_key_that_others_may_read_is_refused_before_anything_is_opened(site, ca, tls, tmp_path):
    files = write_files(tmp_path, ca)
    files.key.chmod(0o644)
    options = ["--tls-cert", files.certificate, "--tls-key", files.key, "--access", site / "access.toml"]
    options += production(tmp_path)
    result = CliRunner().invoke(main, words(site, *options))
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "server.key: others may read it; run `chmod 600` on it" in result.stderr
