"""What the ledger knows of one object on one target."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.ids import RuleId, TargetName, TenantId
from shared.domain.objects import Checksums, Route, Tag
from shared.domain.sequencer import Sequencer

type ReplicaStatus = Literal["pending", "copying", "replicated", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a replica is not right yet: a stable code and a sentence fit for its tenant's eyes."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Replica:
    """One row of the ledger. A memory, never an authority: the target's own stamp is the truth.

    Attributes:
        source_version: ``ObjectHead.version`` of what was last verified on the target; None before.
        source_tag: the source's tag then, and
        target_tag: the target's: what a listing shows of both, so that a sweep can tell that nothing moved.
        route: how the bytes went; None before the first copy.
        lag_seconds: from the source's change to the verified copy.
        attempts: made since it was last right.
        bytes_done: of ``size``, while copying.
        failure: of the last attempt, if it failed.
    """

    tenant_id: TenantId
    source_key: str
    target: TargetName
    rule_id: RuleId
    status: ReplicaStatus
    updated_at: datetime
    sequencer: Sequencer = Sequencer()
    source_version: str | None = None
    source_tag: Tag | None = None
    target_tag: Tag | None = None
    size: int | None = None
    checksums: Checksums = Checksums()
    route: Route | None = None
    lag_seconds: float | None = None
    attempts: int = 0
    bytes_done: int | None = None
    failure: Failure | None = None
    replicated_at: datetime | None = None
