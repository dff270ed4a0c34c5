"""The access file: what is taken, and every mistake that is not."""

import re
from pathlib import Path

import pytest
from access_nursery import ACCESS, AUDIENCE, ISSUER, PUBLIC_PEM, write_access

from resolver_grpc.errors import ConfigurationError
from resolver_grpc.model import Role
from resolver_grpc.server.access import ROLES_BY_RPC, Identity, IdentityKind
from resolver_grpc.server.access_file import read_access
from resolver_grpc.server.tokens import Algorithm


def known(access):
    return {identity: (caller.name, caller.role, caller.senders) for identity, caller in access.callers.items()}


def test_every_caller_is_known_by_all_that_it_is_known_by(tmp_path):
    access = read_access(write_access(tmp_path))
    rest, post = ("rest", Role.INTAKE, frozenset({"power"})), ("post", Role.DELIVERY, None)
    assert known(access) == {
        Identity(IdentityKind.DNS, "rest.example.dk"): rest,
        Identity(IdentityKind.EMAIL, "rest@example.dk"): rest,
        Identity(IdentityKind.SUBJECT, "intake", ISSUER): rest,
        Identity(IdentityKind.URI, "spiffe://example.dk/post"): post,
        Identity(IdentityKind.DNS, "post.example.dk"): post,
        Identity(IdentityKind.SUBJECT, "delivery", ISSUER): post,
        Identity(IdentityKind.SUBJECT, "registrar", ISSUER): ("register", Role.REGISTRAR, frozenset()),
        Identity(IdentityKind.SUBJECT, "operator", ISSUER): ("night", Role.OPERATOR, frozenset()),
    }
    (issuer,) = access.issuers
    assert (issuer.name, issuer.audience, issuer.algorithm, len(issuer.keys)) == (ISSUER, AUDIENCE, Algorithm.EDDSA, 1)


def test_callers_known_by_certificates_need_no_issuer(tmp_path):
    text = '[[callers]]\nname = "a"\nrole = "operator"\ncertificates = ["DNS:a.dk"]\n'
    assert read_access(write_access(tmp_path, text)).issuers == ()


TOKEN = f'tokens = [{{ issuer = "{ISSUER}", subject = "intake" }}]'


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[[callers]]", "[[callers", "not a TOML file"),
        ("[[callers]]", "[[caller]]", "holds no [[callers]], or something else"),
        ("[[issuers]]", "version = 1\n[[issuers]]", "something else beside"),
        ('role = "intake"', 'role = "intake"\nadmin = true', "caller 1 (rest): `admin` is not known"),
        (
            'role = "intake"',
            'role = "root"',
            "caller 1 (rest): `role` is none of intake, delivery, registrar, operator",
        ),
        ('role = "intake"', "", "caller 1 (rest): `role` is missing"),
        ('role = "intake"', 'role = ["intake"]', "caller 1 (rest): `role` is none of"),
        ('name = "rest"', "", "caller 1: `name` is missing"),
        ('name = "rest"', 'name = "a b"', "caller 1 (a b): `name` is not 1-64 letters"),
        ('name = "rest"', "name = 7", "caller 1: `name` is not a text"),
        ('name = "post"', 'name = "rest"', "caller 2 (rest): its `name` stands twice"),
        ('senders = ["power"]', 'senders = "all"', "caller 1 (rest): `senders` is all, which is for the role delivery"),
        ('senders = ["power"]', "senders = []", "caller 1 (rest): `senders` is not a list of ids"),
        ('senders = ["power"]', "", "caller 1 (rest): `senders` is not a list of ids"),
        ('senders = ["power"]', 'senders = "power"', "caller 1 (rest): `senders` is not a list of texts"),
        ('senders = ["power"]', 'senders = ["power", "*"]', "caller 1 (rest): `senders` is not a list of ids"),
        ('role = "operator"', 'role = "operator"\nsenders = ["power"]', "caller 4 (night): `senders` stands beside"),
        ('"email:rest@example.dk"', '"DNS:post.example.dk"', "caller post: `DNS` identity of caller rest"),
        ('"email:rest@example.dk"', '"DNS:rest.example.DK"', "caller rest: `DNS` identity of caller rest"),
        ('subject = "delivery"', 'subject = "intake"', "caller post: `subject` identity of caller rest"),
        (
            '"email:rest@example.dk"',
            '"DNS:*.example.dk"',
            "caller 1 (rest): `certificates` holds a DNS: that is no name",
        ),
        ('"email:rest@example.dk"', '"CN:rest"', "caller 1 (rest): `certificates` holds something that is none of"),
        ('"email:rest@example.dk"', '"DNS:"', "caller 1 (rest): `certificates` holds something that is none of"),
        ('"email:rest@example.dk"', '"URI:spiffe://a b"', "caller 1 (rest): `certificates` holds something"),
        ('"email:rest@example.dk"', "7", "caller 1 (rest): `certificates` is not a list of texts"),
        (TOKEN, "tokens = 7", "caller 1 (rest): `tokens` is not a list of"),
        (TOKEN, 'tokens = [{ subject = "intake" }]', "caller 1 (rest): `issuer` is missing"),
        (TOKEN, TOKEN.replace(ISSUER, "https://other"), "caller 1 (rest): `tokens` names an `issuer` that is none"),
        (TOKEN, TOKEN.replace(" }", ", role = 'x' }"), "caller 1 (rest): `role` is not known"),
        (
            'role = "operator"\n' + TOKEN.replace("intake", "operator"),
            'role = "operator"',
            "caller 4 (night): neither `certificates` nor `tokens` says",
        ),
        (
            'algorithm = "EdDSA"',
            'algorithm = "none"',
            f"issuer 1 ({ISSUER}): `algorithm` is none of EdDSA, ES256, RS256",
        ),
        ('algorithm = "EdDSA"', 'algorithm = "HS256"', "`algorithm` is none of EdDSA, ES256, RS256"),
        ('algorithm = "EdDSA"', 'algorithm = "ES256"', "idp.pem: is no public key for ES256"),
        ('audience = "resolver"', "", f"issuer 1 ({ISSUER}): `audience` is missing"),
        ('keys = ["idp.pem"]', "keys = []", "`keys` is not a list of 1 to 8 files"),
        ('keys = ["idp.pem"]', 'keys = ["nowhere.pem"]', "nowhere.pem: can't be read: No such file"),
        ('keys = ["idp.pem"]', 'keys = ["access.toml"]', "access.toml: is no public key in PEM"),
    ],
)
def test_a_mistake_is_named_and_the_whole_file_refused(tmp_path, old, new, sentence):
    assert ACCESS.count(old) >= 1
    with pytest.raises(ConfigurationError) as refused:
        read_access(write_access(tmp_path, ACCESS.replace(old, new, 1)))
    assert sentence in refused.value.message
    assert str(tmp_path / "access.toml") in refused.value.message
    assert "\n" not in refused.value.message
    assert PUBLIC_PEM.decode().splitlines()[1] not in refused.value.message


def test_the_example_of_the_documentation_is_taken(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[[callers]]" in block]
    (tmp_path / "idp-2026.pem").write_bytes(PUBLIC_PEM)
    assert {caller.name for caller in read_access(write_access(tmp_path, example)).callers.values()} == {"intake-rest"}


def test_the_documentation_tells_whose_each_rpc_is():
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| RPC |")[2].partition("\n")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.split("\n\n")[0].splitlines()[1:]]
    told = {name.strip("` "): cells for names, *cells in rows for name in names.split(",")}
    for rpc, roles in ROLES_BY_RPC.items():
        if roles is not None:
            short = "reflection" if "reflection" in rpc else rpc.rpartition("/")[2]
            assert told.pop(short) == ["yes" if role in roles else "" for role in Role]
    assert not told


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        read_access(tmp_path / "access.toml")
    (tmp_path / "access.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not a TOML file in UTF-8"):
        read_access(tmp_path / "access.toml")
