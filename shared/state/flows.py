"""Consents under way."""

from datetime import datetime, timedelta

from shared.domain.grant import Flow
from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.seal import Sealed
from shared.state.answers import ConditionLost, asked, found
from shared.state.connection_models import FlowItem
from shared.state.tables import Tables, bound

_SPARE = timedelta(seconds=60)  # DynamoDB's clock and ours may differ


class DynamoFlows:
    """ports.connections.Flows. Each method is one call."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(FlowItem, tables)

    def add(self, flow: Flow) -> None:
        asked(_item(self._row, flow).save)

    def look(self, state_hash: str, now: datetime) -> Flow | None:
        item = found(self._row, state_hash)
        return _flow(item) if item and item.expires_at > now else None

    def take(self, state_hash: str, now: datetime) -> Flow | None:
        table = self._row._get_connection()
        condition = self._row.expires_at > now
        try:
            answer = asked(lambda: table.delete_item(state_hash, condition=condition, return_values="ALL_OLD"))
        except ConditionLost:
            return None
        # Where a delete finds nothing it has nothing to return, whatever became of the condition.
        taken = answer.get("Attributes")
        return _flow(self._row.from_raw_data(taken)) if taken else None


def _item(model: type[FlowItem], it: Flow) -> FlowItem:
    return model(
        it.state_hash,
        browser=it.browser_hash,
        tenant=it.tenant_id,
        integration=it.integration_id,
        provider=it.provider_id,
        user=it.user,
        secrets=it.secrets.box,
        secrets_sequence=it.secrets.sequence,
        redirect_uri=it.redirect_uri,
        scopes=list(it.scopes),
        return_to=it.return_to,
        loopback=it.loopback,
        confirmed=it.confirmed,
        provider_version=it.provider_version,
        integration_version=it.integration_version,
        created_at=it.created_at,
        expires_at=it.expires_at,
        expires=it.expires_at + _SPARE,
    )


def _flow(item: FlowItem) -> Flow:
    return Flow(
        state_hash=item.state,
        browser_hash=item.browser,
        tenant_id=TenantId(item.tenant),
        integration_id=IntegrationId(item.integration),
        provider_id=ProviderId(item.provider),
        user=item.user,
        secrets=Sealed(item.secrets, int(item.secrets_sequence)),
        redirect_uri=item.redirect_uri,
        scopes=tuple(item.scopes),
        created_at=item.created_at,
        expires_at=item.expires_at,
        return_to=item.return_to,
        loopback=item.loopback,
        confirmed=item.confirmed,
        provider_version=int(item.provider_version),
        integration_version=int(item.integration_version),
    )
