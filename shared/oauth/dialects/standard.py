"""The standard's ways, by Authlib: RFC 6749 (codes, refresh), RFC 7636 (PKCE), RFC 7009 (revocation)."""

import base64
from typing import Any
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from shared.domain.secret import Secret
from shared.oauth.answers import Answer
from shared.oauth.dialect import Client, Dialect
from shared.oauth.id_token import nonce_for
from shared.oauth.wire import Wire
from shared.ports.oauth import ConsentRequest

_OURS = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)


def consent_url(client: Client, request: ConsentRequest) -> str:
    """Where the browser goes. What decides the consent's safety cannot be overridden by the provider's parameters."""
    more = {name: value for name, value in client.provider.authorize_parameters.items() if name not in _OURS}
    if "openid" in request.scopes:
        more["nonce"] = nonce_for(request.nonce)
    url, _ = _library(None, client).create_authorization_url(
        client.endpoints.authorize,
        state=request.state,
        code_verifier=request.verifier.reveal(),
        redirect_uri=request.redirect_uri,
        scope=" ".join(request.scopes) or None,
        **more,
    )
    return str(url)


def exchange(wire: Wire[Answer], client: Client, code: Secret[str], request: ConsentRequest) -> None:
    """RFC 6749 4.1.3 with RFC 7636 4.5."""
    _library(wire, client).fetch_token(
        client.endpoints.token,
        grant_type="authorization_code",
        code=code.reveal(),
        code_verifier=request.verifier.reveal(),
        redirect_uri=request.redirect_uri,
    )


def refresh(wire: Wire[Answer], client: Client, token: Secret[str], scopes: tuple[str, ...]) -> None:
    """RFC 6749 6. Scopes are left out, which means as they were granted: to name one that was not is an error."""
    _library(wire, client).refresh_token(client.endpoints.token, refresh_token=token.reveal())


def revoke(wire: Wire[bool], client: Client, token: Secret[str], hint: str) -> None:
    """RFC 7009 2.1."""
    _library(wire, client).revoke_token(client.endpoints.revoke, token=token.reveal(), token_type_hint=hint)


def _library(wire: Any, client: Client) -> Any:
    method = {"POST": "client_secret_post", "BASIC": "client_secret_basic"}[client.provider.token_method]
    if client.secret is None:
        method = "none"
    made = OAuth2Client(
        wire,
        client_id=client.id,
        client_secret=client.secret.reveal() if client.secret else None,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    made.client_auth_class = _Proof
    made.register_client_auth_method(("client_secret_basic", _basic))
    return made


class _Proof(ClientAuth):  # type: ignore[misc]  # Authlib has no types
    """As ``authlib.integrations.requests_client`` has it: that package imports all of JOSE, a quarter of a second."""

    def __call__(self, request: Any) -> Any:
        told = self.prepare(request.method, request.url, request.headers, request.body)
        request.url, request.headers, request.body = told
        return request


def _basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> Any:
    """RFC 6749 2.3.1: form-encoded before it is put together, which Authlib leaves out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
    return uri, headers, body


DIALECT = Dialect(exchange=exchange, refresh=refresh, revoke=revoke)
