"""One thing over HTTP: the ids in its path, and the answers that show it, made or changed, or say that it is gone."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from shared.api.etags import etag
from shared.domain.errors import NotFound

PREFIX: Final = "/api/v1"
_ID = r"^[A-Za-z0-9_-]{1,64}$"

TenantPath = Annotated[str, Path(description="The tenant's id.", pattern=_ID, examples=["acme"])]
IntegrationPath = Annotated[
    str, Path(description="The integration's id.", pattern=_ID, examples=["int_7f3a91c25be04d68"])
]
ProviderPath = Annotated[str, Path(description="The provider's id.", pattern=_ID, examples=["prv_2b91e6a40c7d5f38"])]
SlugPath = Annotated[str, Path(description="The provider's slug.", examples=["dropbox"])]
WebhookPath = Annotated[str, Path(description="The webhook's id.", pattern=_ID, examples=["whk_9f2c41d07a6e3b58"])]


def known[T](found: T | None) -> T:
    """What was looked for. Raises NotFound."""
    if found is None:
        raise NotFound
    return found


def shown[M: BaseModel](model: M, version: int) -> Response[M]:
    """A thing as it is, with its ETag."""
    return Response(HTTPStatus.OK.value, "application/json", model, headers={"ETag": etag(version)})


def made[M: BaseModel](model: M, version: int, *place: str) -> Response[M]:
    """A thing that is new, with its ETag and where it is."""
    headers = {"ETag": etag(version), "Location": "/".join((PREFIX, *place))}
    return Response(HTTPStatus.CREATED.value, "application/json", model, headers=headers)


def gone() -> Response[Any]:
    """Nothing is there any more."""
    return Response(HTTPStatus.NO_CONTENT.value, body="")  # null would not do everywhere
