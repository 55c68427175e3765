"""The local stack, in a folder of its own, with a tenant for measurements whose source is a plain folder served as S3.

The functions' own handlers run in children, on the stack's tables, queues and keys; only S3 is elsewhere
(``AWS_ENDPOINT_URL_S3``), so that a source of 5 GiB takes no memory and nothing deployed races with what is measured.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.storage.blob import BlobServiceClient

from infra.local import contract, servers
from infra.local.emulators import ROOT
from infra.local.home import Home
from infra.local.operate import function_environment
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.runtime.container import Container
from shared.runtime.settings import settings_from
from shared.usecases import provision
from tests.bench.servers import BUCKET

HOME = Home(ROOT / ".farshore" / "bench")
TENANT = TenantId("bench")
SMALL_PREFIX, LARGE_PREFIX = "bench/small/", "bench/large/"
AZURE, AWS = TargetName("azure"), TargetName("aws")
BACKUP = "bench-backup"
_WHO = "make bench"


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up. ``environment`` is a function's own, with ``queue`` in place of the deployed jobs queue."""

    contract: contract.Contract
    environment: Mapping[str, str]
    queue: str


@contextmanager
def running() -> Iterator[Stack]:
    """Brings the stack up anew, and forgets it at the end."""
    _command("reset")
    try:
        _command("up", "--detach", "--parameter", "SweepSchedule=rate(7 days)")
        here = contract.read(HOME)
        queue = here.account.client("sqs").create_queue(QueueName="bench-jobs")["QueueUrl"]
        environment = {
            **function_environment(here.account),
            **here.account.environment(),
            "FARSHORE_JOBS_QUEUE_URL": queue,
        }
        yield Stack(here, environment, queue)
    finally:
        _command("reset")


def provide(stack: Stack) -> None:
    """Adds the tenant: small objects go to both clouds, large ones to Azure."""
    before = dict(os.environ)
    os.environ.update(stack.environment)
    try:
        world = Container(settings_from(os.environ)).provisioning
        now = datetime.now(UTC)
        provision.add_tenant(Tenant(TENANT, "Bench", Source("s3", BUCKET, "bench/"), now), _WHO, world)
        _azure(world, now)
        _aws(world, now, stack)
        for number, (target, prefix) in enumerate(
            ((AZURE, "bench/"), (AWS, SMALL_PREFIX)),
        ):
            to = Target(target, IntegrationId(target))
            provision.add_rule(Rule(RuleId(f"rule-{number}"), TENANT, to, now, prefix=prefix), _WHO, world)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _azure(world: provision.Provisioning, now: datetime) -> None:
    running_servers = servers.running(HOME)
    assert running_servers is not None
    connection = running_servers.azure_connection_string
    with BlobServiceClient.from_connection_string(connection) as service:
        service.create_container(BACKUP)
    made = Integration(
        IntegrationId(AZURE), TENANT, "Azure", "azure_blob", "connection_string", BACKUP, now, now, status="active"
    )
    provision.add_integration(made, {"connectionString": connection}, _WHO, world)


def _aws(world: provision.Provisioning, now: datetime, stack: Stack) -> None:
    account = stack.contract.account
    account.client("s3").create_bucket(Bucket=BACKUP)
    made = Integration(
        id=IntegrationId(AWS),
        tenant_id=TENANT,
        name="AWS",
        connector="s3",
        auth_type="access_key",
        container=BACKUP,
        created_at=now,
        updated_at=now,
        settings={"endpoint": account.endpoint, "region": account.region},
    )
    keys = {"accessKeyId": account.access_key_id, "secretAccessKey": account.secret_access_key}
    provision.add_integration(made, keys, _WHO, world)


def _command(*arguments: str) -> None:
    command = [sys.executable, "-m", "infra.local", "--home", str(HOME.folder), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the local stack: {arguments[0]} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
