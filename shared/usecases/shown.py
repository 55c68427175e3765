"""Records as the audit trail may show them: the names of secrets at most, and only what changed."""

from collections.abc import Mapping
from typing import Any

from shared.domain.integration import Integration
from shared.domain.provider import Provider
from shared.domain.rule import Rule
from shared.domain.tenant import Tenant


def integration(it: Integration) -> dict[str, Any]:
    """All that the trail may know of an integration. A new seal shows as another number."""
    return {
        "name": it.name,
        "providerId": it.provider_id,
        "connector": it.connector,
        "authType": it.auth_type,
        "container": it.container,
        "isActive": it.is_active,
        "settings": dict(it.settings),
        "credentials": f"(set, {it.credentials.sequence})" if it.credentials else None,
        "tokens": f"(set, {it.tokens.generation})" if it.tokens else None,
        "accountId": it.account.id if it.account else None,
        "scopesRequested": list(it.scopes_requested),
        "scopesGranted": list(it.scopes_granted),
        "status": it.status,
        "reason": it.reason,
    }


def provider(it: Provider) -> dict[str, Any]:
    """All that the trail may know of a provider."""
    points = it.endpoints
    return {
        "name": it.name,
        "slug": it.slug,
        "connector": it.connector,
        "authTypes": list(it.auth_types),
        "authUrl": points.authorize if points else None,
        "tokenUrl": points.token if points else None,
        "revokeUrl": points.revoke if points else None,
        "userInfoUrl": points.user_info if points else None,
        "clientId": it.client_id,
        "clientSecret": f"(set, {it.secret.sequence})" if it.secret else None,
        "scopes": list(it.scopes),
        "tokenMethod": it.token_method,
        "authorizeParameters": dict(it.authorize_parameters),
        "issuer": it.issuer,
        "issuerRequired": it.issuer_required,
        "dialect": it.dialect,
        "rotation": it.rotation,
        "idleDays": it.idle_days,
        "enabled": it.enabled,
        "metadata": {"icon": it.metadata.icon, "color": it.metadata.color, "hipaaBaa": it.metadata.hipaa_baa}
        | {"description": it.metadata.description, "regions": list(it.metadata.regions)},
    }


def tenant(it: Tenant) -> dict[str, Any]:
    """All that the trail may know of a tenant."""
    return {
        "name": it.name,
        "owners": sorted(it.owners),
        "members": sorted(it.members),
        "source": {"connector": it.source.connector, "bucket": it.source.bucket, "prefix": it.source.prefix},
    }


def rule(it: Rule) -> dict[str, Any]:
    """All that the trail may know of a rule."""
    return {
        "target": it.target.name,
        "integrationId": it.target.integration_id,
        "container": it.target.container,
        "path": it.target.path,
        "prefix": it.prefix,
        "suffix": it.suffix,
        "onDelete": it.on_delete,
        "priority": it.priority,
        "paused": it.paused,
    }


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], *, always: tuple[str, ...] = ()
) -> dict[str, dict[str, Any]]:
    """``before`` and ``after`` of an audit event: what differs, and what is named in ``always``."""
    names = [name for name in after if name in always or before.get(name) != after[name]]
    return {
        "before": {name: before.get(name) for name in names},
        "after": {name: after[name] for name in names},
    }


def standing(before: Integration, after: Integration) -> dict[str, dict[str, Any]]:
    """The same for an integration: status and reason are always told, since notices are made of them."""
    return difference(integration(before), integration(after), always=("status", "reason"))
