"""The register of our own upload sessions."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from shared.domain.errors import Conflict
from shared.domain.ids import TargetName, TenantId
from shared.ports.state import Transfer
from shared.state.answers import ConditionLost, asked
from shared.state.models import TransferItem
from shared.state.moments import text_of
from shared.state.tables import Tables, bound


class DynamoTransfers:
    """ports.state.Transfers. Each method is one call."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(TransferItem, tables)

    def begun(self, transfer: Transfer) -> None:
        item = self._row(
            *_keys(transfer),
            tenant=transfer.tenant_id,
            target=transfer.target,
            path=transfer.path,
            begun_at=transfer.begun_at,
        )
        try:
            asked(lambda: item.save(condition=self._row.id.does_not_exist()))
        except ConditionLost:
            raise Conflict("this upload session is registered already") from None

    def ended(self, transfer: Transfer) -> None:
        asked(self._row(*_keys(transfer)).delete)

    def stale(
        self, tenant_id: TenantId, target: TargetName, *, older_than: datetime, limit: int = 100
    ) -> Sequence[Transfer]:
        before = self._row.id < text_of(older_than)
        query = self._row.query(_place(tenant_id, target), before, limit=limit, consistent_read=True)
        return [_transfer(item) for item in asked(lambda: list(query))]


def _keys(transfer: Transfer) -> tuple[str, str]:
    """A path may be as long as a sort key, so only its digest stands beside the time."""
    digest = hashlib.sha256(transfer.path.encode()).hexdigest()
    return _place(transfer.tenant_id, transfer.target), f"{text_of(transfer.begun_at)}#{digest}"


def _place(tenant_id: TenantId, target: TargetName) -> str:
    return f"{tenant_id}#{target}"


def _transfer(item: TransferItem) -> Transfer:
    return Transfer(TenantId(item.tenant), TargetName(item.target), item.path, item.begun_at)
