"""Problems over the wire, and the answer of ``health``."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from shared.api.schemas.closed import Closed


class Health(Closed):
    """The API answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class FieldProblem(Closed):
    """One value that is not as described."""

    pointer: Annotated[str, Field(description="Where: /query/limit, /body/name.", examples=["/query/limit"])]
    code: Annotated[str, Field(description="What is wrong with it.", examples=["less_than_equal"])]


class ProblemDocument(Closed):
    """Why there is no other answer (RFC 9457)."""

    model_config = ConfigDict(
        title="Problem",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:farshore:problem:not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no such thing",
                    "code": "not_found",
                    "requestId": "c1f1f2a0-8a9e-4d6e-9a9d-3d6a3f5b7c11",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="Stable, snake_case: what programs should look at.")]
    request_id: Annotated[str | None, Field(description="Names this request in the logs.")] = None
    errors: list[FieldProblem] | None = None
