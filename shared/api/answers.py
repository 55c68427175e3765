"""How routes declare what they answer: one shape when all is well, one problem document for everything else."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel

from shared.api.problems import MEDIA_TYPE
from shared.api.schemas.problems import ProblemDocument

type Answers = dict[int, Any]  # Powertools' OpenAPIResponse, whose typed form allows no model beside a description

_PROBLEMS = {
    401: "No token, or none that is valid here and now.",
    403: "This account may not do that.",
    404: "There is no such thing, or none for this account.",
    409: "Not as things stand; the code says why.",
    412: "It changed since it was read: look again.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "Some values are missing or not as described.",
    429: "Too often; wait as long as Retry-After says.",
    502: "The other side refused, and it is not the caller's fault.",
    503: "Something this depends on does not answer; try again.",
}

GUARDED: Final = (401, 403, 404, 422, 503)
"""Problems of every route that asks who calls."""

CHANGES: Final = (*GUARDED, 409, 412)
"""Problems of a route that changes something there is."""

BODY: Final = (413, 415)
"""Problems of a route that takes a body, beside the others."""

ETAG: Final = {"ETag": {"description": "Its version, for If-Match.", "schema": {"type": "string"}}}
PLACE: Final = {**ETAG, "Location": {"description": "Where it is.", "schema": {"type": "string"}}}


def answers(
    description: str,
    model: type[BaseModel] | None,
    *problems: int,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, Any] | None = None,
    links: Mapping[str, Any] | None = None,
    text: str | None = None,
) -> Answers:
    """``responses`` of a route: ``status`` with ``model``, with ``text`` of that media type, or with no body; these problems."""
    well: dict[str, Any] = {"description": description}
    if model is not None:
        well["content"] = {"application/json": {"model": model}}
    if text is not None:
        well["content"] = {text: {"schema": {"type": "string"}}}
    if headers:
        well["headers"] = dict(headers)
    if links:
        well["links"] = dict(links)
    told: Answers = {status.value: well}
    for problem in sorted(set(problems)):
        told[problem] = {"description": _PROBLEMS[problem], "content": {MEDIA_TYPE: {"model": ProblemDocument}}}
    return told


def links(argument: str, *operations: str, tenant: bool = False) -> Mapping[str, Any]:
    """What can be done to a thing that was just made: each operation takes its id as ``argument``.

    Args:
        tenant: whether its path names a tenant before it.
    """
    above = {"tenant_id": "$request.path.tenant_id"} if tenant else {}
    return {name: {"operationId": name, "parameters": {**above, argument: "$response.body#/id"}} for name in operations}
