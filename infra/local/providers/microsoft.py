"""Microsoft identity platform v2: a directory in every path, a new refresh token with each refresh while the old one still works,
ID tokens, numbered errors (AADSTS), no way to revoke, and Graph's ``/me``.

Differences from the real one: an access token always lives an hour (really 60 to 90 minutes, by lot) and is opaque; the answer
goes back in the query only (``form_post`` and ``fragment`` are refused); conditional access, CAE and device rules do not
exist, but their errors can be had by a switch; directories other than the two people's are unknown; codes live ten minutes.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from json import dumps
from re import fullmatch
from typing import ClassVar
from uuid import uuid4

from infra.local.providers import id_tokens
from infra.local.providers.exchange import Answer, Request, Why, says
from infra.local.providers.grants import Issued, Kind, Rules
from infra.local.providers.house import Ask, House, Office, Person

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The directory of all personal accounts."""
WORK = "5a6b7c8d-0000-4000-8000-00000000c0de"
_GRAPH = "https://graph.microsoft.com/"
_OPENID = ("openid", "profile", "email", "offline_access")
# error, HTTP status, AADSTS number, words
_WORDS: Mapping[Why, tuple[str, int, int, str]] = {
    "request_malformed": ("invalid_request", 400, 900144, "The request body must contain a required parameter."),
    "grant_type_unknown": ("unsupported_grant_type", 400, 70003, "The app requested an unsupported grant type."),
    "client_unknown": ("unauthorized_client", 400, 700016, "Application was not found in the directory."),
    "client_refused": ("invalid_client", 401, 7000215, "Invalid client secret provided."),
    "redirect_mismatch": ("invalid_client", 400, 50011, "The redirect URI does not match the one of the request."),
    "code_unknown": ("invalid_grant", 400, 9002313, "Invalid request. Request is malformed or invalid."),
    "code_used": ("invalid_grant", 400, 54005, "OAuth2 Authorization code was already redeemed."),
    "code_expired": ("invalid_grant", 400, 70008, "The provided authorization code has expired."),
    "verifier_missing": ("invalid_grant", 400, 501481, "The Code_Verifier does not match the code_challenge."),
    "verifier_wrong": ("invalid_grant", 400, 501481, "The Code_Verifier does not match the code_challenge."),
    "scope_wider": ("invalid_grant", 400, 65001, "The user or administrator has not consented."),
    "refresh_unknown": ("invalid_grant", 400, 70000, "Provided grant is invalid or malformed."),
    "refresh_used": ("invalid_grant", 400, 70000, "Provided grant is invalid or malformed."),
    "refresh_expired": ("invalid_grant", 400, 700082, "The refresh token has expired due to inactivity."),
    "refresh_idle": ("invalid_grant", 400, 700082, "The refresh token has expired due to inactivity."),
    "grant_revoked": ("invalid_grant", 400, 50173, "The provided grant has expired due to it being revoked."),
    "admin_consent": ("invalid_grant", 400, 90094, "The grant requires admin permission."),
    "sign_in_again": ("interaction_required", 400, 50076, "You must use multi-factor authentication."),
}
_SUBERRORS: Mapping[Why, str] = {
    "scope_wider": "consent_required",
    "admin_consent": "consent_required",
    "sign_in_again": "basic_action",
}


class Microsoft(House):
    name = "microsoft"
    title = "Microsoft"
    color = "#0067b8"
    rules = Rules(code=600, access=3599, rotation="sliding", refresh=90 * 86_400)
    authorize = r"/(?P<tenant>[\w.-]+)/oauth2/v2\.0/authorize"
    token = r"/(?P<tenant>[\w.-]+)/oauth2/v2\.0/token"
    people = (
        Person("11111111-0000-4000-8000-0000000000ad", "Ada Example", "ada@contoso.example", tenant=WORK),
        Person("00000000-0000-0000-0000-0000000000be", "Ben Example", "ben@outlook.example", tenant=PERSONAL),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "openid": "Sign you in",
        "profile": "View your basic profile",
        "email": "View your email address",
        "offline_access": "Maintain access to data you have given it access to",
        "User.Read": "Sign you in and read your profile",
        "Files.Read": "Read your files",
        "Files.ReadWrite": "Have full access to your files",
        "Files.Read.All": "Read all files that you have access to",
        "Files.ReadWrite.All": "Have full access to all files you have access to",
        "Files.ReadWrite.AppFolder": "Have full access to the application's folder",
        "Sites.Read.All": "Read items in all site collections",
        "Sites.ReadWrite.All": "Edit or delete items in all site collections",
        "Sites.Selected": "Access selected site collections",
    }

    def name_token(self, kind: Kind) -> str:
        return f"EwB{secrets.token_urlsafe(120)}" if kind == "access" else f"1.AX0A{secrets.token_urlsafe(120)}"

    def scopes_of(self, asked: str | None) -> tuple[str, ...] | None:
        """Graph's scopes come short or in full; no other resource is known."""
        return super().scopes_of(" ".join(scope.removeprefix(_GRAPH) for scope in (asked or "").split())) or None

    def people_of(self, tenant: str) -> Sequence[Person]:
        wanted = {"consumers": (PERSONAL,), "organizations": (WORK,), "common": (WORK, PERSONAL)}
        return [person for person in self.people if person.tenant in wanted.get(tenant, (tenant,))]

    def offline(self, ask: Ask, *, known: bool) -> bool:
        return "offline_access" in ask.scopes

    def denial(self) -> Mapping[str, str]:
        return {
            "error": "access_denied",
            "error_subcode": "cancel",
            "error_description": "AADSTS65004: User declined to consent to access the app.",
        }

    def admin_denial(self) -> Mapping[str, str]:
        return {
            "error": "consent_required",
            "error_description": "AADSTS90094: An administrator of the directory has to grant this permission.",
        }

    def tokens(self, issued: Issued, person: Person, office: Office, request: Request) -> Mapping[str, object]:
        asked = [scope for scope in issued.access.scopes if scope not in _OPENID]
        # A grant reaches further than was asked, by what was consented to earlier; work accounts spell scopes in full.
        graph = [f"{_GRAPH if person.tenant == WORK else ''}{scope}" for scope in dict.fromkeys((*asked, "User.Read"))]
        known = [scope for scope in issued.access.scopes if scope in _OPENID and scope != "offline_access"]
        said: dict[str, object] = {"token_type": "Bearer", "scope": " ".join((*graph, *known)), "ext_expires_in": 3599}
        if "openid" in issued.access.scopes:
            said["id_token"] = id_tokens.sign(_claims(issued, person, office), issued.access.value, office)
        if request.form.get("client_info") == "1":
            info = dumps({"uid": person.id, "utid": person.tenant}).encode()
            said["client_info"] = urlsafe_b64encode(info).rstrip(b"=").decode()
        return said

    def refusal(self, why: Why) -> Answer:
        error, status, number, words = _WORDS[why]
        trace, correlation = str(uuid4()), str(uuid4())
        said = {
            "error": error,
            "error_description": f"AADSTS{number}: {words} Trace ID: {trace} Correlation ID: {correlation}",
            "error_codes": [number],
            "timestamp": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}",
            "trace_id": trace,
            "correlation_id": correlation,
        }
        return says(status, {**said, "suberror": _SUBERRORS[why]} if why in _SUBERRORS else said)

    def broken(self) -> Answer:
        return says(
            503, {"error": "temporarily_unavailable", "error_codes": [90033], "error_description": "AADSTS90033"}
        )

    def api(self, request: Request, office: Office) -> Answer | None:
        if request.method != "GET":
            return None
        if request.path == "/v1.0/me":
            return self._me(request, office)
        if request.path == "/common/discovery/instance":
            return says(
                200, {"tenant_discovery_endpoint": f"{request.base}/common/v2.0/.well-known/openid-configuration"}
            )
        if found := fullmatch(r"/([\w.-]+)/v2\.0/\.well-known/openid-configuration", request.path):
            return _discovery(request.base, found[1])
        return id_tokens.keys(office) if fullmatch(r"/[\w.-]+/discovery/v2\.0/keys", request.path) else None

    def _me(self, request: Request, office: Office) -> Answer:
        grant = office.book.opens(request.bearer)
        if grant is None:
            message = "Lifetime validation failed, the token is expired."
            return says(401, {"error": {"code": "InvalidAuthenticationToken", "message": message, "innerError": {}}})
        person = self.person(grant.person)
        return says(
            200,
            {
                "id": person.id,
                "displayName": person.name,
                "userPrincipalName": person.email,
                "mail": person.email if person.tenant == WORK else None,
            },
        )


def _claims(issued: Issued, person: Person, office: Office) -> Mapping[str, object]:
    claims: dict[str, object] = {
        "iss": f"{office.base}/{person.tenant}/v2.0",
        "nbf": int(office.book.now()),
        "oid": person.id,
        "sub": f"pairwise-{person.id}",
        "tid": person.tenant,
        "ver": "2.0",
    }
    if "profile" in issued.access.scopes:
        claims |= {"name": person.name, "preferred_username": person.email}
    if "email" in issued.access.scopes:
        claims["email"] = person.email
    return claims | ({"nonce": issued.nonce} if issued.nonce else {})


def _discovery(base: str, tenant: str) -> Answer:
    shared = tenant in ("common", "organizations")
    directory = "{tenantid}" if shared else PERSONAL if tenant == "consumers" else tenant
    return id_tokens.discovery(
        f"{base}/{directory}/v2.0",
        authorization_endpoint=f"{base}/{tenant}/oauth2/v2.0/authorize",
        token_endpoint=f"{base}/{tenant}/oauth2/v2.0/token",
        jwks_uri=f"{base}/{tenant}/discovery/v2.0/keys",
        userinfo_endpoint=f"{base}/oidc/userinfo",
    )
