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
    Conflict,
    FarshoreError,
    Forbidden,
    InvalidCursor,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    StateUnavailable,
    StoreError,
    Throttled,
    Unauthenticated,
)
from shared.domain.retry import Later

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


def problem_of(error: BaseException) -> Problem:  # noqa: C901  # one arm for each branch of the tree
    """What to answer. Whatever is not foreseen is one opaque 500."""
    match error:
        case RequestValidationError() if not _ours(error):
            detail = "some values are missing or not as described"
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, InvalidInput.code, detail, _fields(error))
        case MethodNotAllowed():
            headers = {"Allow": ", ".join(error.allowed)}
            return Problem(
                HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "this is not done here", headers=headers
            )
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
        case StateUnavailable() | Throttled():
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, error, headers=_wait(error))
        case StoreError():
            return _told(HTTPStatus.BAD_GATEWAY, error)
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")


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
    if kind == "extra_forbidden":
        parts[-1:] = ["-"]
    return "/" + "/".join(parts)
