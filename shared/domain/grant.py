"""What passes between us and an authorization server, in the clear and only in memory; and the record of one consent."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.integration import Account
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class Grant:
    """A token answer, checked for form.

    Attributes:
        refresh: None if the answer held none: an earlier one, if any, stays good.
        expires_at: of the access token; None if the answer did not say.
        scopes: what was granted, in the provider's spelling of its own scopes; None if the answer did not say, which means as
            asked (RFC 6749 5.1).
        account: where the answer itself says whose it is (Dropbox, an ID token).
    """

    access: Secret[str]
    refresh: Secret[str] | None = None
    expires_at: datetime | None = None
    scopes: frozenset[str] | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """One consent under way; it can be taken once, and not after ``expires_at``.

    Attributes:
        state_hash: SHA-256 of ``state``, hexadecimal: its key. The state itself is never stored.
        browser_hash: SHA-256 of the value in the cookie that binds the browser, hexadecimal.
        user: the subject who began.
        secrets: PKCE verifier and nonce as a JSON object, sealed in ``flow_context``.
        redirect_uri: exactly as sent.
        return_to: where the browser goes at the end; one of the deployment's allowed URLs, or empty for our own page.
        loopback: where a command on the user's computer waits (RFC 8252 7.3): the answer is handed on to it, and it comes
            back as the signed-in user with the browser's cookie. Empty for a browser that began by itself.
        confirmed: whether a different account may replace the connected one.
        provider_version, integration_version: as they were at the start.
    """

    state_hash: str
    browser_hash: str
    tenant_id: TenantId
    integration_id: IntegrationId
    provider_id: ProviderId
    user: str
    secrets: Sealed = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    return_to: str = ""
    loopback: str = ""
    confirmed: bool = False
    provider_version: int = 1
    integration_version: int = 1


def flow_context(tenant_id: TenantId, state_hash: str) -> SealContext:
    """The place of a flow's secrets."""
    return SealContext(tenant_id, "flows", state_hash, "secrets", "connect")
