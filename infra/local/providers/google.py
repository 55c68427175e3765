"""Google: granular consent by tick boxes, a refresh token only with the first consent or ``prompt=consent``, ID tokens, and one
grant for each person and client, so that revoking any of its tokens ends them all.

Differences from the real one: all of its hosts are one; ``include_granted_scopes``, ``access_type`` and ``prompt=consent``
are honoured and other parameters let go; revocation is at once; the test-mode week and the cap of users do not exist; a
Workspace administrator's veto is one switch (``adminConsent``); codes live ten minutes.
"""

import secrets
from collections.abc import Mapping
from typing import ClassVar

from infra.local.providers import id_tokens
from infra.local.providers.exchange import Answer, Request, Why, refuses, says
from infra.local.providers.grants import Grant, Issued, Kind, Rules
from infra.local.providers.house import Ask, House, Office, Person

_WORDS: Mapping[Why, tuple[int, str, str]] = {
    "request_malformed": (400, "invalid_request", "Missing required parameter"),
    "grant_type_unknown": (400, "unsupported_grant_type", "Invalid grant_type"),
    "client_unknown": (401, "invalid_client", "The OAuth client was not found."),
    "client_refused": (401, "invalid_client", "Unauthorized"),
    "redirect_mismatch": (400, "redirect_uri_mismatch", "Bad Request"),
    "code_unknown": (400, "invalid_grant", "Malformed auth code."),
    "code_used": (400, "invalid_grant", "Bad Request"),
    "code_expired": (400, "invalid_grant", "Bad Request"),
    "verifier_missing": (400, "invalid_grant", "Missing code verifier."),
    "verifier_wrong": (400, "invalid_grant", "Invalid code verifier."),
    "refresh_unknown": (400, "invalid_grant", "Bad Request"),
    "scope_wider": (400, "invalid_scope", "Some requested scopes were invalid."),
    "admin_consent": (400, "admin_policy_enforced", "Account restricted"),
}
_LONG = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}
_DRIVE = "https://www.googleapis.com/auth/drive"


class Google(House):
    name = "google"
    title = "Google"
    color = "#1a73e8"
    rules = Rules(code=600, access=3599, rotation="static", idle=180 * 86_400, most_live=100, one_grant=True)
    authorize = r"/o/oauth2/v2/auth"
    token = r"/token"
    tick_boxes = True
    fixed = frozenset({"openid", *_LONG.values()})
    people = (
        Person("100000000000000000001", "Ada Example", "ada.example@gmail.example"),
        Person("100000000000000000002", "Ben Example", "ben@workspace.example", tenant="workspace.example"),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "openid": "Associate you with your personal info on Google",
        "email": "See your primary Google Account email address",
        "profile": "See your personal info, including any you have made publicly available",
        **dict.fromkeys(_LONG.values(), "See your primary Google Account email address and personal info"),
        f"{_DRIVE}.file": "See, edit, create and delete only the specific Google Drive files you use with this app",
        _DRIVE: "See, edit, create and delete all of your Google Drive files",
        f"{_DRIVE}.readonly": "See and download all your Google Drive files",
        f"{_DRIVE}.metadata.readonly": "See information about your Google Drive files",
        f"{_DRIVE}.appdata": "See, create and delete its own configuration data in your Google Drive",
    }

    def name_token(self, kind: Kind) -> str:
        return f"ya29.{secrets.token_urlsafe(96)}" if kind == "access" else f"1//0{secrets.token_urlsafe(64)}"

    def scopes_of(self, asked: str | None) -> tuple[str, ...] | None:
        found = super().scopes_of(asked)
        return tuple(_LONG.get(scope, scope) for scope in found) if found else None

    def offline(self, ask: Ask, *, known: bool) -> bool:
        if ask.parameters.get("access_type") != "offline":
            return False
        return not known or "consent" in ask.parameters.get("prompt", "").split()

    def granted(self, ask: Ask, ticked: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
        merged = ask.parameters.get("include_granted_scopes") == "true"
        return tuple(dict.fromkeys((*ticked, *before))) if merged else ticked

    def with_code(self, ask: Ask, scopes: tuple[str, ...]) -> Mapping[str, str]:
        return {"iss": ask.base, "scope": " ".join(scopes), "authuser": "0", "prompt": "consent"}

    def tokens(self, issued: Issued, person: Person, office: Office, request: Request) -> Mapping[str, object]:
        said = {"token_type": "Bearer", "scope": " ".join(issued.access.scopes)}
        if "openid" not in issued.access.scopes:
            return said
        nonce = {"nonce": issued.nonce} if issued.nonce else {}
        claims = {"iss": office.base, "azp": office.client.id, **_claims(person, issued.grant), **nonce}
        return {**said, "id_token": id_tokens.sign(claims, issued.access.value, office)}

    def refusal(self, why: Why) -> Answer:
        if why == "sign_in_again":
            return refuses(400, "invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt")
        over = (400, "invalid_grant", "Token has been expired or revoked.")
        return refuses(*_WORDS.get(why, over))

    def broken(self) -> Answer:
        return says(
            503, {"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}
        )

    def api(self, request: Request, office: Office) -> Answer | None:
        match request.method, request.path:
            case "POST", "/revoke":
                known = office.book.revoke({**request.query, **request.form}.get("token", ""))
                return says(200, {}) if known else refuses(400, "invalid_token", "Token expired or revoked")
            case "GET", "/.well-known/openid-configuration":
                return _discovery(request.base)
            case "GET", "/oauth2/v3/certs":
                return id_tokens.keys(office)
            case "GET" | "POST", "/v1/userinfo" | "/oauth2/v3/userinfo":
                return self._userinfo(request, office)
            case "GET", "/drive/v3/about":
                return self._about(request, office)
        return None

    def _userinfo(self, request: Request, office: Office) -> Answer:
        grant = office.book.opens(request.bearer)
        if grant is None:
            challenge = ("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"')
            return says(401, {"error": "invalid_request", "error_description": "Invalid Credentials"}, challenge)
        if not {"openid", *_LONG.values()} & set(grant.scopes):
            return _api_error(403, "Request had insufficient authentication scopes.", "PERMISSION_DENIED")
        return says(200, _claims(self.person(grant.person), grant))

    def _about(self, request: Request, office: Office) -> Answer:
        grant = office.book.opens(request.bearer)
        if grant is None:
            return _api_error(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")
        if not any(scope.startswith(_DRIVE) for scope in grant.scopes):
            return _api_error(403, "Request had insufficient authentication scopes.", "PERMISSION_DENIED")
        if not request.query.get("fields"):
            return _api_error(400, "The 'fields' parameter is required for this method.", "INVALID_ARGUMENT")
        person = self.person(grant.person)
        user = {"permissionId": person.id[::-1], "emailAddress": person.email, "displayName": person.name}
        return says(200, {"user": user})


def _claims(person: Person, grant: Grant) -> Mapping[str, object]:
    claims: dict[str, object] = {"sub": person.id}
    if _LONG["email"] in grant.scopes:
        claims |= {"email": person.email, "email_verified": True}
    if _LONG["profile"] in grant.scopes:
        claims |= {"name": person.name, "given_name": person.name.partition(" ")[0]}
    return claims | ({"hd": person.tenant} if person.tenant else {})


def _discovery(base: str) -> Answer:
    return id_tokens.discovery(
        base,
        authorization_endpoint=f"{base}/o/oauth2/v2/auth",
        token_endpoint=f"{base}/token",
        revocation_endpoint=f"{base}/revoke",
        userinfo_endpoint=f"{base}/v1/userinfo",
        jwks_uri=f"{base}/oauth2/v3/certs",
    )


def _api_error(status: int, message: str, code: str) -> Answer:
    return says(status, {"error": {"code": status, "message": message, "status": code}})
