"""Providers over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from shared.api.schemas.closed import OPTIONAL, Closed, Told
from shared.domain import provider
from shared.domain.ids import TenantId
from shared.usecases.forms import external_id_at, for_owners
from shared.usecases.providers import ProviderChanges

AuthType = Literal[
    "oauth2",
    "connection_string",
    "account_key",
    "sas_token",
    "service_principal",
    "user_ms_identity",
    "iam_role",
    "access_key",
    "service_account",
    "workload_identity",
]
Dialect = Literal["generic", "google", "microsoft", "dropbox"]
Rotation = Literal["static", "sliding", "strict"]
TokenMethod = Literal["POST", "BASIC"]

METADATA: JsonDict = {
    "icon": "dropbox",
    "color": "#0061fe",
    "description": "Files in a Dropbox account",
    "hipaaBaa": "yes",
    "regions": [],
}
DROPBOX: JsonDict = {
    "name": "Dropbox",
    "slug": "dropbox",
    "connector": "dropbox",
    "authTypes": ["oauth2"],
    "authUrl": "https://www.dropbox.com/oauth2/authorize",
    "tokenUrl": "https://api.dropboxapi.com/oauth2/token",
    "revokeUrl": "https://api.dropboxapi.com/2/auth/token/revoke",
    "userInfoUrl": "https://api.dropboxapi.com/2/users/get_current_account",
    "clientId": "a1b2c3d4e5f6g7h",
    "scopes": ["account_info.read", "files.content.read", "files.content.write", "files.metadata.read"],
    "grantType": "authorization_code",
    "tokenMethod": "POST",
    "pkce": "S256",
    "authorizeParameters": {"token_access_type": "offline"},
    "issuer": None,
    "issuerRequired": False,
    "dialect": "dropbox",
    "rotation": "static",
    "idleDays": None,
    "metadata": METADATA,
    "enabled": True,
}
PROVIDER: JsonDict = {
    "id": "prv_2b91e6a40c7d5f38",
    **DROPBOX,
    "redirectUri": "https://farshore.example/api/v1/oauth/dropbox/callback",
    "hasClientSecret": True,
    "createdBy": "auth0|abc123",
    "createdAt": "2026-11-20T12:00:00Z",
    "updatedAt": "2026-11-20T12:00:00Z",
    "version": 1,
}

Name = Annotated[str, Field(description="What people call it.", min_length=1, max_length=128)]
Slug = Annotated[
    str,
    Field(description="Unique; part of the redirect URI; does not change.", pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$"),
]
Connector = Annotated[
    str, Field(description="The store behind it; does not change.", pattern=r"^[a-z][a-z0-9_]{0,62}$")
]
AuthTypes = Annotated[list[AuthType], Field(description="The ways a tenant may sign in.", min_length=1, max_length=10)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]
ClientId = Annotated[str, Field(description="Of our client there.", max_length=512)]
ClientSecret = Annotated[
    SecretStr, Field(description="Of our client there. Never shown.", min_length=1, max_length=4096)
]
Scope = Annotated[str, Field(min_length=1, max_length=256)]
Scopes = Annotated[list[Scope], Field(description="What to ask for, in the provider's spelling.", max_length=100)]
Parameter = Annotated[str, Field(max_length=512)]
Issuer = Annotated[
    str, Field(description="`iss` of its answers; `{tid}` stands for a directory.", min_length=1, max_length=512)
]
IdleDays = Annotated[int, Field(description="A refresh token unused for so long dies.", ge=1, le=3650)]


class Metadata(Closed):
    """How a provider is shown to people."""

    icon: str
    color: str
    description: str
    hipaa_baa: Annotated[str, Field(description="Whether its house signs a business associate agreement.")]
    regions: list[str]

    @classmethod
    def of(cls, told: provider.Metadata) -> Self:
        """From the domain's."""
        return cls(
            icon=told.icon,
            color=told.color,
            description=told.description,
            hipaa_baa=told.hipaa_baa,
            regions=list(told.regions),
        )


class MetadataFields(Told):
    """How a provider is shown to people; what is left out stays."""

    icon: Annotated[str, Field(max_length=256), OPTIONAL]
    color: Annotated[str, Field(pattern=r"^(#[0-9A-Fa-f]{6})?$"), OPTIONAL]
    description: Annotated[str, Field(max_length=1024), OPTIONAL]
    hipaa_baa: Annotated[str, Field(max_length=256), OPTIONAL]
    regions: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=100), OPTIONAL]


class ProviderFields(Told):
    """What both a new provider and a change may say."""

    name: Annotated[Name, OPTIONAL]
    auth_types: Annotated[AuthTypes, OPTIONAL]
    auth_url: Annotated[Url | None, Field(description="Its consent page."), OPTIONAL]
    token_url: Annotated[Url | None, Field(description="Where codes and refresh tokens go."), OPTIONAL]
    revoke_url: Annotated[Url | None, Field(description="Where tokens end; null if nowhere."), OPTIONAL]
    user_info_url: Annotated[Url | None, Field(description="Says whose account a token is for."), OPTIONAL]
    client_id: Annotated[ClientId, OPTIONAL]
    client_secret: Annotated[ClientSecret, OPTIONAL]
    scopes: Annotated[Scopes, OPTIONAL]
    grant_type: Annotated[Literal["authorization_code"], OPTIONAL]
    token_method: Annotated[
        TokenMethod, Field(description="The client's proof: in the form, or in a header."), OPTIONAL
    ]
    pkce: Annotated[Literal["S256"], OPTIONAL]
    authorize_parameters: Annotated[
        dict[str, Parameter | None],
        Field(description="Sent along to the consent page; null takes one away.", max_length=20),
        OPTIONAL,
    ]
    issuer: Annotated[Issuer | None, OPTIONAL]
    issuer_required: Annotated[bool, Field(description="An answer without `iss` is refused."), OPTIONAL]
    dialect: Annotated[Dialect, OPTIONAL]
    rotation: Annotated[Rotation, Field(description="What a refresh does to the refresh token."), OPTIONAL]
    idle_days: Annotated[IdleDays | None, OPTIONAL]
    metadata: Annotated[MetadataFields, OPTIONAL]
    enabled: Annotated[bool, OPTIONAL]

    def changes(self, parameters: Mapping[str, str]) -> ProviderChanges:
        """As the use case takes it. ``parameters``: the authorize parameters as they are, which a patch is merged into."""
        told = dict(self.sent())
        for name in ("preset", "client_secret", "grant_type", "pkce", "metadata", "authorize_parameters"):
            told.pop(name, None)
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return ProviderChanges(**{**told, **lists, **self._looks(), **self._parameters(parameters)})

    def _looks(self) -> Mapping[str, Any]:
        told = dict(self.metadata.sent()) if "metadata" in self.model_fields_set else {}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}

    def _parameters(self, before: Mapping[str, str]) -> Mapping[str, Any]:
        if "authorize_parameters" not in self.model_fields_set:
            return {}
        merged = {**before, **self.authorize_parameters}
        return {"authorize_parameters": {name: value for name, value in merged.items() if value is not None}}


class NewProvider(ProviderFields):
    """A preset with what differs from it, or all that a provider is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"preset": "dropbox", "clientId": "a1b2c3d4e5f6g7h", "clientSecret": "(its secret)"},
                {"preset": "s3", "name": "Amazon S3"},
            ]
        }
    )

    preset: Annotated[str, Field(description="A preset's name (`cloud-provider-presets`).", max_length=64), OPTIONAL]
    slug: Annotated[Slug, OPTIONAL]
    connector: Annotated[Connector, OPTIONAL]


class ProviderPatch(ProviderFields):
    """What is to be different (JSON Merge Patch)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}, {"clientSecret": "(a new one)"}]})


class Offer(Closed):
    """What a preset and a provider have in common."""

    name: str
    slug: str
    connector: str
    auth_types: list[AuthType]
    auth_url: str | None
    token_url: str | None
    revoke_url: str | None
    user_info_url: str | None
    scopes: list[str]
    grant_type: Literal["authorization_code"]
    token_method: TokenMethod
    pkce: Literal["S256"]
    authorize_parameters: dict[str, str]
    issuer: str | None
    issuer_required: bool
    dialect: Dialect
    rotation: Rotation
    idle_days: int | None
    metadata: Metadata


class Provider(Offer):
    """A kind of cloud account that tenants may connect."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROVIDER]})

    id: str
    client_id: str
    enabled: bool
    redirect_uri: Annotated[
        str | None, Field(description="What to register at the provider; null until the operator tells the public URL.")
    ]
    has_client_secret: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, it: provider.Provider, public_url: str) -> Self:
        """From the domain's."""
        return cls(
            **offered(it),
            id=it.id,
            client_id=it.client_id,
            enabled=it.enabled,
            redirect_uri=f"{public_url}/api/v1/oauth/{it.slug}/callback" if public_url else None,
            has_client_secret=it.secret is not None,
            created_by=it.created_by,
            created_at=it.created_at,
            updated_at=it.updated_at,
            version=it.version,
        )


def offered(it: Any) -> dict[str, Any]:
    """Of a provider or preset, the fields of ``Offer``."""
    points = it.endpoints
    return {
        "name": it.name,
        "slug": it.slug,
        "connector": it.connector,
        "auth_types": list(it.auth_types),
        "auth_url": points.authorize if points else None,
        "token_url": points.token if points else None,
        "revoke_url": points.revoke if points else None,
        "user_info_url": points.user_info if points else None,
        "scopes": list(it.scopes),
        "grant_type": "authorization_code",
        "token_method": it.token_method,
        "pkce": "S256",
        "authorize_parameters": dict(it.authorize_parameters),
        "issuer": it.issuer,
        "issuer_required": it.issuer_required,
        "dialect": it.dialect,
        "rotation": it.rotation,
        "idle_days": it.idle_days,
        "metadata": Metadata.of(it.metadata),
    }


class ProviderList(Closed):
    """Providers, ascending by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [PROVIDER], "nextCursor": None}]})

    items: list[Provider]
    next_cursor: str | None


_PRESET: JsonDict = {"preset": "dropbox", **{k: v for k, v in DROPBOX.items() if k not in ("clientId", "enabled")}}


class Preset(Offer):
    """A provider but for its client: add `clientId` and `clientSecret`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PRESET]})

    preset: Annotated[str, Field(description="Its name, for `preset` of a new provider.")]


class PresetList(Closed):
    """Presets, ascending by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_PRESET], "nextCursor": None}]})

    items: list[Preset]
    next_cursor: str | None


_CHOICE: JsonDict = {
    "id": "prv_2b91e6a40c7d5f38",
    **{name: DROPBOX[name] for name in ("name", "slug", "connector", "authTypes", "scopes", "metadata")},
    "externalId": None,
}


class Choice(Closed):
    """What a tenant may connect."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHOICE]})

    id: str
    name: str
    slug: str
    connector: str
    auth_types: Annotated[list[AuthType], Field(description="Those that a tenant's owner may tell.")]
    scopes: list[str]
    metadata: Metadata
    external_id: Annotated[
        str | None,
        Field(description="For `iam_role`: what the role's trust policy has to ask for (`sts:ExternalId`)."),
    ]

    @classmethod
    def of(cls, it: provider.Provider, tenant_id: TenantId) -> Self:
        """From the domain's, for this tenant."""
        return cls(
            id=it.id,
            name=it.name,
            slug=it.slug,
            connector=it.connector,
            auth_types=for_owners(it.connector, it.auth_types),
            scopes=list(it.scopes),
            metadata=Metadata.of(it.metadata),
            external_id=external_id_at(it.connector, it.auth_types, tenant_id),
        )


class ChoiceList(Closed):
    """What a tenant may connect, ascending by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_CHOICE], "nextCursor": None}]})

    items: list[Choice]
    next_cursor: str | None
