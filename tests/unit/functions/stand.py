"""The handlers' stand: the production container over the reference model and an SQS in memory."""

import itertools
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.domain.ids import TenantId
from shared.domain.tenant import Source, Tenant
from shared.runtime.container import Container
from shared.runtime.letters import Letters
from shared.runtime.queues import SqsJobQueue
from shared.runtime.settings import Settings
from tests.model.bucket import EPOCH
from tests.model.world import World
from tests.unit.runtime.fake_sqs import FakeSqs

_NUMBERS = itertools.count()
EVENTS = Path(__file__).resolve().parents[3] / "events"
SETTINGS = Settings(
    region="eu-west-1",
    service="stand",
    table_prefix="stand",
    events_queue_url="events",
    events_dlq_url="dead-events",
    jobs_queue_url="jobs",
    jobs_dlq_url="dead-jobs",
    refresh_queue_url="refreshes",
    refresh_dlq_url="dead-refreshes",
    deliveries_queue_url="deliveries",
    deliveries_dlq_url="dead-deliveries",
    event_bus="stand",
    cursor_secret_id="cursor",
    public_url="https://farshore.example",
    job_attempts=5,
    retry_base_seconds=10,
    retry_cap_seconds=100,
    threads=3,
)


def sample(name: str) -> dict:
    return json.loads((EVENTS / name).read_text())


def records(*bodies: str, receives: int = 1, group: str | None = None) -> dict:
    """A batch as Lambda hands it over; message n has the receipt r<n>."""
    attributes = {"ApproximateReceiveCount": str(receives)} | ({"MessageGroupId": group} if group else {})
    return {
        "Records": [
            {
                "messageId": f"m{n}",
                "receiptHandle": f"r{n}",
                "body": body,
                "attributes": attributes,
                "eventSource": "aws:sqs",
            }
            for n, body in enumerate(bodies, 1)
        ]
    }


class Context:
    aws_request_id = "request-1"
    function_name = "stand"

    def __init__(self, milliseconds: int = 120_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Stand:
    """``acme`` owns ``acme/`` of the sample events' bucket, and has the rules that a test gives it."""

    world: World = field(default_factory=World)
    sqs: FakeSqs = field(default_factory=FakeSqs)
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        world, sqs = self.world, self.sqs
        world.bucket("primary-example")
        tenant = Tenant(TenantId("acme"), "Acme", Source("s3", "primary-example", "acme/"), EPOCH)
        world.tenants.items[("acme",)] = tenant
        world.stores.tidy = lambda: None
        # Python's loggers live for ever, and Powertools' keep the standard output they were born with: one name, one test.
        self.host = Container(replace(self.settings, service=f"stand-{next(_NUMBERS)}"))
        self.host.__dict__ |= {
            "stores": world.stores,
            "jobs": SqsJobQueue(lambda: sqs, "jobs"),
            "job_letters": Letters(lambda: sqs, "jobs", "dead-jobs"),
            "event_letters": Letters(lambda: sqs, "events", "dead-events"),
            "sqs": sqs,
            "replicating": world.replicating,
            "sweeping": world.sweeping(),
            "randomness": SimpleNamespace(fraction=lambda: 0.0),
        }
        planning = replace(world.planning, queue=self.host.jobs, metrics=self.host.metrics)
        self.host.__dict__["planning"] = planning

    def buried(self, queue: str) -> list[str]:
        """The causes of what lies among the dead."""
        return [stored.attributes["cause"]["StringValue"] for stored in self.sqs.queues.get(queue, [])]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand()
    for name in ("plan", "replicate", "sweep", "api", "refresh", "notify", "deliver"):
        monkeypatch.setattr(f"functions.aws.{name}.container", lambda: made.host)
    return made
