"""What goes in and out of a simulator: requests, answers, and why something was refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

type Endpoint = Literal["authorize", "token", "refresh", "revoke", "api", "other"]
"""``token`` is the trade of a code, ``refresh`` that of a refresh token, though both go to one address."""

type Why = Literal[
    "request_malformed",
    "grant_type_unknown",
    "client_unknown",
    "client_refused",
    "redirect_mismatch",
    "code_unknown",
    "code_used",
    "code_expired",
    "verifier_missing",
    "verifier_wrong",
    "scope_wider",
    "refresh_unknown",
    "refresh_used",
    "refresh_expired",
    "refresh_idle",
    "grant_revoked",
    "admin_consent",
    "sign_in_again",
]
"""Why a token endpoint refuses. Each house says it in its own words."""


class Refused(Exception):
    """A token endpoint's refusal."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


class Malformed(Exception):
    """A request that no house would follow: an error page, and no redirect."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``query`` and ``form`` hold each parameter once: a repeated one is ``Malformed`` before this is made."""

    method: str
    path: str
    base: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def says(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """A JSON answer that nobody may keep."""
    return Answer(status, json.dumps(value).encode(), headers=(("Cache-Control", "no-store"), *headers))


def refuses(status: int, error: str, description: str, **more: Any) -> Answer:
    """An error answer of RFC 6749 5.2."""
    return says(status, {"error": error, "error_description": description, **more})
