"""What a grant makes of an integration."""

from dataclasses import replace
from datetime import datetime

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import AccountMismatch, ScopeMissing
from shared.domain.grant import Flow, Grant
from shared.domain.integration import Account, Integration, Tokens, access_context, refresh_context
from shared.domain.provider import Provider
from shared.ports.world import Vault
from shared.usecases import shown
from shared.usecases.refresh_outcome import due_at, lacking

UNRENEWABLE = "refresh_token_missing"
"""Reason of an integration that works until its access token is over."""


def same_account(was: Integration, account: Account, *, confirmed: bool) -> bool:
    """Whether it is the account that was connected before.

    Raises:
        AccountMismatch: it is another, and nobody confirmed that it shall be.
    """
    same = was.account is None or was.account.id == account.id
    if not same and not confirmed:
        raise AccountMismatch
    return same


def sealed(was: Integration, grant: Grant, vault: Vault, *, same: bool) -> Tokens:
    """The grant's tokens as the next generation. A provider that sends no refresh token to an account that has one keeps the
    one it sent before.

    Raises:
        StateUnavailable, Misconfigured
    """
    generation = was.generation + 1
    place = (was.tenant_id, was.id, generation)
    kept = was.tokens.refresh if was.tokens and same else None
    refresh = vault.seal(grant.refresh, refresh_context(*place)) if grant.refresh else kept
    return Tokens(generation, vault.seal(grant.access, access_context(*place)), refresh, grant.expires_at)


def connected(
    was: Integration,
    flow: Flow,
    grant: Grant,
    account: Account,
    tokens: Tokens,
    provider: Provider,
    now: datetime,
    fraction: float,
) -> Integration:
    """It with new tokens. Scopes that were not granted leave it in ``error`` until it is connected again; more than was asked
    for is put on record. Without a refresh token it works as long as its access token.
    """
    granted = flow.scopes if grant.scopes is None else tuple(sorted(grant.scopes))
    missing = lacking(flow.scopes, granted)
    reason = ScopeMissing.code if missing else None if tokens.refresh else UNRENEWABLE
    return replace(
        was,
        tokens=tokens,
        generation=tokens.generation,
        account=account,
        scopes_requested=flow.scopes,
        scopes_granted=granted,
        status="error" if missing else "active",
        reason=reason,
        failures=0,
        connected_at=now,
        last_refreshed_at=None,
        refresh_due_at=due_at(
            tokens.expires_at, provider.idle_days, now, fraction, renewable=tokens.refresh is not None
        ),
        updated_at=now,
        version=was.version + 1,
    )


def told(was: Integration, new: Integration, actor: Actor, now: datetime) -> AuditEvent:
    """What the audit trail hears."""
    action = "integration.connected" if was.account is None else "integration.reconnected"
    outcome = ScopeMissing.code if new.reason == ScopeMissing.code else "success"
    parts = shown.standing(was, new)
    return AuditEvent(new.tenant_id, now, actor, action, f"integration/{new.id}", outcome, **parts)
