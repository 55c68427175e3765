"""Integrations over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from shared.api.schemas.closed import OPTIONAL, Closed, Told
from shared.api.schemas.providers import AuthType
from shared.domain import integration
from shared.domain.ids import ProviderId
from shared.usecases.forms import external_id_of
from shared.usecases.integrations import IntegrationChanges
from shared.usecases.integrations import NewIntegration as New

Status = Literal["pending", "active", "expired", "revoked", "error"]

INTEGRATION: JsonDict = {
    "id": "int_7f3a91c25be04d68",
    "tenantId": "acme",
    "providerId": "prv_2b91e6a40c7d5f38",
    "name": "Backups in Dropbox",
    "connector": "dropbox",
    "authType": "oauth2",
    "accountId": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
    "accountName": "anna@acme.example",
    "scopesRequested": ["files.content.read", "files.content.write"],
    "scopesGranted": ["files.content.read", "files.content.write"],
    "tokenExpiresAt": "2026-11-20T16:00:00Z",
    "status": "active",
    "reason": None,
    "container": "/Backups",
    "isActive": True,
    "settings": {},
    "hasCredentials": False,
    "externalId": None,
    "connectedAt": "2026-11-20T12:00:00Z",
    "lastRefreshedAt": "2026-11-20T12:00:00Z",
    "createdBy": "auth0|def456",
    "createdAt": "2026-11-20T11:58:00Z",
    "updatedAt": "2026-11-20T12:00:00Z",
    "version": 3,
}

_ID = r"^[A-Za-z0-9_-]{1,64}$"
Name = Annotated[str, Field(description="What people call it.", min_length=1, max_length=128)]
Container = Annotated[str, Field(description="Default bucket, container or folder.", max_length=1024)]
IsActive = Annotated[bool, Field(description="Whether replication may use it.")]
Setting = Annotated[str, Field(description="8 KiB at most.", min_length=1, max_length=8192)]
Settings = Annotated[
    dict[str, Setting],
    Field(
        description="What is not secret, by connector. 32 KiB at most.",
        max_length=32,
        examples=[{"region": "eu-central-1"}],
    ),
]
Credentials = Annotated[
    dict[str, Annotated[SecretStr, Field(min_length=1, max_length=8192)]],
    Field(
        description="What is secret, by way of signing in. Never shown. `externalId` is not told: it is given.",
        max_length=32,
    ),
]


class NewIntegration(Told):
    """A connection to one provider: with credentials, or to be connected by consent (`oauth/start`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providerSlug": "dropbox",
                    "name": "Backups in Dropbox",
                    "authType": "oauth2",
                    "container": "/Backups",
                },
                {
                    "providerSlug": "s3",
                    "name": "Backups in another account",
                    "authType": "iam_role",
                    "container": "acme-backups",
                    "settings": {"region": "eu-central-1", "roleArn": "arn:aws:iam::123456789012:role/farshore"},
                },
            ]
        }
    )

    provider_id: Annotated[str, Field(description="This or `providerSlug`.", pattern=_ID), OPTIONAL]
    provider_slug: Annotated[str, Field(min_length=1, max_length=64), OPTIONAL]
    name: Name
    auth_type: AuthType
    container: Annotated[Container, Field(default="")]
    settings: Annotated[Settings, Field(default_factory=dict)]
    credentials: Annotated[Credentials, OPTIONAL]
    is_active: Annotated[IsActive, Field(default=True)]

    def told(self) -> New:
        """As the use case takes it."""
        return New(
            name=self.name,
            auth_type=self.auth_type,
            provider_id=ProviderId(self.provider_id) if "provider_id" in self.model_fields_set else None,
            provider_slug=self.provider_slug,
            container=self.container,
            settings=self.settings,
            is_active=self.is_active,
        )


class IntegrationPatch(Told):
    """What is to be different (JSON Merge Patch). Credentials replace all there were."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"isActive": False}, {"settings": {"region": "eu-west-1", "endpoint": None}}]}
    )

    name: Annotated[Name, OPTIONAL]
    container: Annotated[Container, OPTIONAL]
    settings: Annotated[dict[str, Setting | None], Field(description="null takes one away.", max_length=32), OPTIONAL]
    credentials: Annotated[Credentials, OPTIONAL]
    is_active: Annotated[IsActive, OPTIONAL]

    def changes(self) -> IntegrationChanges:
        """As the use case takes it."""
        return IntegrationChanges(**{name: value for name, value in self.sent().items() if name != "credentials"})


def told_credentials(body: NewIntegration | IntegrationPatch) -> Mapping[str, str] | None:
    """The credentials in the clear, to be sealed at once; None if none were sent."""
    if "credentials" not in body.model_fields_set:
        return None
    return {name: value.get_secret_value() for name, value in body.credentials.items()}


class Integration(Closed):
    """A tenant's connection to one provider."""

    model_config = ConfigDict(json_schema_extra={"examples": [INTEGRATION]})

    id: str
    tenant_id: str
    provider_id: Annotated[str | None, Field(description="null for one that an operator made without a provider.")]
    name: str
    connector: str
    auth_type: AuthType
    account_id: Annotated[str | None, Field(description="Whose account at the provider it is.")]
    account_name: str | None
    scopes_requested: list[str]
    scopes_granted: Annotated[list[str], Field(description="From the provider.")]
    token_expires_at: Annotated[datetime | None, Field(description="Of the access token.")]
    status: Status
    reason: Annotated[str | None, Field(description="Why it is not simply active: a stable code.")]
    container: str
    is_active: bool
    settings: dict[str, str]
    has_credentials: bool
    external_id: Annotated[
        str | None,
        Field(
            description="Of an `iam_role`: what its trust policy has to ask for (`sts:ExternalId`); null if not ours."
        ),
    ]
    connected_at: datetime | None
    last_refreshed_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, it: integration.Integration) -> Self:
        """From the domain's."""
        return cls(**_identity(it), **_connection(it))


def _identity(it: integration.Integration) -> dict[str, Any]:
    return {
        "id": it.id,
        "tenant_id": it.tenant_id,
        "provider_id": it.provider_id,
        "name": it.name,
        "connector": it.connector,
        "auth_type": it.auth_type,
        "container": it.container,
        "is_active": it.is_active,
        "settings": dict(it.settings),
        "has_credentials": it.credentials is not None,
        "external_id": external_id_of(it),
        "created_by": it.created_by,
        "created_at": it.created_at,
        "updated_at": it.updated_at,
        "version": it.version,
    }


def _connection(it: integration.Integration) -> dict[str, Any]:
    return {
        "account_id": it.account.id if it.account else None,
        "account_name": it.account.name if it.account else None,
        "scopes_requested": list(it.scopes_requested),
        "scopes_granted": list(it.scopes_granted),
        "token_expires_at": it.tokens.expires_at if it.tokens else None,
        "status": it.status,
        "reason": it.reason,
        "connected_at": it.connected_at,
        "last_refreshed_at": it.last_refreshed_at,
    }


class IntegrationList(Closed):
    """A tenant's integrations, ascending by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [INTEGRATION], "nextCursor": None}]})

    items: list[Integration]
    next_cursor: str | None
