"""Microsoft's ways, by msal's OpenID client: scopes are named with every call, and answers spell them with their resource."""

from typing import Any

from msal.oauth2cli.oidc import Client as OpenIdClient

from shared.domain.secret import Secret
from shared.oauth.answers import Answer
from shared.oauth.dialect import Client, Dialect
from shared.oauth.dialects import standard
from shared.oauth.faults import MICROSOFT
from shared.oauth.scopes import Spelling
from shared.oauth.wire import Wire
from shared.ports.oauth import ConsentRequest

_CHECKED = "checked"  # as the state was before this; msal compares it with itself


def exchange(wire: Wire[Answer], client: Client, code: Secret[str], request: ConsentRequest) -> None:
    """The ID token is looked at by ``server``: msal checks none."""
    flow = {
        "state": _CHECKED,
        "redirect_uri": request.redirect_uri,
        "scope": list(request.scopes),
        "code_verifier": request.verifier.reveal(),
    }
    _library(wire, client).obtain_token_by_auth_code_flow(flow, {"state": _CHECKED, "code": code.reveal()})


def refresh(wire: Wire[Answer], client: Client, token: Secret[str], scopes: tuple[str, ...]) -> None:
    """A refresh token is not bound to a resource: the scopes say which one the access token is for."""
    _library(wire, client).obtain_token_by_refresh_token(token.reveal(), scope=list(scopes))


def _library(wire: Wire[Answer], client: Client) -> Any:
    secret, basic = client.needed_secret, client.provider.token_method != "POST"  # noqa: S105 # no password
    proof = {"client_secret": secret} if basic else {"default_body": {"client_secret": secret}}
    return OpenIdClient({"token_endpoint": client.endpoints.token}, client.id, http_client=wire, **proof)


DIALECT = Dialect(
    exchange=exchange,
    refresh=refresh,
    revoke=standard.revoke,
    faults=MICROSOFT,
    scopes=Spelling(
        prefix="https://graph.microsoft.com/",
        any_case=True,
        silent=frozenset({"openid", "profile", "email", "offline_access"}),
    ),
    account_ids=("id",),
    account_names=("userPrincipalName", "mail", "displayName"),
    needs_secret=True,
)
