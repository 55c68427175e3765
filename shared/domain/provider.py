"""A kind of cloud account that an administrator has made available."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.domain.ids import ProviderId
from shared.domain.integration import AuthType
from shared.domain.seal import SealContext, Sealed

type Dialect = Literal["generic", "google", "microsoft", "dropbox"]
"""Which client speaks to its authorization server (``oauth``): the standard, or the standard with a house's ways."""

type Rotation = Literal["static", "sliding", "strict"]
"""What a refresh does to the refresh token: it stays (Google, Dropbox); it is replaced and the old one still works
(Microsoft); it is replaced and the old one is dead at once (Box)."""

type TokenMethod = Literal["POST", "BASIC"]
"""How the client proves itself at the token endpoint: in the form (``client_secret_post``) or in a header."""

SYSTEM = "*"
"""In place of a tenant for what belongs to the deployment: seals' contexts, the audit trail. No tenant can have this id."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an authorization server is. All are https URLs (http on hosts that the operator listed as private).

    Attributes:
        revoke: None where tokens cannot be revoked (Microsoft).
        user_info: says whose account a token is for; None where the token answer itself does.
    """

    authorize: str
    token: str
    revoke: str | None = None
    user_info: str | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """How a provider is shown to people.

    Attributes:
        hipaa_baa: whether its house signs a business associate agreement (``yes``, ``no``, or its conditions).
        regions: where it keeps data, as far as a customer may choose.
    """

    icon: str = ""
    color: str = ""
    description: str = ""
    hipaa_baa: str = ""
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of data: nothing in the code knows one by name.

    Attributes:
        slug: unique in the deployment; lower-case letters, digits and ``-``; part of its redirect URI.
        connector: the registry's name of the store behind it.
        auth_types: the ways a tenant may sign in; ``oauth2`` needs ``endpoints`` and ``client_id``.
        secret: the client secret, sealed in ``secret_context``.
        pkce: always S256: a downgrade cannot be configured.
        authorize_parameters: sent along to the consent page (``access_type=offline``).
        issuer: what ``iss`` in its answers must be; ``{tid}`` in it stands for the account's directory.
        issuer_required: whether an answer without ``iss`` is refused (RFC 9207 metadata).
        idle_days: a refresh token unused for so long dies; None if it does not.
        version: grows by one with each change; compare-and-swap.
        uses: integrations that name it; kept by the state, not by callers.
    """

    id: ProviderId
    name: str
    slug: str
    connector: str
    auth_types: tuple[AuthType, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime
    endpoints: Endpoints | None = None
    client_id: str = ""
    secret: Sealed | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    grant_type: Literal["authorization_code"] = "authorization_code"
    token_method: TokenMethod = "POST"  # noqa: S105 # no password
    pkce: Literal["S256"] = "S256"
    authorize_parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    issuer: str | None = None
    issuer_required: bool = False
    dialect: Dialect = "generic"
    rotation: Rotation = "static"
    idle_days: int | None = None
    metadata: Metadata = field(default_factory=Metadata)
    enabled: bool = True
    version: int = 1
    uses: int = 0


def secret_context(provider_id: ProviderId, sequence: int) -> SealContext:
    """The place of a provider's client secret."""
    return SealContext(SYSTEM, "providers", provider_id, "client_secret", "connect", sequence)
