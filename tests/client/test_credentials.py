"""What a client shows of itself: files that are taken, and files that are not."""

import pytest
import trustme

from resolver_grpc.client import ResolverClient, TokenFile, read_channel_credentials
from resolver_grpc.errors import ConfigurationError, KeyFileError


def secret(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.fixture
def files(tmp_path):
    """A CA's certificate, a client's, and its key."""
    ca = trustme.CA()
    leaf = ca.issue_cert("rest.example.dk")
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    (tmp_path / "own.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    secret(tmp_path / "own.key", leaf.private_key_pem.bytes())
    return tmp_path / "ca.pem", tmp_path / "own.pem", tmp_path / "own.key"


def test_without_files_nothing_is_encrypted_and_with_them_all_is(files):
    assert read_channel_credentials(None) is None
    assert read_channel_credentials(files[0])
    assert read_channel_credentials(*files)


@pytest.mark.parametrize(("given", "sentence"), [((0, 1), "name both"), ((0, None, 2), "name both"), ((1, 2), "--ca")])
def test_half_of_what_belongs_together_is_refused(files, given, sentence):
    ca, certificate, key = (0 in given, 1 in given, 2 in given)
    with pytest.raises(ConfigurationError, match=sentence):
        read_channel_credentials(
            *(path if told else None for path, told in zip(files, (ca, certificate, key), strict=True))
        )


def test_files_that_hold_something_else_are_refused_without_a_word_of_it(files, tmp_path):
    ca, certificate, key = files
    other = secret(tmp_path / "other", b"a secret of somebody's\n")
    for given, sentence in [
        ((other,), "holds no certificate"),
        ((ca, other, key), "holds no certificate"),
        ((ca, certificate, other), "is no private key"),
        ((tmp_path / "nowhere",), "can't be read: No such file"),
    ]:
        with pytest.raises(ConfigurationError, match=sentence) as refused:
            read_channel_credentials(*given)
        assert "secret of somebody" not in refused.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_or_a_token_that_others_may_touch_is_refused(files, tmp_path, mode):
    ca, certificate, key = files
    key.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_channel_credentials(ca, certificate, key)
    token = secret(tmp_path / "token", b"a.b.c")
    token.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        TokenFile(token)()


def test_a_token_is_read_again_each_time(tmp_path):
    token = TokenFile(secret(tmp_path / "token", b"a.b.c\n"))
    assert token() == "a.b.c"
    secret(tmp_path / "token", b"d.e.f")
    assert token() == "d.e.f"


@pytest.mark.parametrize("content", [b"", b"\n", b"a b", b"a\nb", b"a.b.c\r\nx: y", "æ".encode(), b"\x00"])
def test_what_is_no_token_is_never_sent(tmp_path, content):
    with pytest.raises(ConfigurationError, match="holds no token") as refused:
        TokenFile(secret(tmp_path / "token", content))()
    assert str(tmp_path / "token") in refused.value.message


def test_a_file_too_long_for_a_token_is_not_read_on(tmp_path):
    with pytest.raises(KeyFileError, match="longer than any key or token"):
        TokenFile(secret(tmp_path / "token", b"x" * 100_000))()


@pytest.mark.parametrize(
    "target", ["resolver.example.dk:443", "10.0.0.1:50051", "[2001:db8::1]:50051", "dns:///a.dk:1"]
)
def test_with_credentials_a_server_may_be_anywhere(files, target):
    ResolverClient(target, credentials=read_channel_credentials(files[0])).close()
    with pytest.raises(ConfigurationError, match="loopback"):
        ResolverClient(target, token=lambda: "a.b.c")


@pytest.mark.parametrize("target", ["", "resolver.example.dk", "a b:1", "https://a.dk:1", "a.dk:1,b.dk:2"])
def test_with_credentials_a_server_must_still_be_named_whole(files, target):
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        ResolverClient(target, credentials=read_channel_credentials(files[0]))
