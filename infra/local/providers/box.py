"""Box: a refresh token works once, and the one before is dead at once; codes live 30 seconds; scopes are the application's.

Differences from the real one: a challenge binds the code if there was one (what Box does is documented only lately); using
a dead refresh token ends nothing else; access tokens live an hour sharp; downscoping does not exist.
"""

import secrets
from collections.abc import Mapping
from typing import ClassVar

from infra.local.providers.exchange import Answer, Request, Why, refuses, says
from infra.local.providers.grants import Issued, Kind, Rules
from infra.local.providers.house import House, Office, Person

_WORDS: Mapping[Why, tuple[str, str]] = {
    "request_malformed": ("invalid_request", "Invalid grant_type parameter or parameter missing"),
    "grant_type_unknown": ("unsupported_grant_type", "Invalid grant_type parameter or parameter missing"),
    "client_unknown": ("invalid_client", "The client credentials are invalid"),
    "client_refused": ("invalid_client", "The client credentials are invalid"),
    "redirect_mismatch": ("redirect_uri_mismatch", "The redirect URI provided is not one of the app's"),
    "code_unknown": ("invalid_grant", "Auth code doesn't exist or is invalid for the client"),
    "code_expired": ("invalid_grant", "The authorization code has expired"),
    "code_used": ("invalid_grant", "The authorization code has expired"),
    "refresh_expired": ("invalid_grant", "Refresh token has expired"),
    "refresh_used": ("invalid_grant", "Refresh token has expired"),
}


class Box(House):
    name = "box"
    title = "Box"
    color = "#0057b7"
    rules = Rules(code=30, access=3600, rotation="strict", refresh=60 * 86_400)
    authorize = r"/api/oauth2/authorize"
    token = r"/oauth2/token"
    basic_auth = False
    people = (
        Person("20000000001", "Ada Example", "ada@example.com"),
        Person("20000000002", "Ben Example", "ben@example.com"),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "root_readwrite": "Read and write all files and folders stored in Box",
        "root_readonly": "Read all files and folders stored in Box",
        "manage_webhook": "Manage webhooks",
    }

    def name_token(self, kind: Kind) -> str:
        return secrets.token_urlsafe(24 if kind == "access" else 48)

    def scopes_of(self, asked: str | None) -> tuple[str, ...] | None:
        return super().scopes_of(asked) or (("root_readwrite",) if not (asked or "").strip() else None)

    def denial(self) -> Mapping[str, str]:
        return {"error": "access_denied", "error_description": "The user denied access to your application"}

    def tokens(self, issued: Issued, person: Person, office: Office, request: Request) -> Mapping[str, object]:
        return {"token_type": "bearer", "restricted_to": []}

    def refusal(self, why: Why) -> Answer:
        return refuses(400, *_WORDS.get(why, ("invalid_grant", "Invalid refresh token")))

    def api(self, request: Request, office: Office) -> Answer | None:
        match request.method, request.path:
            case "POST", "/oauth2/revoke":
                return self._revoke(request, office)
            case "GET", "/2.0/users/me":
                return self._me(request, office)
        return None

    def _revoke(self, request: Request, office: Office) -> Answer:
        proof = (request.form.get("client_id"), request.form.get("client_secret"))
        if proof != (office.client.id, office.client.secret):
            return self.refusal("client_refused")
        office.book.revoke(request.form.get("token", ""))
        return Answer(200)

    def _me(self, request: Request, office: Office) -> Answer:
        grant = office.book.opens(request.bearer)
        if grant is None:
            challenge = (
                'Bearer realm="Service", error="invalid_token", error_description="The access token is invalid."'
            )
            return Answer(401, headers=(("WWW-Authenticate", challenge),))
        person = self.person(grant.person)
        return says(200, {"type": "user", "id": person.id, "name": person.name, "login": person.email})
