"""What must be true of an authorization server's answer before anything is done with it.

Each check names the attack or the standard that it is for. None of them writes, and none tells an unproven browser anything
about the consent it asks for.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from shared.domain.errors import (
    BrowserMismatch,
    ConsentDenied,
    FarshoreError,
    InvalidCallback,
    InvalidState,
    IssuerMismatch,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from shared.domain.grant import Flow
from shared.domain.provider import Provider

_LONGEST = 2048
_STATE = re.compile(r"[A-Za-z0-9_-]{43}\Z")  # what ``token(32)`` makes
_DIRECTORY = "{tid}"
_DIRECTORY_ID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")

_PROVIDERS_FAULT = frozenset({"server_error", "temporarily_unavailable"})
_OURS = frozenset(
    {
        *("invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client"),
        *("redirect_uri_mismatch", "redirect_uri_missing", "invalid_resource"),
    }
)
_POLICYS = frozenset(
    {
        *("admin_policy_enforced", "org_internal", "disallowed_useragent"),  # Google
        *("interaction_required", "login_required", "consent_required", "account_selection_required"),  # OpenID Connect
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser, or a command, brought to a callback. Each parameter was there once or not at all.

    Attributes:
        cookies: all that came along.
        principal: the subject of the bearer token that came along, if one did.
        redirect_path: the path of the request, as it is known to browsers (``/api/v1/oauth/dropbox/callback``).
        origin: the network address it came from, for the audit trail.
    """

    state: str | None = field(repr=False)
    code: str | None = field(repr=False)
    iss: str | None
    error: str | None
    cookies: Mapping[str, str] = field(repr=False)
    principal: str | None
    redirect_path: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """The answer goes on to the command that waits for it, untouched; its flow is still to be finished."""

    url: str = field(repr=False)


def hashed(value: str) -> str:
    """SHA-256, hexadecimal: as flows keep ``state`` and the browser's value."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def cookie_name(state_hash: str) -> str:
    """The cookie that binds a flow's browser. Each flow has its own, so that two tabs do not disturb each other. ``__Host-``:
    no other host and no plain http can set it (RFC 6265bis, 4.1.3.2).
    """
    return f"__Host-farshore-{state_hash[:16]}"


def well_formed(answer: Answer) -> str:
    """The answer's state.

    Raises:
        InvalidCallback: parameters are missing, blank or too long.
        InvalidState: it cannot be one of ours.
    """
    given = [it for it in (answer.state, answer.code, answer.iss, answer.error) if it is not None]
    if any(not it.strip() or len(it) > _LONGEST for it in given):
        raise InvalidCallback
    if answer.state is None or (answer.code is None and answer.error is None):
        raise InvalidCallback
    if not _STATE.match(answer.state):
        raise InvalidState
    return answer.state


def same_browser(flow: Flow, answer: Answer) -> bool:
    """Whether the browser that brings the answer is the one that was given the flow's cookie (RFC 9700, 4.7)."""
    brought = answer.cookies.get(cookie_name(flow.state_hash), "")
    return hmac.compare_digest(hashed(brought), flow.browser_hash)


def same_user(flow: Flow, answer: Answer) -> None:
    """Whoever is signed in must be who began; to a command, somebody must be (RFC 8252, 8.1: other programs can listen too).

    Raises:
        BrowserMismatch
    """
    if (answer.principal is not None or flow.loopback) and answer.principal != flow.user:
        raise BrowserMismatch


def same_place(flow: Flow, answer: Answer, public_url: str) -> None:
    """Each provider, or integration, has a redirect URI of its own (RFC 9700, 4.4.2: mix-up).

    Raises:
        InvalidState
    """
    if flow.redirect_uri != f"{public_url}{answer.redirect_path}":
        raise InvalidState


def handed_over(flow: Flow, answer: Answer, public_url: str) -> Handover:
    """Raises BrowserMismatch: no command waits for this flow; InvalidState: it came to another place than was sent."""
    if not flow.loopback:
        raise BrowserMismatch
    same_place(flow, answer, public_url)
    brought = {"state": answer.state, "code": answer.code, "iss": answer.iss, "error": answer.error}
    told = {name: value for name, value in brought.items() if value is not None}
    return Handover(f"{flow.loopback}?{urlencode(told)}")


def same_issuer(provider: Provider, iss: str | None, directory: str | None = None) -> None:
    """Whether the server that was asked is the one that answers (RFC 9207, 2.4).

    Args:
        directory: of the account, for an issuer with ``{tid}``; None while it is not known: then only the form is compared.

    Raises:
        IssuerMismatch: another one, or none where one must be named, or one that nothing is known of.
    """
    if iss is None:
        fine = not provider.issuer_required
    else:
        before, template, after = (provider.issuer or "").partition(_DIRECTORY)
        expected = f"{before}{directory}{after}" if template and directory else None
        named = iss.removeprefix(before).removesuffix(after) if template else ""
        formed = bool(template) and iss == f"{before}{named}{after}" and _DIRECTORY_ID.match(named) is not None
        fine = iss == expected if expected else formed if template else iss == provider.issuer
    if not fine:
        raise IssuerMismatch


def refusal(error: str) -> FarshoreError:
    """What an error answer means (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6). The description is never read."""
    if error in _PROVIDERS_FAULT:
        return ProviderUnavailable()
    if error in _OURS:
        return ProviderMisconfigured()
    return PolicyBlocked() if error in _POLICYS else ConsentDenied()
