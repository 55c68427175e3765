"""A rule: which of a tenant's objects go to which target, and how."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.errors import InvalidInput
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId

type DeletePolicy = Literal["keep", "delete"]

_FIELD = re.compile(r"\{(\w*)\}")
_FIELDS = frozenset({"key", "relative", "tenant"})
_IN_ORDER = re.compile(r"(?:[^{}]|\{tenant\})*\{(?:key|relative)\}\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rule's objects go.

    Attributes:
        name: unique within the tenant.
        container: bucket or container; None means the integration's own.
        path: template of the object's name there, of ``{key}`` (the source's whole key), ``{relative}`` (the key without the
            source's prefix) and ``{tenant}``. It must keep different keys apart, so it names ``{key}`` or ``{relative}``.
    """

    name: TargetName
    integration_id: IntegrationId
    container: str | None = None
    path: str = "{key}"

    def __post_init__(self) -> None:
        fields = set(_FIELD.findall(self.path))
        if not fields <= _FIELDS or not fields & {"key", "relative"}:
            raise InvalidInput("a target's path is a template of {key} or {relative}, and {tenant}")

    def path_of(self, key: str, prefix: str, tenant_id: TenantId) -> str:
        """The target's name for a source key; one pass, so braces in a key are only characters."""
        values = {"key": key, "relative": key.removeprefix(prefix), "tenant": tenant_id}
        return _FIELD.sub(lambda found: values[found.group(1)], self.path)

    @property
    def in_order(self) -> bool:
        """Whether paths sort as their keys do and each tells its key (``key_of``): the key comes last in the template."""
        return _IN_ORDER.match(self.path) is not None

    def key_of(self, path: str, prefix: str, tenant_id: TenantId) -> str | None:
        """The source key behind a path, for a template that is ``in_order``; None for a path that is no key's."""
        relative = self.path.endswith("{relative}")
        head = self.path_of(prefix if relative else "", prefix, tenant_id)
        return (prefix if relative else "") + path[len(head) :] if path.startswith(head) else None


@dataclass(frozen=True, slots=True)
class Rule:
    """Source filter -> target, with what to do on deletes.

    Attributes:
        prefix: only keys that begin so (whole keys, as the source spells them); empty means all of the source.
        suffix: only keys that end so; empty means all.
        on_delete: ``keep`` leaves the replica when its source goes, ``delete`` removes it.
        priority: where two rules name one target for a key, the greater number wins.
    """

    id: RuleId
    tenant_id: TenantId
    target: Target
    created_at: datetime
    prefix: str = ""
    suffix: str = ""
    on_delete: DeletePolicy = "keep"
    priority: int = 0
    paused: bool = False
    version: int = 1

    def matches(self, key: str) -> bool:
        """Whether this rule speaks of this key (paused or not)."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)
