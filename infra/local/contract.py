"""What a running stack tells its clients: `.farshore/local.json`. Every client, ours included, reads addresses from there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local import front, issuer
from infra.local.account import Account
from infra.local.home import Home, StackError
from infra.local.servers import Servers

FILE = "local.json"
TENANT = "demo"
PREFIX = "demo/"
S3_TARGET, AZURE_TARGET = "s3-backup", "azure-backup"
S3_BACKUP_BUCKET, AZURE_BACKUP_CONTAINER = "farshore-demo-backup", "demo-backup"


@dataclass(frozen=True, slots=True)
class Contract:
    """The part of local.json that our own commands use.

    Attributes:
        api: the stack's public address, by its front door.
        hooks: where a receiver of webhooks may listen on this computer; the deployment calls no other private address.
    """

    api: str
    console: str
    account: Account
    bucket: str
    prefix: str
    tenant: str
    superadmin_token: str
    owner_token: str
    targets: Mapping[str, str]
    hooks: str


def publish(home: Home, servers: Servers, account: Account, outputs: Mapping[str, str]) -> Contract:
    """Writes local.json, with tokens good for a week from now."""
    key = issuer.signing_key(home.folder / "issuer.pem")
    api = servers.front
    gateway = f"{servers.aws_endpoint}/_aws/execute-api/{outputs['ApiId']}"
    front.lead(home, gateway)
    superadmin = {"farshore/role": "superadmin", "farshore/tenants": []}
    owner = {"farshore/role": "owner", "farshore/tenants": [TENANT]}
    home.write(
        FILE,
        {
            "api": api,
            "console": f"{api}/api/v1/docs",
            "gateway": gateway,
            "houses": dict(servers.houses),
            "hooks": f"http://127.0.0.1:{(home.read('ports.json') or {})['hooks']}",
            "aws": {
                "endpoint": account.endpoint,
                "region": account.region,
                "accessKeyId": account.access_key_id,
                "secretAccessKey": account.secret_access_key,
            },
            "primaryBucket": outputs["PrimaryBucket"],
            "sourcePrefix": PREFIX,
            "tenantId": TENANT,
            "azure": {"connectionString": servers.azure_connection_string},
            "issuer": servers.issuer,
            "tokens": {
                "superadmin": issuer.mint(key, servers.issuer, "demo-superadmin", superadmin),
                "owner": issuer.mint(key, servers.issuer, "demo-owner", owner),
            },
            "targets": [
                {"name": S3_TARGET, "connector": "s3", "container": S3_BACKUP_BUCKET},
                {"name": AZURE_TARGET, "connector": "azure_blob", "container": AZURE_BACKUP_CONTAINER},
            ],
        },
    )
    return read(home)


def read(home: Home) -> Contract:
    """Raises StackError: no stack has been brought up in this folder."""
    said: Any = home.read(FILE)
    if said is None:
        raise StackError("No local stack is up here. Start one with `make run`.")
    aws = said["aws"]
    return Contract(
        api=said["api"],
        console=said["console"],
        account=Account(aws["endpoint"], aws["region"], aws["accessKeyId"], aws["secretAccessKey"]),
        bucket=said["primaryBucket"],
        prefix=said["sourcePrefix"],
        tenant=said["tenantId"],
        superadmin_token=said["tokens"]["superadmin"],
        owner_token=said["tokens"]["owner"],
        targets={target["name"]: f"{target['connector']}:{target['container']}" for target in said["targets"]},
        hooks=said.get("hooks", ""),  # what an earlier version wrote has none
    )
