"""The token endpoint (RFC 6749 3.2): proves the client, then trades a code or a refresh token."""

from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import unquote_plus

from infra.local.providers.exchange import Answer, Refused, Request, says
from infra.local.providers.grants import Issued
from infra.local.providers.house import House, Office


def trade(house: House, office: Office, request: Request) -> Answer:
    """The house's token answer, or its refusal."""
    try:
        issued = _issued(house, office, request)
    except Refused as refused:
        return house.refusal(refused.why)
    refresh = {"refresh_token": issued.refresh.value} if issued.refresh else {}
    life = int(office.book.rules.access)
    said = house.tokens(issued, house.person(issued.grant.person), office, request)
    return says(
        200, {"access_token": issued.access.value, "expires_in": life, **refresh, **said}, ("Pragma", "no-cache")
    )


def _issued(house: House, office: Office, request: Request) -> Issued:
    form = request.form
    client = _client(house, office, request)
    if form.get("grant_type") == "authorization_code":
        if not form.get("code") or not form.get("redirect_uri"):
            raise Refused("request_malformed")
        return office.book.trade(form["code"], client, form["redirect_uri"], form.get("code_verifier"))
    if form.get("grant_type") == "refresh_token":
        if not form.get("refresh_token"):
            raise Refused("request_malformed")
        scopes = house.scopes_of(form["scope"]) if form.get("scope") else None
        if form.get("scope") and scopes is None:
            raise Refused("scope_wider")
        return office.book.refresh(form["refresh_token"], client, scopes)
    raise Refused("grant_type_unknown")


def _client(house: House, office: Office, request: Request) -> str:
    """Who asks. One way of proof at a time (RFC 6749 2.3); a public client's proof is its verifier."""
    basic, form = _basic(request.headers), request.form
    if basic and form.get("client_secret"):
        raise Refused("request_malformed")
    name, secret = basic if basic and house.basic_auth else (form.get("client_id", ""), form.get("client_secret", ""))
    if name != office.client.id:
        raise Refused("client_unknown")
    if not secret and house.public_clients and (form.get("code_verifier") or form.get("refresh_token")):
        return name
    if not compare_digest(secret, office.client.secret):
        raise Refused("client_refused")
    return name


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and secret of HTTP Basic, each form-encoded (RFC 6749 2.3.1)."""
    scheme, _, said = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(said, validate=True).decode().partition(":")
    except ValueError:
        raise Refused("request_malformed") from None
    return unquote_plus(name), unquote_plus(secret)
