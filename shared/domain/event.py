"""Events (hints that a key changed) and jobs (one object and target pair to make right)."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import RuleId, TargetName, TenantId
from shared.domain.sequencer import Sequencer


@dataclass(frozen=True, slots=True)
class ObjectChanged:
    """Something happened to a key. What, only the source knows.

    Attributes:
        connector: the registry's name of the store that spoke (``s3``).
        key: decoded exactly once, by the host that parsed the event.
        at: when the store says it happened, UTC.
    """

    connector: str
    bucket: str
    key: str
    at: datetime
    sequencer: Sequencer = Sequencer()


@dataclass(frozen=True, slots=True)
class Job:
    """One (object, target) pair to make right.

    Attributes:
        key: the source's whole key.
        sequencer: of the event behind the job: orders what the ledger hears, never what is copied.
        since: when the source changed, UTC; the replica's lag counts from here.
    """

    tenant_id: TenantId
    rule_id: RuleId
    target: TargetName
    key: str
    since: datetime
    sequencer: Sequencer = Sequencer()
