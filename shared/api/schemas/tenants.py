"""Tenants and their sources over the wire."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.api.schemas.closed import OPTIONAL, Closed, Told
from shared.domain import tenant
from shared.domain.ids import TenantId
from shared.usecases.tenancy import NewTenant as New
from shared.usecases.tenancy import TenantChanges

SOURCE: JsonDict = {"connector": "s3", "bucket": "main", "prefix": "acme/"}
TENANT: JsonDict = {
    "id": "acme",
    "name": "Acme",
    "owners": ["auth0|def456"],
    "members": [],
    "source": SOURCE,
    "createdAt": "2026-11-20T12:00:00Z",
    "updatedAt": "2026-11-20T12:00:00Z",
    "version": 1,
}

Name = Annotated[str, Field(description="What people call it.", min_length=1, max_length=128)]
Subject = Annotated[str, Field(min_length=1, max_length=256)]
People = Annotated[list[Subject], Field(description="Subjects of the issuer.", max_length=100)]
Bucket = Annotated[
    str, Field(description="The primary bucket.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$", examples=["main"])
]
Prefix = Annotated[str, Field(description="Empty, or ends in `/`; no tenant's holds another's.", max_length=900)]
Store = Annotated[str, Field(description="The store that the bucket is in.", pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Source(Told):
    """The bucket and prefix that are a tenant's primary."""

    model_config = ConfigDict(json_schema_extra={"examples": [SOURCE]})

    connector: Annotated[Store, Field(default="s3")]
    bucket: Bucket
    prefix: Annotated[Prefix, Field(default="")]

    @classmethod
    def of(cls, it: tenant.Source) -> Self:
        """From the domain's."""
        return cls(connector=it.connector, bucket=it.bucket, prefix=it.prefix)

    def told(self) -> tenant.Source:
        """As the core takes it. Raises InvalidInput."""
        return tenant.Source(self.connector, self.bucket, self.prefix)


class SourceFields(Told):
    """Part of a source; what is left out stays."""

    connector: Annotated[Store, OPTIONAL]
    bucket: Annotated[Bucket, OPTIONAL]
    prefix: Annotated[Prefix, OPTIONAL]


class NewTenant(Told):
    """A customer, and where its objects are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "acme", "name": "Acme", "owners": ["auth0|def456"], "source": SOURCE}]}
    )

    id: Annotated[
        str,
        Field(description="If left out, it gets one.", pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["acme"]),
        OPTIONAL,
    ]
    name: Name
    owners: Annotated[People, Field(default_factory=list)]
    members: Annotated[People, Field(default_factory=list)]
    source: Source

    def told(self) -> New:
        """As the use case takes it."""
        named = TenantId(self.id) if "id" in self.model_fields_set else None
        return New(self.name, self.source.told(), named, frozenset(self.owners), frozenset(self.members))


class TenantPatch(Told):
    """What is to be different (JSON Merge Patch)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"owners": ["auth0|def456", "auth0|ghi789"]}]})

    name: Annotated[Name, OPTIONAL]
    owners: Annotated[People, OPTIONAL]
    members: Annotated[People, OPTIONAL]
    source: Annotated[SourceFields, OPTIONAL]

    def changes(self, before: tenant.Source) -> TenantChanges:
        """As the use case takes it; ``before`` is the source that a patch is merged into. Raises InvalidInput."""
        told: dict[str, Any] = dict(self.sent())
        told.update({name: frozenset(told[name]) for name in ("owners", "members") if name in told})
        if "source" in told:
            told["source"] = replace(before, **self.source.sent())
        return TenantChanges(**told)


class Tenant(Closed):
    """A customer of the company that runs Farshore."""

    model_config = ConfigDict(json_schema_extra={"examples": [TENANT]})

    id: str
    name: str
    owners: Annotated[list[str], Field(description="Who owns it, beside those whose tokens say so.")]
    members: Annotated[list[str], Field(description="Who belongs to it, beside those whose tokens say so.")]
    source: Source
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, it: tenant.Tenant) -> Self:
        """From the domain's."""
        return cls(
            id=it.id,
            name=it.name,
            owners=sorted(it.owners),
            members=sorted(it.members),
            source=Source.of(it.source),
            created_at=it.created_at,
            updated_at=it.updated_at or it.created_at,
            version=it.version,
        )


class TenantList(Closed):
    """Tenants, ascending by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [TENANT], "nextCursor": None}]})

    items: list[Tenant]
    next_cursor: str | None
