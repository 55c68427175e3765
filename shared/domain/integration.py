"""One tenant's connection to one store, with its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.domain.ids import IntegrationId, TenantId

type AuthType = Literal[
    "iam_role", "access_key", "connection_string", "account_key", "sas_token", "service_principal", "workload_identity"
]
type Status = Literal["pending", "active", "expired", "revoked", "error"]


@dataclass(frozen=True, slots=True)
class Integration:
    """A connection, without its secret: credentials are sealed at rest and are opened by ``ports.Stores`` alone.

    Attributes:
        connector: the registry's name of the store (``s3``, ``azure_blob``).
        container: default bucket or container.
        settings: what is not secret (``region``, ``endpoint``, ``account``, ``roleArn``), by connector.
        sealed: the credentials' sealed form (``crypto``), or None where the auth type needs no secret.
        version: grows by one with each change; compare-and-swap.
    """

    id: IntegrationId
    tenant_id: TenantId
    name: str
    connector: str
    auth_type: AuthType
    container: str
    created_at: datetime
    updated_at: datetime
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sealed: bytes | None = field(default=None, repr=False)
    status: Status = "active"
    is_active: bool = True
    version: int = 1

    @property
    def usable(self) -> bool:
        """Whether replication may use it now."""
        return self.is_active and self.status == "active"
