"""Bearer tokens: JSON Web Tokens of one OpenID issuer, checked here and not only at a gateway.

What is checked (RFC 8725, "JSON Web Token Best Current Practices"): an algorithm of our list, never the token's choice; a
signature by a key the issuer publishes; issuer; audience; expiry and not-before with a minute's leeway; a subject.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.domain.errors import StateUnavailable, Unauthenticated
from shared.oauth.issuer import Fetch, fetched_keys
from shared.ports.identity import Principal

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 60
KEYS_SECONDS = 3600.0
"""Keys are asked for again after this long..."""
RETRY_SECONDS = 30.0
"""...or when a token names an unknown one, but never more often than this: strangers cannot make us call the issuer."""
FIRST_RETRY_SECONDS = 1.0
"""The same while no key is known yet."""
_MINIMUM_RSA_BITS = 2048
_LONGEST_NAME = 256  # characters of a role, tenant or subject


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose tokens are accepted, for whom, and which claims say what their bearer may do.

    Attributes:
        issuer: its URL, exactly as in ``iss``.
        audience: must be in ``aud``; where an issuer sends no ``aud`` (Amazon Cognito's access tokens), it is ``client_id``.
        role_claim, tenants_claim: names of top-level claims, each one text or a list of them.
    """

    issuer: str
    audience: str
    role_claim: str = "farshore/role"
    tenants_claim: str = "farshore/tenants"


class BearerVerifier:
    """ports.identity.Verifier. Asks the issuer for its keys when the first token comes."""

    def __init__(
        self, expected: Expected, *, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected = expected
        self._keys = Keys(expected.issuer, fetch, clock)

    def verify(self, token: str) -> Principal:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.named(header.get("kid"))
            if key is None or header.get("alg") not in ALGORITHMS or key.algorithm_name != header["alg"]:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._expected.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},  # ours is checked below
            )
        except (
            jwt.PyJWTError,
            ArithmeticError,
            RecursionError,
            TypeError,
            ValueError,
        ):  # whatever odd texts bring about
            raise Unauthenticated from None  # their messages quote the token
        return _principal(claims, self._expected)


class Keys:
    """The issuer's public keys, by id; remembered, renewed, and asked for sparingly."""

    def __init__(self, issuer: str, fetch: Fetch | None, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Mapping[str, PyJWK] = {}
        self._fresh_until = float("-inf")
        self._quiet_until = float("-inf")

    def named(self, key_id: object) -> "PyJWK | None":
        """The key of this id.

        Raises:
            StateUnavailable: no key is known at all, and the issuer does not answer.
        """
        if not isinstance(key_id, str):
            return None
        with self._lock:
            now = self._clock()
            if (key_id not in self._known or now >= self._fresh_until) and now >= self._quiet_until:
                self._renew(now)
            if not self._known:
                raise StateUnavailable("the issuer of tokens does not answer")
            return self._known.get(key_id)

    def _renew(self, now: float) -> None:
        """Asks the issuer; if it is silent, the keys it gave before stand for now."""
        with suppress(StateUnavailable):
            self._known = _usable(fetched_keys(self._issuer, self._fetch))
            self._fresh_until = now + KEYS_SECONDS
        self._quiet_until = now + (RETRY_SECONDS if self._known else FIRST_RETRY_SECONDS)


def _usable(published: list[Mapping[str, Any]]) -> Mapping[str, "PyJWK"]:
    """The keys that sign with an algorithm of ours."""
    import jwt

    keys: dict[str, jwt.PyJWK] = {}
    for each in published:
        try:
            key = jwt.PyJWK(dict(each))
        except jwt.PyJWTError:
            continue  # a kind of key we do not speak; the others are still good
        if key.algorithm_name in ALGORITHMS and each.get("use", "sig") == "sig" and each.get("kid") and _strong(key):
            keys[str(each["kid"])] = key
    return keys


def _strong(key: "PyJWK") -> bool:
    return key.key_type != "RSA" or key.key.key_size >= _MINIMUM_RSA_BITS


def _principal(claims: Mapping[str, Any], expected: Expected) -> Principal:
    audience = claims.get("aud", claims.get("client_id"))
    if expected.audience not in _texts(audience) or not _texts(claims["sub"]):
        raise Unauthenticated
    roles, tenants = _texts(claims.get(expected.role_claim)), _texts(claims.get(expected.tenants_claim))
    return Principal(claims["sub"], frozenset(roles), frozenset(tenants))


def _texts(claim: object) -> list[str]:
    """A claim's texts, be it one or a list; whatever else is in it says nothing."""
    several = claim if isinstance(claim, list) else [claim]
    return [text for text in several if isinstance(text, str) and 0 < len(text) <= _LONGEST_NAME]
