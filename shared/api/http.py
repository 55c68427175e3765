"""HTTP as this API speaks it, on Powertools' resolver: a strict query, safe headers, problems for errors."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver, ResponseBuilder
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from shared.api.gate import Gate
from shared.api.problems import MEDIA_TYPE, MethodNotAllowed, problem_of
from shared.api.services import Services
from shared.domain.errors import InvalidInput, NotFound

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class QueryEvent(APIGatewayProxyEventV2):
    """Payload format 2.0, whose ``queryStringParameters`` join repeated parameters with commas: the raw query is read instead."""

    @property
    def resolved_query_string_parameters(self) -> dict[str, list[str]]:
        """Each parameter's values; one left blank counts as not given."""
        try:
            return parse_qs(self.get("rawQueryString") or "", errors="strict", max_num_fields=64)
        except ValueError:
            raise InvalidInput("the query is not UTF-8, or too long") from None

    @property
    def cookies(self) -> list[str]:
        """The gateway puts them into a field of their own; others leave them in their header."""
        return self.get("cookies") or [cookie for cookie in self.headers.get("cookie", "").split(";") if cookie]


def reads_raw_query[F: Callable[..., Any]](route: F) -> F:
    """A route that others write the query of: it takes what it knows and passes over the rest."""
    route.reads_raw_query = True  # type: ignore[attr-defined]  # a mark for strict_query
    return route


def raw_query(event: BaseProxyEvent) -> dict[str, list[str]]:
    """Each parameter's values as sent, blank ones too.

    Raises:
        InvalidInput: it is not UTF-8, or has more than 64 parameters.
    """
    raw = event.get("rawQueryString")
    if raw is None:  # another host's event: parsed already
        return dict(event.get("multiValueQueryStringParameters") or {})
    try:
        return parse_qs(raw, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise InvalidInput("the query is not UTF-8, or too long") from None


class SafeAnswer(ResponseBuilder[BaseProxyEvent]):
    """Adds the headers that every answer carries unless a route set its own."""

    def build(self, event: BaseProxyEvent, cors: Any = None) -> dict[str, Any]:
        for name, value in HEADERS.items():
            self.response.headers.setdefault(name, value)
        if self.response.body is None:  # gateways want a text, an empty one too
            self.response.body = ""
        return super().build(event, cors)


class HttpApi(APIGatewayHttpResolver):
    """The resolver behind API Gateway's HTTP APIs."""

    def __init__(self) -> None:
        super().__init__(enable_validation=True, debug=False)

    def _to_proxy_event(self, event: dict[str, Any]) -> BaseProxyEvent:
        return QueryEvent(event)


def speak(app: ApiGatewayResolver, services: Services) -> None:
    """Teaches a resolver, whichever host's, our ways."""
    app._response_builder_class = SafeAnswer
    app._request_validation_middleware = Gate()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    app.use([strict_query])

    def answer(error: Exception) -> Response[str]:
        problem = problem_of(_absent(app) if isinstance(error, NotFoundError) else error)
        if problem.status.is_server_error:
            services.report(error)
        document = problem.document(getattr(app.lambda_context, "aws_request_id", None))
        headers: Mapping[str, Any] = problem.headers
        return Response(problem.status.value, MEDIA_TYPE, json.dumps(document), headers=dict(headers))

    app.exception_handler(Exception)(answer)


def strict_query(app: ApiGatewayResolver, following: NextMiddleware) -> Response[Any]:
    """Refuses parameters that a route does not have: a typing error must not widen a list. (Validation refuses repeated ones.)"""
    route = app.context["_route"]
    registered = route in app._static_routes or route in app._dynamic_routes
    if registered and not getattr(route.func, "reads_raw_query", False):
        known = {field.alias for field in route.dependant.query_params}
        if not app.current_event.resolved_query_string_parameters.keys() <= known:
            raise InvalidInput("a query parameter is not known here")
    return following(app)


def _absent(app: ApiGatewayResolver) -> Exception:
    """What to say of a path without a route for this method."""
    path = app._remove_prefix(app.current_event.path)
    routes = [*app._static_routes, *app._dynamic_routes]
    allowed = sorted({route.method for route in routes if route.rule.match(path)})
    return MethodNotAllowed(allowed) if allowed else NotFound()
