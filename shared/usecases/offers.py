"""What a provider must look like. Refusals name the field and the rule, and repeat nothing."""

import re
from collections.abc import Callable, Iterable
from typing import get_args

from shared.domain.errors import InvalidInput
from shared.domain.provider import Dialect, Metadata, Provider, Rotation, TokenMethod
from shared.domain.secret import Secret
from shared.usecases.forms import form_of
from shared.usecases.wellformed import named

_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,62}\Z")
_CONNECTOR = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}\Z")  # RFC 6749, 3.3: scope-token
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")  # RFC 6749, appendix A.1, less the space
_ISSUER = re.compile(r"https?://[^\s?#@\\]{1,500}\Z")  # RFC 8414, 2: no query, no fragment
_COLOR = re.compile(r"(?:#[0-9A-Fa-f]{6})?\Z")
_OURS = frozenset(
    {
        *("client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)
"""Parameters of the consent page that the code flow sets itself, or that would undo it."""


def check_offer(offer: Provider, check_url: Callable[[str], None]) -> None:
    """Returns if a provider may be offered to tenants.

    Raises:
        InvalidInput
    """
    named(offer.name, "name")
    _demand(_SLUG.match(offer.slug), "slug is 1 to 63 lower-case letters, digits and single '-' between them")
    _demand(_CONNECTOR.match(offer.connector), "connector is the name of a store")
    _demand(offer.auth_types and _apart(offer.auth_types), "authTypes names at least one way to sign in, each once")
    for way in offer.auth_types:
        form_of(offer.connector, way)
    _code_flow(offer, check_url)
    _choices(offer)
    _looks(offer.metadata)


def check_secret(secret: Secret[str]) -> None:
    """Returns if it can be a client secret. Raises InvalidInput."""
    said = secret.reveal()
    _demand(len(said) <= 4096 and _VISIBLE.match(said), "clientSecret is 1 to 4096 visible ASCII characters")


def _code_flow(offer: Provider, check_url: Callable[[str], None]) -> None:
    points = offer.endpoints
    if "oauth2" in offer.auth_types:
        _demand(points and points.authorize and points.token, "oauth2 needs authUrl and tokenUrl")
        _demand(offer.client_id, "oauth2 needs clientId")
    _demand(not offer.client_id or _visible(offer.client_id), "clientId is 1 to 512 visible ASCII characters")
    for url in (points.authorize, points.token, points.revoke, points.user_info) if points else ():
        if url:
            _demand(len(url) <= 2048, "a URL has at most 2048 characters")
            check_url(url)
    _demand(len(offer.scopes) <= 100 and _apart(offer.scopes), "scopes are at most 100, each once")
    _demand(all(map(_SCOPE.match, offer.scopes)), "a scope is 1 to 256 visible ASCII characters but '\"' and '\\'")
    parameters = offer.authorize_parameters
    _demand(
        len(parameters) <= 20 and all(map(_PARAMETER.match, parameters)), "authorizeParameters are at most 20 names"
    )
    _demand(not _OURS & parameters.keys(), f"authorizeParameters may not set {', '.join(sorted(_OURS))}")
    _demand(
        all(len(value) <= 512 and value.isprintable() for value in parameters.values()),
        "values of authorizeParameters are at most 512 printable characters",
    )


def _choices(offer: Provider) -> None:
    _demand(offer.grant_type == "authorization_code", "grantType is authorization_code")
    _demand(offer.pkce == "S256", "pkce is S256")
    _demand(offer.token_method in get_args(TokenMethod.__value__), "tokenMethod is POST or BASIC")
    _demand(offer.dialect in get_args(Dialect.__value__), "dialect is one of the known ones")
    _demand(offer.rotation in get_args(Rotation.__value__), "rotation is static, sliding or strict")
    _demand(offer.issuer is None or _ISSUER.match(offer.issuer), "issuer is a URL without query and fragment")
    _demand(offer.issuer is not None or not offer.issuer_required, "issuerRequired needs an issuer")
    _demand(offer.idle_days is None or 1 <= offer.idle_days <= 3650, "idleDays is 1 to 3650, or null")


def _looks(metadata: Metadata) -> None:
    short = (metadata.icon, metadata.hipaa_baa)
    _demand(
        all(len(text) <= 256 and _printable(text) for text in short), "icon and hipaaBaa are 256 characters at most"
    )
    _demand(_COLOR.match(metadata.color), "color is #rrggbb")
    _demand(
        len(metadata.description) <= 1024 and _printable(metadata.description), "description is at most 1024 characters"
    )
    regions = metadata.regions
    _demand(len(regions) <= 100, "regions are 100 at most")
    _demand(all(0 < len(it) <= 64 and it.isprintable() for it in regions), "a region is 1 to 64 printable characters")


def _demand(fine: object, rule: str) -> None:
    if not fine:
        raise InvalidInput(rule)


def _apart(values: Iterable[str]) -> bool:
    listed = list(values)
    return len(set(listed)) == len(listed)


def _visible(text: str) -> bool:
    return len(text) <= 512 and _VISIBLE.match(text) is not None


def _printable(text: str) -> bool:
    return text.isprintable()
