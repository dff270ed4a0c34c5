"""Tokens: what is verified, and all the ways in which it is not."""

import hashlib
import hmac
import json

import jwt
import pytest
from access_nursery import AUDIENCE, ISSUER, NOW, PUBLIC_PEM, SIGNING_KEY, segment, token
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from resolver_grpc.errors import UnauthenticatedError
from resolver_grpc.server.access import Identity, IdentityKind
from resolver_grpc.server.tokens import MAX_TOKEN_BYTES, Algorithm, Issuer, Tokens, parse_public_key

PUBLIC = SIGNING_KEY.public_key()
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ed25519.Ed25519PrivateKey.generate()
TOKENS = Tokens([Issuer(ISSUER, AUDIENCE, Algorithm.EDDSA, (PUBLIC,))])


def pem_of(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**more):
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "intake", "exp": NOW + 60} | more


def by_hmac(secret):
    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims())}"
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def resigned(header, payload):
    """A token with any header and payload, rightly signed by the issuer."""
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(SIGNING_KEY.sign(signed.encode()))}"


HEADER = {"alg": "EdDSA", "typ": "JWT"}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(SIGNING_KEY, "EdDSA"), (EC_KEY, "ES256"), (RSA_KEY, "RS256")],
    ids=["EdDSA", "ES256", "RS256"],
)
def test_a_token_is_its_subjects_by_its_issuers_algorithm_alone(key, algorithm):
    parsed = parse_public_key(pem_of(key), Algorithm(algorithm))
    tokens = Tokens([Issuer(ISSUER, AUDIENCE, Algorithm(algorithm), (parsed,))])
    verified = tokens.verify(token(key=key, algorithm=algorithm), NOW)
    assert verified == (Identity(IdentityKind.SUBJECT, "intake", ISSUER), NOW - 60, NOW + 60)
    for other, named in ((SIGNING_KEY, "EdDSA"), (EC_KEY, "ES256"), (RSA_KEY, "RS256"), (RSA_KEY, "PS256")):
        if named != algorithm:
            with pytest.raises(UnauthenticatedError):
                tokens.verify(token(key=other, algorithm=named), NOW)


def test_what_the_bad_ones_are_made_of_is_good():
    assert TOKENS.verify(resigned(HEADER, claims()), NOW).expires == NOW + 60


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "a.b.c",
        "..",
        "æ.ø.å",
        f"{segment({'alg': 'none'})}.{segment(claims())}.",
        f"{segment({'alg': 'none'})}.{segment(claims())}.{token().rpartition('.')[2]}",
        by_hmac(PUBLIC_PEM),
        by_hmac(PUBLIC_PEM.strip()),
        by_hmac(b""),
        token(key=OTHER_KEY),
        token()[:-2],
        token() + "A",
        token(aud="another"),
        token(aud=None),
        token(aud=[]),
        token(iss="https://idp.example.com"),
        token(iss=None),
        token(exp=None),
        token(sub=None),
        token(""),
        resigned(HEADER, claims(exp="never")),
        resigned(HEADER, claims(exp=True)),
        resigned(HEADER, claims(exp=None)),
        resigned(HEADER, claims(nbf="now")),
        resigned(HEADER, claims(sub=7)),
        resigned(HEADER, [1]),
        resigned(HEADER, json.dumps(claims()).replace(str(NOW + 60), "Infinity").encode()),
        resigned(HEADER, json.dumps(claims()).replace(str(NOW + 60), "NaN").encode()),
        resigned(HEADER, json.dumps(claims()).replace(str(NOW + 60), "9" * 2000).encode()),
        resigned(HEADER, b"[" * 2000),
        resigned(HEADER | {"crit": ["x"]}, claims()),
        resigned(HEADER | {"b64": False}, claims()),
        resigned({"alg": "Ed448"}, claims()),
        resigned({"typ": "JWT"}, claims()),
        segment(b"[" * 2000) + ".e30." + segment(bytes(64)),
    ],
)
def test_whatever_is_wrong_the_refusal_reads_the_same(bad):
    with pytest.raises(UnauthenticatedError) as refused:
        TOKENS.verify(bad, NOW)
    assert refused.value.message == "the caller is not known; show a certificate or a token that the server was told of"
    assert refused.value.metadata == {}
    # The notes are for the log.
    assert len(bad) < len("a.b.c") or bad not in str(refused.value.__notes__)
    assert refused.value.__context__ is None or bad not in repr(refused.value.__context__)


@given(
    st.text(max_size=60) | st.binary(max_size=60).map(lambda data: f"{segment(HEADER)}.{segment(data)}.{segment(data)}")
)
def test_no_text_is_a_token_by_chance(text):
    with pytest.raises(UnauthenticatedError):
        TOKENS.verify(text, NOW)


def test_a_token_lasts_from_its_first_instant_to_before_its_end_without_leeway():
    made = token(nbf=NOW, exp=NOW + 10)
    for instant in (NOW, NOW + 9):
        assert TOKENS.verify(made, instant).expires == NOW + 10
    for instant in (NOW - 1, NOW + 10, NOW + 10_000):
        with pytest.raises(UnauthenticatedError):
            TOKENS.verify(made, instant)
    assert TOKENS.verify(made, NOW).not_before == NOW


def test_a_token_past_the_limit_is_refused_however_well_it_is_signed():
    room = MAX_TOKEN_BYTES - len(token(pad=""))
    fits, too_long = token(pad="x" * (room * 3 // 4 - 2)), token(pad="x" * room)
    assert len(fits) <= MAX_TOKEN_BYTES < len(too_long)
    assert TOKENS.verify(fits, NOW).expires
    with pytest.raises(UnauthenticatedError):
        TOKENS.verify(too_long, NOW)


def test_while_an_issuer_changes_its_key_both_are_taken_and_each_issuer_signs_for_itself_alone():
    first = Issuer(ISSUER, AUDIENCE, Algorithm.EDDSA, (OTHER_KEY.public_key(), PUBLIC))
    second = Issuer("https://second.example.dk", AUDIENCE, Algorithm.EDDSA, (OTHER_KEY.public_key(),))
    tokens = Tokens([second, first])
    assert tokens.verify(token(), NOW).identity.issuer == ISSUER
    assert tokens.verify(token(key=OTHER_KEY), NOW).identity.issuer == ISSUER
    assert tokens.verify(token(key=OTHER_KEY, iss=second.name), NOW).identity.issuer == second.name
    with pytest.raises(UnauthenticatedError):
        tokens.verify(token(iss=second.name), NOW)


@pytest.mark.parametrize(
    ("algorithm", "pem"),
    [
        ("EdDSA", b""),
        ("EdDSA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        ("EdDSA", pem_of(EC_KEY)),
        ("EdDSA", pem_of(ed448.Ed448PrivateKey.generate())),
        ("ES256", pem_of(RSA_KEY)),
        ("ES256", pem_of(ec.generate_private_key(ec.SECP384R1()))),
        ("RS256", PUBLIC_PEM),
        ("RS256", pem_of(rsa.generate_private_key(65537, 1024))),  # noqa: S505 - it is to be refused
    ],
)
def test_a_key_of_another_algorithm_or_too_weak_is_none(algorithm, pem):
    with pytest.raises(ValueError, match="is no public key"):
        parse_public_key(pem, Algorithm(algorithm))


def test_the_library_alone_would_take_an_expired_token_by_nobodys_clock_but_ours():
    """The wall clock plays no part: what expired in the past of this machine is good at an instant before that."""
    old = token(nbf=5, exp=10)
    assert TOKENS.verify(old, 7).expires == 10
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(old, PUBLIC, algorithms=["EdDSA"], audience=AUDIENCE)
