"""The demo tenant: its two backups, the integrations that reach them, its rules; and the providers it is offered, of which the
simulated houses are some. Made through Farshore's own use cases.

Its S3 backup is reached as a customer's would be: by assuming a role of the customer's, with an external id. Its Azure backup
is reached with a connection string, which is sealed like any other secret.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from infra.local.account import Account
from infra.local.contract import AZURE_BACKUP_CONTAINER, AZURE_TARGET, PREFIX, S3_BACKUP_BUCKET, S3_TARGET, TENANT
from infra.local.home import Home
from infra.local.offers import offer
from infra.local.operate import function_environment
from infra.local.servers import Servers
from shared.domain.audit import Actor
from shared.domain.errors import Conflict
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.runtime.container import Container
from shared.runtime.settings import settings_from
from shared.usecases import provision

ROLE = "farshore-target-demo"
SEEDED = "demo.json"
TRUST = "trust.json"
_ACTOR = Actor("make run")


def seed(home: Home, account: Account, servers: Servers, outputs: Mapping[str, str]) -> None:
    """Makes what of the demo is not there yet. Nothing at all if it was all made for this very deployment."""
    wanted = {"bucket": outputs["PrimaryBucket"], "key": outputs["KeyId"], "houses": dict(servers.houses)}
    if home.read(SEEDED) == wanted:
        return
    external_id = _external_id(home)
    role = _s3_backup(account, outputs["PrimaryBucket"], external_id)
    _azure_backup(servers)
    settings = {**function_environment(account), "AWS_REGION": account.region}
    with _signed_in(account):
        host = Container(settings_from(settings))
        offer(home, servers, _ACTOR, host.administration)
        _tenant(host.provisioning, outputs["PrimaryBucket"])
        for integration, credentials in (
            (_s3(role), {"externalId": external_id}),
            (_azure(), {"connectionString": servers.azure_connection_string}),
        ):
            _integration(host, integration, credentials)
        for target in (S3_TARGET, AZURE_TARGET):
            _rule(host.provisioning, target)
    home.write(SEEDED, wanted)


def _external_id(home: Home) -> str:
    """Chosen once and kept before it is used: a run that was broken off half-way has sealed it already."""
    kept = home.read(TRUST) or {"externalId": secrets.token_urlsafe(24)}
    home.write(TRUST, kept)
    return str(kept["externalId"])


def _s3_backup(account: Account, primary: str, external_id: str) -> str:
    """The bucket, and the role that may write to it (and read the primary, so that S3 can copy by itself); its ARN."""
    s3, iam = account.client("s3"), account.client("iam")
    _unless_there(lambda: s3.create_bucket(Bucket=S3_BACKUP_BUCKET))
    s3.put_bucket_versioning(Bucket=S3_BACKUP_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    owner = account.client("sts").get_caller_identity()["Account"]
    trust = _policy(
        Effect="Allow",
        Principal={"AWS": f"arn:aws:iam::{owner}:root"},
        Action="sts:AssumeRole",
        Condition={"StringEquals": {"sts:ExternalId": external_id}},
    )
    _unless_there(lambda: iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust))
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust)
    backup, source = f"arn:aws:s3:::{S3_BACKUP_BUCKET}", f"arn:aws:s3:::{primary}"
    objects = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    may = _policies(
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"], "Resource": backup},
        {"Effect": "Allow", "Action": objects, "Resource": f"{backup}/*"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"{source}/{PREFIX}*"},
    )
    iam.put_role_policy(RoleName=ROLE, PolicyName="backup", PolicyDocument=may)
    return str(iam.get_role(RoleName=ROLE)["Role"]["Arn"])


def _azure_backup(servers: Servers) -> None:
    with BlobServiceClient.from_connection_string(servers.azure_connection_string) as service:
        try:
            service.create_container(AZURE_BACKUP_CONTAINER)
        except ResourceExistsError:
            return


def _tenant(world: provision.Provisioning, bucket: str) -> None:
    tenant = Tenant(TenantId(TENANT), "Demo", Source("s3", bucket, PREFIX), datetime.now(UTC))
    _unless_there(lambda: provision.add_tenant(tenant, _ACTOR, world))


def _s3(role: str) -> Integration:
    return _made(S3_TARGET, "s3", "iam_role", S3_BACKUP_BUCKET, {"roleArn": role})


def _azure() -> Integration:
    return _made(AZURE_TARGET, "azure_blob", "connection_string", AZURE_BACKUP_CONTAINER, {})


def _made(name: str, connector: str, auth_type: Any, container: str, settings: Mapping[str, str]) -> Integration:
    now, tenant = datetime.now(UTC), TenantId(TENANT)
    return Integration(
        IntegrationId(name),
        tenant,
        name,
        connector,
        auth_type,
        container,
        now,
        now,
        settings,
        created_by=_ACTOR.subject,
    )


def _integration(host: Container, integration: Integration, credentials: Mapping[str, str]) -> None:
    provider = host.providers.by_slug(integration.connector.replace("_", "-"))
    tied = replace(integration, provider_id=provider.id if provider else None)
    _unless_there(lambda: provision.add_integration(tied, credentials, _ACTOR, host.provisioning))


def _rule(world: provision.Provisioning, target: str) -> None:
    to = Target(TargetName(target), IntegrationId(target))
    rule = Rule(RuleId(f"to-{target}"), TenantId(TENANT), to, datetime.now(UTC))
    _unless_there(lambda: provision.add_rule(rule, _ACTOR, world))


def _unless_there(make: Callable[[], Any]) -> None:
    """An earlier run may have been broken off half-way: what it made is as good."""
    from botocore.exceptions import ClientError

    try:
        make()
    except Conflict:
        return
    except ClientError as refused:
        if refused.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "EntityAlreadyExists"):
            raise


@contextmanager
def _signed_in(account: Account) -> Iterator[None]:
    """Farshore's container finds AWS as a function does: through the process's environment."""
    before = dict(os.environ)
    os.environ.update(account.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _policy(**statement: Any) -> str:
    return _policies(statement)


def _policies(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
