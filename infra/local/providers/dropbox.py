"""Dropbox: opaque tokens of four hours, refresh tokens that stay, an account id in the token answer.

Differences from the real one: there is no refresh token rule beyond what is documented; ``token_access_type=legacy`` gives a
token of four hours too; a challenge binds the code also where the client sends its secret (whether Dropbox does so is not
documented); team applications, ``force_reapprove`` and ``locale`` do nothing; codes live ten minutes.
"""

import secrets
from collections.abc import Mapping
from typing import ClassVar

from infra.local.providers.exchange import Answer, Request, Why, refuses, says
from infra.local.providers.grants import Issued, Kind, Rules
from infra.local.providers.house import Ask, House, Office, Person

_WORDS: Mapping[Why, tuple[str, str]] = {
    "request_malformed": ("invalid_request", "the request is missing a required parameter"),
    "grant_type_unknown": ("unsupported_grant_type", "grant_type must be authorization_code or refresh_token"),
    "client_unknown": ("invalid_client", "Invalid client_id or client_secret"),
    "client_refused": ("invalid_client", "Invalid client_id or client_secret"),
    "redirect_mismatch": ("invalid_grant", "redirect_uri mismatch"),
    "code_unknown": ("invalid_grant", "code doesn't exist or has expired"),
    "code_used": ("invalid_grant", "code has already been used"),
    "code_expired": ("invalid_grant", "code doesn't exist or has expired"),
    "verifier_missing": ("invalid_grant", "code_verifier is required"),
    "verifier_wrong": ("invalid_grant", "invalid code verifier"),
    "scope_wider": ("invalid_scope", "requested scope is not a subset of the original grant"),
}


class Dropbox(House):
    name = "dropbox"
    title = "Dropbox"
    color = "#0061fe"
    rules = Rules(code=600, access=14_400, rotation="static")
    authorize = r"/oauth2/authorize"
    token = r"/oauth2/token"
    public_clients = True
    people = (
        Person("dbid:AAC-simulated-ada-0000000000000000", "Ada Example", "ada@example.com"),
        Person("dbid:AAC-simulated-ben-0000000000000000", "Ben Example", "ben@example.com"),
    )
    scopes: ClassVar[Mapping[str, str]] = {
        "account_info.read": "View basic information about your account",
        "files.metadata.read": "View information about your files and folders",
        "files.metadata.write": "Edit information about your files and folders",
        "files.content.read": "View content of your files and folders",
        "files.content.write": "Edit content of your files and folders",
        "sharing.read": "View your sharing settings and collaborators",
        "sharing.write": "Edit your sharing settings and collaborators",
    }

    def name_token(self, kind: Kind) -> str:
        return f"sl.u.{secrets.token_urlsafe(96)}" if kind == "access" else secrets.token_urlsafe(48)

    def scopes_of(self, asked: str | None) -> tuple[str, ...] | None:
        """Without any, all that the application may have."""
        return super().scopes_of(asked) or (tuple(self.scopes) if not (asked or "").strip() else None)

    def offline(self, ask: Ask, *, known: bool) -> bool:
        return ask.parameters.get("token_access_type") == "offline"

    def granted(self, ask: Ask, ticked: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
        merged = ask.parameters.get("include_granted_scopes") == "user"
        return tuple(dict.fromkeys((*ticked, *before))) if merged else ticked

    def denial(self) -> Mapping[str, str]:
        return {
            "error": "access_denied",
            "error_description": "The user chose not to give your app access to their Dropbox account.",
        }

    def tokens(self, issued: Issued, person: Person, office: Office, request: Request) -> Mapping[str, object]:
        if request.form.get("grant_type") == "refresh_token":
            return {"token_type": "bearer"}
        uid = str(1_000_000 + self.people.index(person))
        return {"token_type": "bearer", "scope": " ".join(issued.access.scopes), "uid": uid, "account_id": person.id}

    def refusal(self, why: Why) -> Answer:
        error, description = _WORDS.get(why, ("invalid_grant", "refresh token is invalid or revoked"))
        return refuses(400, error, description)

    def broken(self) -> Answer:
        return Answer(500, b"An internal error occurred.", "text/plain")

    def api(self, request: Request, office: Office) -> Answer | None:
        if request.method != "POST" or request.path not in ("/2/users/get_current_account", "/2/auth/token/revoke"):
            return None
        grant = office.book.opens(request.bearer)
        if grant is None:
            return _unauthorized(
                "expired_access_token" if office.book.expired(request.bearer) else "invalid_access_token"
            )
        if request.body not in (b"", b"null"):
            return Answer(400, b"Error in call: request body: expected null", "text/plain")
        if request.path.endswith("/revoke"):
            office.book.revoke(request.bearer or "")
            return says(200, None)
        if "account_info.read" not in grant.scopes:
            return _unauthorized("missing_scope", required_scope="account_info.read")
        return says(200, _account(self.person(grant.person)))


def _unauthorized(tag: str, **more: str) -> Answer:
    return says(401, {"error_summary": f"{tag}/...", "error": {".tag": tag, **more}})


def _account(person: Person) -> Mapping[str, object]:
    first, _, last = person.name.partition(" ")
    return {
        "account_id": person.id,
        "name": {
            "given_name": first,
            "surname": last,
            "familiar_name": first,
            "display_name": person.name,
            "abbreviated_name": first[:1] + last[:1],
        },
        "email": person.email,
        "email_verified": True,
        "disabled": False,
        "country": "US",
        "locale": "en",
        "is_paired": False,
        "account_type": {".tag": "basic"},
    }
