"""Replicas over the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.api.schemas.closed import Closed
from shared.domain import replica
from shared.ports.state import ReplicaPage

Status = Literal["pending", "copying", "replicated", "failed", "deleted"]
Route = Literal["copied", "pulled", "streamed"]

REPLICA: JsonDict = {
    "sourceKey": "acme/reports/2026-11.pdf",
    "target": "azure-backup",
    "status": "replicated",
    "sourceVersion": "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
    "size": 48213,
    "checksums": {"crc64nvme": "ae8b14860a799888"},
    "path": "streamed",
    "lagSeconds": 1.84,
    "attempts": 0,
    "error": None,
    "replicatedAt": "2026-11-20T12:00:01.840000Z",
    "updatedAt": "2026-11-20T12:00:01.840000Z",
}


class Failure(Closed):
    """Why a replica is not right yet."""

    code: Annotated[str, Field(description="Stable, snake_case.", examples=["credentials_refused"])]
    message: Annotated[str, Field(description="For people.")]


class Replica(Closed):
    """What is known of one object on one target."""

    model_config = ConfigDict(json_schema_extra={"examples": [REPLICA]})

    source_key: Annotated[str, Field(description="The object's key in the primary bucket.")]
    target: Annotated[str, Field(description="The target's name, unique within the tenant.")]
    status: Status
    source_version: Annotated[
        str | None, Field(description="The source's version that was last verified on the target.")
    ]
    size: Annotated[int | None, Field(description="Bytes.")]
    checksums: Annotated[dict[str, str], Field(description="Of the whole object, in hexadecimal, by algorithm.")]
    path: Annotated[Route | None, Field(description="How the bytes went.")]
    lag_seconds: Annotated[float | None, Field(description="From the source's change to the verified copy.")]
    attempts: Annotated[int, Field(description="Made since the replica was last right.")]
    error: Annotated[Failure | None, Field(description="Of the last attempt, if it failed.")]
    replicated_at: datetime | None
    updated_at: datetime

    @classmethod
    def of(cls, row: replica.Replica) -> Self:
        """From a row of the ledger."""
        return cls(
            source_key=row.source_key,
            target=row.target,
            status=row.status,
            source_version=row.source_version,
            size=row.size,
            checksums={str(name): value for name, value in row.checksums.values.items()},
            path=row.route,
            lag_seconds=row.lag_seconds,
            attempts=row.attempts,
            error=Failure(code=row.failure.code, message=row.failure.message) if row.failure else None,
            replicated_at=row.replicated_at,
            updated_at=row.updated_at,
        )


class ReplicaList(Closed):
    """Part of a tenant's replicas, ascending by key, then target."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [REPLICA], "nextCursor": None}]})

    items: list[Replica]
    next_cursor: Annotated[
        str | None, Field(description="Continues the list with the same filters for a day; null at its end.")
    ]

    @classmethod
    def of(cls, page: ReplicaPage, next_cursor: str | None) -> Self:
        """From a page of the ledger."""
        return cls(items=[Replica.of(row) for row in page.items], next_cursor=next_cursor)
