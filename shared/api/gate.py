"""What a request passes before its route: who asks comes before what is asked, so that only those who may call a route learn
what it wants.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import _DEPENDS_CACHE_KEY, ApiGatewayResolver
from aws_lambda_powertools.event_handler.depends import build_dependency_tree, solve_dependencies
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from shared.api.problems import BodyTooLarge, UnsupportedMediaType

LARGEST: Final = 131_072
"""Bytes of a body. The largest honest one holds a service account's key or a connection string."""

_JSON: Final = {"application/json"}
_PATCHES: Final = {"application/json", "application/merge-patch+json"}


class Gate(OpenAPIRequestValidationMiddleware):
    """Validation of requests that begins with the route's dependencies; their results are kept for the route itself."""

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        app.append_context(lambda_context=app.lambda_context)
        _admit(app)
        return super().handler(app, next_middleware)

    def _get_body(self, app: Any) -> dict[str, Any]:
        event: BaseProxyEvent = app.current_event
        patch = app.context["_route"].method == "PATCH"
        return body_of(event, _PATCHES if patch else _JSON)  # type: ignore[return-value]  # None where no body was sent


def _admit(app: ApiGatewayResolver) -> None:
    solve_dependencies(
        dependant=build_dependency_tree(app.context["_route"].func),
        request=app.request,
        dependency_overrides=app.dependency_overrides or None,
        dependency_cache=app.context.setdefault(_DEPENDS_CACHE_KEY, {}),
    )


def body_of(event: BaseProxyEvent, media_types: set[str]) -> dict[str, Any] | None:
    """The JSON object that was sent; None if no body was.

    Raises:
        UnsupportedMediaType, BodyTooLarge
        RequestValidationError: it is not one JSON object, in UTF-8, that names each member once.
    """
    raw = event.body or ""
    if not raw:
        return None
    if _media_type(event) not in media_types:
        raise UnsupportedMediaType(sorted(media_types))
    if len(raw) > LARGEST * 2:
        raise BodyTooLarge
    try:
        data = base64.b64decode(raw, validate=True) if event.get("isBase64Encoded") else raw.encode()
    except (binascii.Error, UnicodeEncodeError):
        raise _refused("json_invalid") from None
    if len(data) > LARGEST:
        raise BodyTooLarge
    return _object(data)


def _media_type(event: BaseProxyEvent) -> str:
    told = Message()
    told["content-type"] = event.headers.get("content-type") or ""
    known = told.get_content_charset("utf-8") in ("utf-8", "us-ascii")
    return told.get_content_type() if told["content-type"] and known else ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _refused("json_invalid") from None
    if not isinstance(told, dict):
        raise _refused("model_type")
    return told


def _once(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    """An object; one that names a member twice says two things."""
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a name is there twice")
    return told


def _no_number(name: str) -> None:
    raise ValueError("not a number of JSON")


def _refused(kind: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body",), "msg": "", "input": None}])
