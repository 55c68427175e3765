"""A small Farshore for security tests: the production handlers and container, on emulators, with a tenant or two.

MiniStack (no AUTH: any keys will do, so they can be canaries) is AWS over real HTTP, Azurite is Azure. Queue messages go through
the real queues; the Lambda service is played here: it hands them to the handlers as Lambda does.
"""

import contextlib
import itertools
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
import pytest
from azure.storage.blob import BlobServiceClient

import shared.runtime.container as composition
from infra.local.emulators import Azurite, Emulator
from shared.domain.audit import Actor, AuditEvent
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import AuthType, Integration, credentials_context
from shared.domain.rule import Rule, Target
from shared.domain.secret import Secret
from shared.domain.tenant import Source, Tenant
from shared.runtime.container import Container
from shared.runtime.logs import LOUD
from shared.state.models import MODELS
from shared.state.tables import bound

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ATTEMPTS = 3
_NUMBERS = itertools.count(1)


class LambdaContext:
    """What handlers use of Lambda's context."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "farshore-test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:farshore-test"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


@dataclass
class Stage:
    """One fresh deployment: its own tables, queues, key and buckets."""

    emulator: Emulator
    prefix: str
    queues: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, str] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def host(self) -> Container:
        return composition.container()

    def aws(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = _client(service, self.emulator.endpoint)
        return self._clients[service]

    # ---- things --------------------------------------------------------------------------------------------------
    def tenant(self, name: str, bucket: str = "primary", prefix: str = "") -> TenantId:
        tenant = Tenant(TenantId(name), name, Source("s3", self.buckets[bucket], prefix), NOW)
        self.host.tenants.add(tenant, _event(tenant.id, "tenant.added"))
        return tenant.id

    def target(
        self,
        tenant: str,
        name: str,
        connector: str,
        container: str,
        auth_type: AuthType,
        *,
        settings: Mapping[str, str],
        secret: Mapping[str, object],
    ) -> Integration:
        """An integration with sealed credentials, and a rule that sends everything there."""
        context = credentials_context(TenantId(tenant), IntegrationId(name), 1)
        sealed = self.host.vault.seal(Secret(json.dumps({**settings, **secret})), context)
        made = Integration(
            id=IntegrationId(name),
            tenant_id=TenantId(tenant),
            name=name,
            connector=connector,
            auth_type=auth_type,
            container=container,
            created_at=NOW,
            updated_at=NOW,
            settings=settings,
            credentials=sealed,
        )
        self.host.integrations.add(made, _event(tenant, "integration.added"))
        goal = Target(TargetName(name), IntegrationId(name))
        rule = Rule(RuleId(f"to-{name}"), TenantId(tenant), goal, NOW)
        self.host.rules.add(rule, _event(tenant, "rule.added"))
        return made

    def put(self, key: str, body: bytes) -> None:
        self.aws("s3").put_object(Bucket=self.buckets["primary"], Key=key, Body=body, ChecksumAlgorithm="CRC64NVME")

    # ---- the Lambda service ----------------------------------------------------------------------------------------
    def plan(self, *bodies: str) -> Mapping[str, Any]:
        """Puts bodies on the events queue, and one batch of what lies there before the plan handler."""
        from functions.aws import plan

        for body in bodies:
            self.aws("sqs").send_message(QueueUrl=self.queues["events"], MessageBody=body)
        return self._deliver("events", plan.handler)

    def replicate(self, *, receives: int = 1) -> Mapping[str, Any]:
        """One batch of jobs before the replicate handler, as if each had been given out ``receives`` times."""
        from functions.aws import replicate

        return self._deliver("jobs", replicate.handler, receives=receives)

    def refresh(self) -> Mapping[str, Any]:
        """The timer's call, then one batch of due connections before the refresh handler."""
        from functions.aws import refresh

        refresh.handler({}, LambdaContext())
        return self._deliver("refresh", refresh.handler)

    def notify(self) -> Mapping[str, Any]:
        """The audit table's stream before the notify handler: every entry there is, in its order."""
        from functions.aws import notify

        table = f"{self.prefix}-audit"
        rows = sorted(self.aws("dynamodb").scan(TableName=table)["Items"], key=lambda row: row["id"]["S"])
        images = [
            {"dynamodb": {"NewImage": row, "Keys": {"id": row["id"]}, "SequenceNumber": str(number)}}
            for number, row in enumerate(rows)
        ]
        answer: Mapping[str, Any] = notify.handler({"Records": images}, LambdaContext())
        return answer

    def deliver(self, *, receives: int = 1) -> Mapping[str, Any]:
        """One batch of deliveries before the deliver handler."""
        from functions.aws import deliver

        return self._deliver("deliveries", deliver.handler, receives=receives)

    def _deliver(self, queue: str, handler: Any, *, receives: int = 1) -> Mapping[str, Any]:
        found = self.messages(queue)
        if not found:  # Lambda does not call a function for nothing
            return {"back": set(), "given": []}
        records = [_record(message, receives) for message in found]
        answer: Mapping[str, Any] = handler({"Records": records}, LambdaContext())
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in found:
            if message["MessageId"] not in back:
                self.aws("sqs").delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return {"back": back, "given": [message["MessageId"] for message in found]}

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """What lies on a queue, taken out of sight for a while."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.aws("sqs").receive_message(
                QueueUrl=self.queues[queue],
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]

    def forget(self, *queues: str) -> None:
        """Empties queues."""
        for queue in queues:
            self.aws("sqs").purge_queue(QueueUrl=self.queues[queue])

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Every item of every table, as stored."""
        tables = (bound(model, self.host.tables).Meta.table_name for model in MODELS)
        return [item for table in tables for item in self.aws("dynamodb").scan(TableName=table)["Items"]]


def _event(tenant: str, action: str) -> AuditEvent:
    return AuditEvent(tenant, NOW, Actor("stage"), action, "stage")


def _record(message: Mapping[str, Any], receives: int) -> Mapping[str, Any]:
    attributes = message.get("Attributes", {}) | {"ApproximateReceiveCount": str(receives)}
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    }


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@contextlib.contextmanager
def stage(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Iterator[Stage]:
    """Makes a deployment and tells the handlers of it by environment variables, as Lambda does."""
    prefix = f"sec{os.getpid()}x{next(_NUMBERS)}"
    made = Stage(emulator, prefix)
    key = made.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    for name in ("events", "events-dlq", "jobs", "jobs-dlq", "refresh", "refresh-dlq", "deliveries", "deliveries-dlq"):
        answer = made.aws("sqs").create_queue(QueueName=f"{prefix}-{name}", Attributes={"VisibilityTimeout": "60"})
        made.queues[name] = answer["QueueUrl"]
    made.aws("events").create_event_bus(Name=prefix)
    for name in ("primary", "backup"):
        made.buckets[name] = f"{prefix}-{name}"
        made.aws("s3").create_bucket(Bucket=made.buckets[name])
    versioned = {"Status": "Enabled"}  # as template.yaml makes it; without versions no signed URL is made
    made.aws("s3").put_bucket_versioning(Bucket=made.buckets["primary"], VersioningConfiguration=versioned)
    variables = {
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ROLE-ACCESS-KEY",
        "AWS_SECRET_ACCESS_KEY": "role-secret-access-key",
        "FARSHORE_TABLE_PREFIX": prefix,
        "FARSHORE_KEY_ID": key,
        "FARSHORE_EVENTS_QUEUE_URL": made.queues["events"],
        "FARSHORE_EVENTS_DLQ_URL": made.queues["events-dlq"],
        "FARSHORE_JOBS_QUEUE_URL": made.queues["jobs"],
        "FARSHORE_JOBS_DLQ_URL": made.queues["jobs-dlq"],
        "FARSHORE_REFRESH_QUEUE_URL": made.queues["refresh"],
        "FARSHORE_REFRESH_DLQ_URL": made.queues["refresh-dlq"],
        "FARSHORE_DELIVERIES_QUEUE_URL": made.queues["deliveries"],
        "FARSHORE_DELIVERIES_DLQ_URL": made.queues["deliveries-dlq"],
        "FARSHORE_EVENT_BUS": prefix,
        "FARSHORE_PUBLIC_URL": "https://farshore.example",
        "FARSHORE_JOB_ATTEMPTS": str(ATTEMPTS),
        "FARSHORE_RETRY_BASE_SECONDS": "0.01",
        "FARSHORE_LOG_LEVEL": "DEBUG",
        "POWERTOOLS_METRICS_NAMESPACE": "Farshore",
    }
    for name, value in (variables | environment).items():
        monkeypatch.setenv(name, value)
    composition.container.cache_clear()
    try:
        with _levels_kept():
            for model in MODELS:
                bound(model, made.host.tables).create_table(billing_mode="PAY_PER_REQUEST")
            yield made
            made.host.stores.close()
    finally:
        composition.container.cache_clear()


@contextlib.contextmanager
def _levels_kept() -> Iterator[None]:
    """The container pins libraries' loggers for the life of the process; other tests shall not notice."""
    before = {name: logging.getLogger(name).level for name in (*LOUD, *logging.Logger.manager.loggerDict)}
    try:
        yield
    finally:
        for name in (*LOUD, *logging.Logger.manager.loggerDict):
            logging.getLogger(name).setLevel(before.get(name, logging.NOTSET))


def container_of(azurite: Azurite, name: str) -> str:
    """A fresh container in Azurite."""
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container(name)
    return name
