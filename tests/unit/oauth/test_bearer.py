"""Tokens: what is accepted, and the many that are not."""

import base64
import json
import time
from collections import Counter

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from infra.local.issuer import mint, serving, signing_key
from infra.local.processes import free_port
from shared.domain.errors import Misconfigured, StateUnavailable, Unauthenticated
from shared.oauth import bearer
from shared.oauth.bearer import BearerVerifier, Expected
from shared.oauth.issuer import allowed, fetched_keys
from shared.ports.identity import Principal

ISSUER = "https://issuer.example/pool"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {
    "iss": ISSUER,
    "aud": "farshore",
    "sub": "person-1",
    "farshore/role": "owner",
    "farshore/tenants": ["acme", "beta"],
}


def jwk(key, kid, **more):
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


class Issuer:
    """Publishes keys; counts what it is asked; falls silent when told."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.asked = Counter()
        self.silent = False
        self.says = {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}

    def __call__(self, url: str) -> bytes:
        self.asked[url] += 1
        if self.silent:
            raise StateUnavailable
        if url == ISSUER + "/.well-known/openid-configuration":
            return json.dumps(self.says).encode()
        assert url == "https://keys.example/jwks"
        return json.dumps({"keys": self.keys}).encode()

    @property
    def times(self) -> int:
        return self.asked["https://keys.example/jwks"]


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer():
    return Issuer(jwk(RSA, "rsa", use="sig", alg="RS256"), jwk(EC, "ec"), jwk(WEAK_RSA, "weak"), {"kty": "odd"})


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def verifier(issuer, clock):
    return BearerVerifier(Expected(ISSUER, "farshore"), fetch=issuer, clock=clock)


def token(key=RSA, kid="rsa", algorithm="RS256", headers=None, **changed):
    now = int(time.time())
    claims = {**CLAIMS, "iat": now, "exp": now + 600, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid, **(headers or {})})


def forged(header, signature=b"") -> str:
    parts = json.dumps(header).encode(), json.dumps({**CLAIMS, "exp": 9_999_999_999}).encode(), signature
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(RSA, "rsa", "RS256"), (EC, "ec", "ES256")])
def test_a_valid_token_says_who_bears_it(verifier, key, kid, algorithm):
    expected = Principal("person-1", frozenset({"owner"}), frozenset({"acme", "beta"}))
    assert verifier.verify(token(key, kid, algorithm)) == expected


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        (
            {"farshore/role": ["a", "b"], "farshore/tenants": "acme"},
            Principal("person-1", frozenset("ab"), frozenset({"acme"})),
        ),
        ({"farshore/role": None, "farshore/tenants": None}, Principal("person-1")),
        ({"farshore/role": {"x": 1}, "farshore/tenants": [1, "", None, "y" * 300]}, Principal("person-1")),
    ],
)
def test_claims_are_one_text_or_several_and_anything_else_is_nothing(verifier, claims, principal):
    assert verifier.verify(token(**claims)) == principal


def test_the_claims_names_are_settings(issuer):
    expected = Expected(ISSUER, "farshore", role_claim="https://x.example/r", tenants_claim="orgs")
    who = BearerVerifier(expected, fetch=issuer).verify(token(**{"https://x.example/r": "boss", "orgs": "acme"}))
    assert (who.roles, who.tenants) == ({"boss"}, {"acme"})


def test_a_minute_of_leeway_and_no_more(verifier):
    now = int(time.time())
    verifier.verify(token(exp=now - 30, nbf=now + 30))
    for late in ({"exp": now - 90}, {"nbf": now + 90}):
        with pytest.raises(Unauthenticated):
            verifier.verify(token(**late))


def test_an_issuer_without_audiences_names_the_client(verifier):
    verifier.verify(token(aud=None, client_id="farshore"))
    with pytest.raises(Unauthenticated):
        verifier.verify(token(aud="other", client_id="farshore"))


PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

REFUSED = {
    "another audience": lambda: token(aud="other"),
    "no audience": lambda: token(aud=None),
    "an empty audience": lambda: token(aud=[]),
    "another issuer": lambda: token(iss="https://evil.example"),
    "no issuer": lambda: token(iss=None),
    "no expiry": lambda: token(exp=None),
    "an endless expiry": lambda: token(exp=float("inf")),
    "no subject": lambda: token(sub=None),
    "an empty subject": lambda: token(sub=""),
    "another key under this id": lambda: token(OTHER_RSA),
    "an unknown key": lambda: token(OTHER_RSA, "unknown"),
    "a key too short": lambda: token(WEAK_RSA, "weak"),
    "no key id": lambda: jwt.encode({**CLAIMS, "exp": 9_999_999_999}, RSA, algorithm="RS256"),
    "a key id that is no text": lambda: forged({"alg": "RS256", "kid": ["rsa"]}),
    "an algorithm off the list": lambda: token(algorithm="RS512"),
    "the algorithm none": lambda: forged({"alg": "none", "kid": "rsa"}),
    "the public key as a shared secret": lambda: forged(
        {"alg": "HS256", "kid": "rsa"}, __import__("hmac").digest(PEM, b"x", "sha256")
    ),
    "another kind of key than the algorithm's": lambda: forged({"alg": "ES256", "kid": "rsa"}, b"0" * 64),
    "an extension it must understand": lambda: token(headers={"crit": ["odd"], "odd": 1}),
    "a signature altered": lambda: token()[:-8] + "AAAAAAAA",
    "no signature": lambda: token().rsplit(".", 1)[0] + ".",
    "two parts": lambda: "a.b",
    "a header nested deeply": lambda: base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.e30",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_refused_and_nothing_of_it_is_told(verifier, why):
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(REFUSED[why]())
    assert str(caught.value) == "Sign in first."
    assert caught.value.__cause__ is None


def test_a_key_for_encryption_signs_nothing(clock):
    verifier = BearerVerifier(Expected(ISSUER, "farshore"), fetch=Issuer(jwk(RSA, "rsa", use="enc"), jwk(EC, "ec")))
    with pytest.raises(Unauthenticated):
        verifier.verify(token())


def test_keys_are_asked_for_once_and_again_after_an_hour(verifier, issuer, clock):
    for _ in range(5):
        verifier.verify(token())
    assert issuer.times == 1
    clock.now = bearer.KEYS_SECONDS
    verifier.verify(token())
    assert issuer.times == 2


def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(verifier, issuer, clock):
    verifier.verify(token())
    issuer.keys = [jwk(OTHER_RSA, "new")]
    clock.now = bearer.RETRY_SECONDS
    verifier.verify(token(OTHER_RSA, "new"))
    with pytest.raises(Unauthenticated):
        verifier.verify(token())


def test_strangers_cannot_make_us_call_the_issuer(verifier, issuer, clock):
    for number in range(50):
        with pytest.raises(Unauthenticated):
            verifier.verify(token(kid=f"made-up-{number}"))
    assert issuer.times == 1
    clock.now = bearer.RETRY_SECONDS
    with pytest.raises(Unauthenticated):
        verifier.verify(token(kid="made-up"))
    assert issuer.times == 2


def test_known_keys_stand_while_the_issuer_is_silent(verifier, issuer, clock):
    verifier.verify(token())
    issuer.silent = True
    clock.now = bearer.KEYS_SECONDS * 5
    assert verifier.verify(token()).subject == "person-1"


def test_without_any_key_the_state_is_unavailable_and_soon_tried_again(verifier, issuer, clock):
    issuer.silent = True
    for _ in range(3):
        with pytest.raises(StateUnavailable):
            verifier.verify(token())
    issuer.silent = False
    clock.now = bearer.FIRST_RETRY_SECONDS
    assert verifier.verify(token()).subject == "person-1"


@pytest.mark.parametrize(
    "says",
    [
        {"issuer": "https://evil.example", "jwks_uri": "https://keys.example/jwks"},
        {"issuer": ISSUER, "jwks_uri": "http://keys.example/jwks"},
        {"issuer": ISSUER},
        [],
    ],
)
def test_an_issuer_that_describes_itself_wrongly_gives_no_keys(issuer, says):
    issuer.says = says
    with pytest.raises(StateUnavailable):
        fetched_keys(ISSUER, issuer)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_an_issuer_that_does_not_speak_json_gives_no_keys(body):
    with pytest.raises(StateUnavailable):
        fetched_keys(ISSUER, lambda _: body)


def test_keys_that_are_no_list_are_no_keys(issuer):
    issuer.keys = {"rsa": jwk(RSA, "rsa")}
    assert fetched_keys(ISSUER, issuer) == []


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://issuer.example", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:1/x", True),
        ("http://issuer.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", False),
        ("https://user@issuer.example", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_keys_come_over_https_or_from_this_computer(url, may):
    assert allowed(url) is may


def test_an_issuer_over_plain_http_is_the_operators_mistake():
    with pytest.raises(Misconfigured):
        BearerVerifier(Expected("http://issuer.example", "farshore")).verify(token())


def test_keys_are_fetched_over_http_from_the_local_issuer(tmp_path):
    key = signing_key(tmp_path / "key.pem")
    with serving(key, free_port()) as url:
        verifier = BearerVerifier(Expected(url, "farshore"))
        minted = mint(key, url, "person-2", {"farshore/role": "owner", "farshore/tenants": ["acme"]})
        assert verifier.verify(minted) == Principal("person-2", frozenset({"owner"}), frozenset({"acme"}))
        with pytest.raises(StateUnavailable):
            fetched_keys(url + "/elsewhere")
    with pytest.raises(StateUnavailable):
        BearerVerifier(Expected(url, "farshore")).verify(minted)
