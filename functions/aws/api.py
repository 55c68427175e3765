"""Lambda behind API Gateway: the routes of ``shared.api`` on payload format 2.0."""

from collections.abc import Mapping
from typing import Any

from functions.aws.invocation import invocation
from shared.runtime.container import container


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """One request, one answer; what goes wrong is a problem document."""
    return answered(event, context, "api")


def answered(event: Mapping[str, Any], context: Any, name: str) -> Mapping[str, Any]:
    """The app's answer, for the function ``name``."""
    host = container()
    with invocation(host, context, name):
        answer: Mapping[str, Any] = host.api.resolve(dict(event), context)
        return {
            **answer,
            "body": answer.get("body") or "",
        }  # text, always (payload format 2.0): Powertools says null for 204
