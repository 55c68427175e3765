"""How routes declare what they answer: one shape when all is well, one problem document for everything else."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from shared.api.problems import MEDIA_TYPE
from shared.api.schemas import ProblemDocument

type Answers = dict[int, Any]  # Powertools' OpenAPIResponse, whose typed form allows no model beside a description

_PROBLEMS = {
    401: "No token, or none that is valid here and now.",
    403: "This account may not do that.",
    404: "There is no such thing, or none for this account.",
    422: "Some values are missing or not as described.",
    503: "Something this depends on does not answer; try again.",
}


def answers(description: str, model: type[BaseModel], *problems: int) -> Answers:
    """``responses`` of a route: 200 with ``model``, and these problems."""
    told: Answers = {
        HTTPStatus.OK.value: {"description": description, "content": {"application/json": {"model": model}}}
    }
    for status in problems:
        told[status] = {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"model": ProblemDocument}}}
    return told
