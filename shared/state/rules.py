"""A tenant's rules, few enough to be read together."""

import time
from collections.abc import Callable, Sequence
from typing import cast

from shared.domain.audit import AuditEvent
from shared.domain.errors import AlreadyExists, VersionMismatch
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.rule import DeletePolicy, Rule, Target
from shared.state.answers import ConditionLost, asked
from shared.state.cache import Cache
from shared.state.chain import Chain
from shared.state.models import RuleItem, TargetItem
from shared.state.tables import Tables, bound
from shared.state.transactions import Save


class DynamoRules:
    """ports.state.Rules."""

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(RuleItem, tables)
        self._target = bound(TargetItem, tables)
        self._cache: Cache[TenantId, Sequence[Rule]] = Cache(clock=clock)
        self._chain = Chain(tables)

    def of(self, tenant_id: TenantId, *, fresh: bool = False) -> Sequence[Rule]:
        known = None if fresh else self._cache.get(tenant_id)
        return known or self._cache.put(tenant_id, self._read(tenant_id))

    def get(self, tenant_id: TenantId, rule_id: RuleId) -> Rule | None:
        known = _named(rule_id, self._cache.get(tenant_id) or ())
        # A job may come from a process that saw a rule this one has not: ask again before denying it.
        return known or _named(rule_id, self._cache.put(tenant_id, self._read(tenant_id)))

    def add(self, rule: Rule, event: AuditEvent) -> None:
        taken = self._target(rule.tenant_id, f"target#{rule.target.name}", rule=rule.id)
        row = Save(_item(self._row, rule), self._row.sk.does_not_exist())
        try:
            self._chain.commit(event, [row, Save(taken, self._target.sk.does_not_exist())])
        except ConditionLost:
            raise AlreadyExists("the rule's id or its target's name is taken") from None
        self._cache.forget(rule.tenant_id)

    def change(self, rule: Rule, event: AuditEvent) -> None:
        try:
            self._chain.commit(event, [Save(_item(self._row, rule), self._row.version == rule.version - 1)])
        except ConditionLost:
            raise VersionMismatch from None
        finally:
            self._cache.forget(rule.tenant_id)

    def _read(self, tenant_id: TenantId) -> Sequence[Rule]:
        query = self._row.query(tenant_id, self._row.sk.startswith("rule#"), consistent_read=True)
        return tuple(_rule(item) for item in asked(lambda: list(query)))


def targets_of(model: type[TargetItem], tenant_id: TenantId) -> Sequence[TargetName]:
    """Every target a tenant ever named. One query."""
    query = model.query(tenant_id, model.sk.startswith("target#"))
    return [TargetName(item.sk.removeprefix("target#")) for item in asked(lambda: list(query))]


def _named(rule_id: RuleId, rules: Sequence[Rule]) -> Rule | None:
    return next((rule for rule in rules if rule.id == rule_id), None)


def _item(model: type[RuleItem], rule: Rule) -> RuleItem:
    return model(
        rule.tenant_id,
        f"rule#{rule.id}",
        id=rule.id,
        target=rule.target.name,
        integration=rule.target.integration_id,
        container=rule.target.container,
        path=rule.target.path,
        prefix=rule.prefix,
        suffix=rule.suffix,
        on_delete=rule.on_delete,
        priority=rule.priority,
        paused=rule.paused,
        version=rule.version,
        created_at=rule.created_at,
    )


def _rule(item: RuleItem) -> Rule:
    return Rule(
        id=RuleId(item.id),
        tenant_id=TenantId(item.tenant),
        target=Target(TargetName(item.target), IntegrationId(item.integration), item.container, item.path),
        created_at=item.created_at,
        prefix=item.prefix,
        suffix=item.suffix,
        on_delete=cast(DeletePolicy, item.on_delete),
        priority=int(item.priority),
        paused=item.paused,
        version=int(item.version),
    )
