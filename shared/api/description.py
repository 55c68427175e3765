"""What the API says of itself: ``openapi.json`` for programs, ``docs`` for people. Both are made from the routes."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SCHEME

VERSION = "1.0.0"
_SUMMARY = "Clouds connected once; every object in every backup, and where its copies are."


def document(app: ApiGatewayResolver) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a resolver's routes."""
    from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, License

    made = app.get_openapi_schema(
        title="Farshore",
        version=VERSION,
        summary=_SUMMARY,
        license_info=License(name="Apache-2.0", identifier="Apache-2.0"),
        security_schemes={
            SCHEME: HTTPBearer(bearerFormat="JWT", description="A token of the deployment's OpenID issuer.")
        },
    )
    told: dict[str, Any] = made.model_dump(mode="json", by_alias=True, exclude_none=True)
    for operations in told["paths"].values():
        for operation in operations.values():
            _without_default_problem(operation["responses"])
            _without_body(operation["responses"])
            _with_raw_query(operation)
        _with_merge_patch(operations.get("patch", {}))
    _prune(told)
    return told


def router(describe: Callable[[], Mapping[str, Any]]) -> APIGatewayHttpRouter:
    """The routes; ``describe`` is asked once, when first needed."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    described = cache(describe)

    @routes.get("/openapi.json", include_in_schema=False, enable_validation=False)
    def openapi() -> Response[Any]:
        return Response(200, "application/json", dict(described()))

    @routes.get("/docs", include_in_schema=False, enable_validation=False)
    def docs() -> Response[str]:
        from shared.api.page import POLICY, page

        return Response(200, "text/html; charset=utf-8", page(described()), headers={"Content-Security-Policy": POLICY})

    return routes


def _without_default_problem(responses: dict[str, Any]) -> None:
    """Takes out Powertools' own 422 where a route declares none: it takes no values that could be wrong."""
    content = responses.get("422", {}).get("content", {})
    if "application/json" in content:
        del responses["422"]


def _without_body(responses: dict[str, Any]) -> None:
    """Takes out the content that Powertools tells of where there is none."""
    for status in ("204", "303"):
        responses.get(status, {}).pop("content", None)


def _with_raw_query(operation: dict[str, Any]) -> None:
    """Tells of the parameters of a route that reads its query by itself."""
    if parameters := operation.pop("x-parameters", None):
        operation["parameters"] = [*operation.get("parameters", []), *parameters]


def _with_merge_patch(operation: dict[str, Any]) -> None:
    """Tells that a patch may come under its own media type (RFC 7396) too."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        content["application/merge-patch+json"] = content["application/json"]


def _prune(told: dict[str, Any]) -> None:
    """Drops schemas that nothing refers to."""
    schemas = told.get("components", {}).get("schemas", {})
    while unused := [name for name in schemas if f'"#/components/schemas/{name}"' not in _text(told)]:
        for name in unused:
            del schemas[name]


def _text(told: Mapping[str, Any]) -> str:
    import json

    return json.dumps(told)
