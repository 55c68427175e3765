"""Replicas as items, and back."""

from typing import cast

from shared.domain.ids import RuleId, TargetName, TenantId
from shared.domain.objects import Checksums, Route, Tag
from shared.domain.replica import Failure, Replica, ReplicaStatus
from shared.domain.sequencer import Sequencer
from shared.state.models import ReplicaItem

UNSETTLED: frozenset[ReplicaStatus] = frozenset({"pending", "copying", "failed"})


def object_key(tenant_id: str, source_key: str) -> str:
    """The partition of one object's rows."""
    return f"{tenant_id}#{source_key}"


def unsettled_key(tenant_id: str, target: str) -> str:
    """The partition of one target's unsettled rows in the sparse index."""
    return f"{tenant_id}#{target}"


def item_of(model: type[ReplicaItem], it: Replica) -> ReplicaItem:
    """The whole row."""
    return model(
        object_key(it.tenant_id, it.source_key),
        it.target,
        tenant=it.tenant_id,
        key=it.source_key,
        unsettled=unsettled_key(it.tenant_id, it.target) if it.status in UNSETTLED else None,
        rule=it.rule_id,
        status=it.status,
        seq=it.sequencer.value,
        updated_at=it.updated_at,
        source_version=it.source_version,
        source_tag=it.source_tag.value if it.source_tag else None,
        target_tag=it.target_tag.value if it.target_tag else None,
        size=it.size,
        checksums=dict(it.checksums.values) or None,
        route=it.route,
        lag=it.lag_seconds,
        attempts=it.attempts,
        bytes_done=it.bytes_done,
        error_code=it.failure.code if it.failure else None,
        error_message=it.failure.message if it.failure else None,
        replicated_at=it.replicated_at,
    )


def replica_of(item: ReplicaItem) -> Replica:
    """What the row says."""
    return Replica(
        tenant_id=TenantId(item.tenant),
        source_key=item.key,
        target=TargetName(item.target),
        rule_id=RuleId(item.rule),
        status=cast(ReplicaStatus, item.status),
        updated_at=item.updated_at,
        sequencer=Sequencer(item.seq),
        source_version=item.source_version,
        source_tag=_tag(item.source_tag),
        target_tag=_tag(item.target_tag),
        size=whole(item.size),
        checksums=Checksums(item.checksums) if item.checksums else Checksums(),
        route=cast(Route | None, item.route),
        lag_seconds=item.lag,
        attempts=int(item.attempts),
        bytes_done=whole(item.bytes_done),
        failure=Failure(item.error_code, item.error_message or "") if item.error_code else None,
        replicated_at=item.replicated_at,
    )


def whole(number: float | None) -> int | None:
    """DynamoDB's numbers have no kinds; this one was an integer."""
    return None if number is None else int(number)


def _tag(text: str | None) -> Tag | None:
    return None if text is None else Tag(text)
