"""What an authorization server's refusals mean. The tables are the knowledge; the text of an answer is never passed on.

Sources: RFC 6749 5.2, OpenID Connect Core 3.1.2.6, RFC 6750 3.1; Google: "Using OAuth 2.0 for Web Server Applications" and
google-auth's ``reauth``; Microsoft: "Microsoft Entra authentication and authorization error codes"; Dropbox: its SDK's ``auth``
routes; Box: "Refresh access token", "Common errors".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from requests import Response

from shared.domain.errors import (
    CodeRefused,
    FarshoreError,
    GrantExpired,
    GrantRevoked,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    ScopeMissing,
    TokenExpired,
)

type Phase = Literal["exchange", "refresh", "revoke"]
type Fault = type[FarshoreError]
type Object = Mapping[str, Any]

_LONGEST_WAIT = 86_400.0
_BUSY = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Faults:
    """One house's refusals at the token endpoint, the most telling first.

    Attributes:
        numbers: Microsoft's ``error_codes``.
        subtypes: Google's ``error_subtype``.
        descriptions: Box tells an old refresh token from an unknown one by nothing else.
        errors: RFC 6749's ``error``.
    """

    errors: Mapping[str, Fault]
    subtypes: Mapping[str, Fault] = field(default_factory=dict)
    numbers: Mapping[int, Fault] = field(default_factory=dict)
    descriptions: Mapping[str, Fault] = field(default_factory=dict)

    def meaning(self, told: Object) -> Fault:
        """What a refusal means; one that is not in the tables may pass, and ends nothing."""
        numbers = told.get("error_codes")
        for number in numbers if isinstance(numbers, list) else []:
            if isinstance(number, int) and number in self.numbers:
                return self.numbers[number]
        for name, table in (
            ("error_subtype", self.subtypes),
            ("error_description", self.descriptions),
            ("error", self.errors),
        ):
            value = told.get(name)
            if isinstance(value, str) and value in table:
                return table[value]
        return ProviderUnavailable


STANDARD = Faults(
    errors={
        "invalid_grant": GrantRevoked,
        "access_denied": GrantRevoked,
        "invalid_scope": ScopeMissing,
        "invalid_client": ProviderMisconfigured,
        "unauthorized_client": ProviderMisconfigured,
        "unsupported_grant_type": ProviderMisconfigured,
        "unsupported_response_type": ProviderMisconfigured,
        "invalid_request": ProviderMisconfigured,
        "invalid_target": ProviderMisconfigured,
        "redirect_uri_mismatch": ProviderMisconfigured,
        "interaction_required": PolicyBlocked,
        "login_required": PolicyBlocked,
        "consent_required": PolicyBlocked,
        "account_selection_required": PolicyBlocked,
        "server_error": ProviderUnavailable,
        "temporarily_unavailable": ProviderUnavailable,
        "slow_down": ProviderUnavailable,
    },
    descriptions={"Refresh token has expired": GrantExpired},
)

GOOGLE = Faults(
    errors={
        **STANDARD.errors,
        "admin_policy_enforced": PolicyBlocked,
        "org_internal": PolicyBlocked,
        "disallowed_useragent": PolicyBlocked,
        "deleted_client": ProviderMisconfigured,
        "disabled_client": ProviderMisconfigured,
        "restricted_client": ProviderMisconfigured,
        "internal_failure": ProviderUnavailable,
    },
    subtypes={"invalid_rapt": PolicyBlocked, "rapt_required": PolicyBlocked},
)


def _each(numbers: str, fault: Fault) -> Iterator[tuple[int, Fault]]:
    return ((int(number), fault) for number in numbers.split())


MICROSOFT = Faults(
    errors={**STANDARD.errors, "invalid_resource": ProviderMisconfigured},
    numbers=dict(
        [
            *_each("70008 70043 700081 700082 700084", GrantExpired),
            *_each("50057 50132 50133 50173 65001 70000 500133", GrantRevoked),
            *_each("9002341 50034 135011 53003 53000 53001 53002 53004 53011 530003 530032 530034", PolicyBlocked),
            *_each("50020 50055 50072 50074 50076 50078 50079 50105 50158 65004 65005 90094 90095", PolicyBlocked),
            *_each("50011 50194 70001 70011 90002 500011 700016 700027 7000215 7000218 7000222", ProviderMisconfigured),
            *_each("90006 90012 90013 90024 90033 50196 50089", ProviderUnavailable),
            *_each("54005 50148 501481 9002325", CodeRefused),
        ]
    ),
)
"""One ``error`` stands for many reasons; the numbers (``AADSTS...``) tell them apart."""

API: Mapping[str, Fault] = {
    "missing_scope": ScopeMissing,
    "insufficient_scope": ScopeMissing,
    "insufficientPermissions": ScopeMissing,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ScopeMissing,
    "access_denied_insufficient_permissions": ScopeMissing,
    "Authorization_RequestDenied": ScopeMissing,
    "insufficient_claims": PolicyBlocked,
    "user_suspended": PolicyBlocked,
    "team_access_denied": PolicyBlocked,
    "invalid_account_type": PolicyBlocked,
}
"""Reasons that an API gives beside its status: Dropbox's tags, Google's and Graph's codes, Box's, RFC 6750's."""


_UNKNOWN = frozenset({"invalid_token", "invalid_grant", "token_revoked", "invalid_access_token"})
"""A token the other side does not know has nothing left to revoke."""


def refused(response: Response, faults: Faults, phase: Phase, now: datetime) -> FarshoreError | None:
    """What a token endpoint's answer means if it is not 200 with an object that names no error."""
    told, after = body(response), retry_after(response, now)
    if unable(response) or told is None:
        return ProviderUnavailable(after=after)
    if response.status_code == 200 and "error" not in told:
        return None
    fault = faults.meaning(told)
    if phase == "exchange" and fault in (GrantRevoked, GrantExpired):
        return CodeRefused()
    if phase == "exchange" and fault is ScopeMissing:
        return ProviderMisconfigured()  # a scope that does not exist; those of the account are refused on its own page
    if phase == "refresh" and fault is CodeRefused:
        return GrantRevoked()
    return ProviderUnavailable(after=after) if fault is ProviderUnavailable else fault()


def revoked(response: Response, now: datetime) -> bool:
    """Whether a token is over by this answer of a revocation endpoint (RFC 7009 2.2); False: it cannot be ended so.

    Raises:
        TokenExpired: only a live access token could end the grant, and this one is not.
        ProviderUnavailable, ProviderMisconfigured
    """
    if response.status_code in (200, 204):
        return True
    if unable(response):
        raise ProviderUnavailable(after=retry_after(response, now))
    for reason in _reasons(response):
        if reason in _UNKNOWN:
            return True
        if reason == "unsupported_token_type":
            return False
        if reason == "expired_access_token":
            raise TokenExpired
        if STANDARD.errors.get(reason) is ProviderMisconfigured:
            raise ProviderMisconfigured
    raise ProviderUnavailable


def refused_by_api(response: Response, now: datetime) -> FarshoreError | None:
    """What an API's answer means if it is not 200."""
    if response.status_code == 200:
        return None
    if unable(response) or response.status_code not in (401, 403):
        return ProviderUnavailable(after=retry_after(response, now))
    for reason in _reasons(response):
        if reason in API:
            return API[reason]()
    return TokenExpired() if response.status_code == 401 else PolicyBlocked()


def unable(response: Response) -> bool:
    """Whether the answer says nothing but that there is none now: too busy, broken, or somewhere else."""
    status = response.status_code
    return status >= 500 or status in _BUSY or not 200 <= status < 600 or 300 <= status < 400


def body(response: Response) -> Object | None:
    """The JSON object in an answer, if that is what it is."""
    try:
        told = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def retry_after(response: Response, now: datetime) -> float | None:
    """``Retry-After`` in seconds (RFC 9110 10.2.3), a day at most; None if there is none that makes sense."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), _LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, IndexError):  # no date, or one without a zone
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def _reasons(response: Response) -> Iterator[str]:
    """Every machine-readable reason in an API's refusal."""
    yield from re.findall(r'error="([A-Za-z_]{1,64})"', response.headers.get("WWW-Authenticate", ""))
    told = body(response) or {}
    error = told.get("error")
    if isinstance(error, str):
        yield error
    for holder in (told, error, *_listed(error, "errors"), *_listed(error, "details")):
        if isinstance(holder, dict):
            yield from (
                value for name in (".tag", "code", "status", "reason") if isinstance(value := holder.get(name), str)
            )


def _listed(holder: object, name: str) -> list[Any]:
    values = holder.get(name) if isinstance(holder, dict) else None
    return values if isinstance(values, list) else []
