"""Errors as answers: RFC 9457 problem details, by one ``match`` on the tree of errors.

``type`` is ``urn:farshore:problem:<code>``. Nothing from the request or from a provider is repeated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from shared.domain.errors import (
    CallbackRefused,
    Conflict,
    DeadlineExceeded,
    FarshoreError,
    Forbidden,
    GrantError,
    InvalidCursor,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    ProviderUnavailable,
    StateUnavailable,
    StoreError,
    Throttled,
    TooManyRequests,
    Unauthenticated,
    VersionMismatch,
)
from shared.domain.retry import AfterUser, Later

MEDIA_TYPE = "application/problem+json"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: what its document says beside the request's id, and the headers that belong to it."""

    status: HTTPStatus
    code: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, request_id: str | None) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {
            "type": f"urn:farshore:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
        }
        if request_id:
            body["requestId"] = request_id
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return body


class MethodNotAllowed(Exception):
    """The path exists; ``allowed`` are its methods."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = allowed


class UnsupportedMediaType(Exception):
    """The body is of another kind than the route takes; ``taken`` are those it does."""

    def __init__(self, taken: Sequence[str]) -> None:
        super().__init__()
        self.taken = taken


class BodyTooLarge(Exception):
    """The body is larger than any that this API takes."""


# fmt: off
READ_ONLY = frozenset(
    {
        "id", "tenantId", "providerId", "providerSlug", "slug", "connector", "authType", "status", "reason",
        "version", "createdBy", "createdAt", "updatedAt", "connectedAt", "lastRefreshedAt", "tokenExpiresAt",
        "accountId", "accountName", "scopesGranted", "scopesRequested", "accessToken", "refreshToken", "tokens",
        "redirectUri", "hasClientSecret", "hasCredentials", "externalId", "secret", "clientSecret", "credentials", "source",
        "owners", "members", "uses",
    }
)
# fmt: on
"""Names of ours, which may be shown where they stand in a body that may not hold them."""

OWN_CODES: Mapping[str, HTTPStatus] = {
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Codes that HTTP adds to those of the tree of errors."""


def problem_of(error: BaseException) -> Problem:
    """What to answer. Whatever is not foreseen is one opaque 500."""
    return _of_http(error) or _of_connections(error) or _of_core(error)


def _of_http(error: BaseException) -> Problem | None:
    """What is wrong with the request as HTTP."""
    match error:
        case RequestValidationError() if not _ours(error):
            detail = "some values are missing or not as described"
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, InvalidInput.code, detail, _fields(error))
        case MethodNotAllowed():
            allowed = ", ".join(error.allowed)
            return _own("method_not_allowed", f"this address takes {allowed}", Allow=allowed)
        case UnsupportedMediaType():
            return _own("unsupported_media_type", f"send {' or '.join(error.taken)}", Accept=", ".join(error.taken))
        case BodyTooLarge():
            return _own("body_too_large", "a body is at most 128 KiB")
        case _:
            return None


def _of_connections(error: BaseException) -> Problem | None:
    """What providers and their consents say."""
    match error:
        case TooManyRequests():
            return _told(HTTPStatus.TOO_MANY_REQUESTS, error, headers=_wait(error))
        case VersionMismatch():
            detail = "it changed since it was read: read it again, and send what you still want with its new ETag"
            return Problem(HTTPStatus.PRECONDITION_FAILED, error.code, detail)
        case CallbackRefused():
            return _told(HTTPStatus.BAD_REQUEST, error)
        case ProviderUnavailable():
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, error, headers=_wait(error))
        case GrantError() if isinstance(error.retry, AfterUser):  # not as things stand: somebody has to reconnect first
            return _told(HTTPStatus.CONFLICT, error)
        case GrantError():
            return _told(HTTPStatus.BAD_GATEWAY, error)
        case _:
            return None


def _of_core(error: BaseException) -> Problem:  # noqa: C901  # one arm for each branch of the tree
    match error:
        case InvalidCursor():
            return _told(
                HTTPStatus.UNPROCESSABLE_ENTITY, error, errors=[{"pointer": "/query/cursor", "code": error.code}]
            )
        case InvalidInput():
            return _told(HTTPStatus.UNPROCESSABLE_ENTITY, error)
        case Unauthenticated():
            return _told(HTTPStatus.UNAUTHORIZED, error, headers={"WWW-Authenticate": 'Bearer realm="farshore"'})
        case Forbidden():
            return _told(HTTPStatus.FORBIDDEN, error)
        case NotFound():  # one sentence for what is absent and what is another's
            return Problem(HTTPStatus.NOT_FOUND, NotFound.code, "there is no such thing")
        case Conflict():
            return _told(HTTPStatus.CONFLICT, error)
        case PreconditionFailed():
            return _told(HTTPStatus.PRECONDITION_FAILED, error)
        case StateUnavailable() | Throttled() | DeadlineExceeded():
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, error, headers=_wait(error))
        case StoreError():
            return _told(HTTPStatus.BAD_GATEWAY, error)
        case _:
            return _own("internal", "something went wrong on our side")


def _own(code: str, detail: str, **headers: str) -> Problem:
    return Problem(OWN_CODES[code], code, detail, headers=headers)


def _told(status: HTTPStatus, error: FarshoreError, **more: Any) -> Problem:
    return Problem(status, error.code, str(error), **more)


def _wait(error: FarshoreError) -> Mapping[str, str]:
    after = error.retry.after if isinstance(error.retry, Later) else None
    return {"Retry-After": str(max(1, round(after or 1)))}


def _ours(error: RequestValidationError) -> bool:
    """Whether it is our answer that does not fit its description: no fault of the caller's."""
    return any(found["loc"][:1] == ("response",) for found in error.errors())


def _fields(error: RequestValidationError) -> Sequence[Mapping[str, str]]:
    """Where and what, never the value; a name that the caller made up is shown as ``-``."""
    return [{"pointer": _pointer(found["loc"], found["type"]), "code": str(found["type"])} for found in error.errors()]


def _pointer(place: Sequence[object], kind: str) -> str:
    parts = [str(part) if _NAME.match(str(part)) else "-" for part in place]
    if kind == "extra_forbidden" and parts[-1] not in READ_ONLY:
        parts[-1:] = ["-"]
    return "/" + "/".join(parts)
