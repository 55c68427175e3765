"""A botocore client for one bucket's owner: credentials, time-outs, retries, checksums.

botocore is loaded on first use, and one data loader serves all clients, so that the hundredth integration of a worker costs
its credentials and a connection pool, not another parse of S3's model.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from shared.connectors.s3.refusals import speaking
from shared.connectors.s3.wire import EXPIRED, Wire, renewed

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.loaders import Loader
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 3
CONNECTIONS = 32

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Access:
    """Where S3 is and by what right we ask.

    Attributes:
        region: None lets botocore find it as it always does.
        endpoint: None means AWS, or wherever the operator points botocore (``AWS_ENDPOINT_URL``).
        access_key_id: with ``secret_access_key`` (and ``session_token``); without, the process's own rights.
        role_arn: assumed by the rights above through STS and renewed before it ends; ``external_id`` is the tenant's proof
            that we act for it (AWS IAM user guide, "The confused deputy problem").
    """

    region: str | None = None
    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    attempts: int = ATTEMPTS


@dataclass(frozen=True, slots=True)
class Connection:
    """Two ways to one bucket's service, by the same rights: botocore's client, and the short way for what is asked most."""

    client: "S3Client" = field(repr=False)
    wire: Wire = field(repr=False)

    def close(self) -> None:
        self.client.close()
        self.wire.close()


def connect(access: Access, bucket: str) -> Connection:
    """A new connection; thread-safe, to be shared. Costs no request."""
    with speaking():
        session = _session(access)
        make = cast("Callable[..., S3Client]", session.create_client)
        client = make("s3", config=_config(access), **_place(access), **_keys(access))
        client.meta.events.register("before-call.s3", _stay)
        rights = _rights(access) or session.get_credentials()
        renewing: Callable[..., Any] = partial(_renewing, rights)
        client.meta.events.register_first("needs-retry.s3", renewing)
        return Connection(
            client, Wire(client, bucket, rights, access.attempts, session.get_config_variable("ca_bundle"))
        )


def _renewing(rights: Any, response: Any = None, attempts: int = 1, **_: Any) -> float | None:
    """Has botocore try again at once, with renewed credentials, what S3 refused because the old ones ended."""
    code = response[1].get("Error", {}).get("Code") if response else None
    return 0 if attempts == 1 and code == EXPIRED and renewed(rights, rights.get_frozen_credentials()) else None


def _stay(params: dict[str, Any], **_: Any) -> None:
    """Tells botocore that it followed a redirect already.

    Else it asks wherever the answer points for the bucket's region, and a server that redirects that question too has it
    ask until the stack overflows. A bucket of another region is its integration's mistake, and told as such.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _config(access: Access) -> Any:
    from botocore.config import Config

    return Config(
        signature_version="s3v4",
        connect_timeout=access.connect_seconds,
        read_timeout=access.read_seconds,
        retries={"mode": "standard", "total_max_attempts": access.attempts},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        # Every body carries our own CRC64NVME, and every read is checked against the source's: no second pass.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": _signs_payload(access.endpoint), "us_east_1_regional_endpoint": "regional"},
    )


def _signs_payload(endpoint: str | None) -> bool:
    """Whether requests carry a SHA-256 of their body: only where neither TLS nor this machine's walls protect it.

    The signature covers the CRC64NVME header either way, so that the body is proven against accidents; what the costly hash
    adds (about 0.6 CPU seconds per GiB) is proof against a forger on an open line.
    """
    if endpoint is None:
        return False
    parts = urlsplit(endpoint)
    return parts.scheme != "https" and parts.hostname not in _LOOPBACK


def _place(access: Access) -> dict[str, str]:
    place = {"region_name": access.region, "endpoint_url": access.endpoint}
    return {name: value for name, value in place.items() if value}


def _keys(access: Access) -> dict[str, str]:
    if access.role_arn:
        return {}
    keys = {
        "aws_access_key_id": access.access_key_id,
        "aws_secret_access_key": access.secret_access_key,
        "aws_session_token": access.session_token,
    }
    return {name: value for name, value in keys.items() if value}


def _rights(access: Access, *, assumed: bool = True) -> "Credentials | None":
    """The keys that were given, unless they only serve to assume a role."""
    from botocore.credentials import Credentials

    if access.access_key_id is None or access.secret_access_key is None or (assumed and access.role_arn):
        return None
    return Credentials(access.access_key_id, access.secret_access_key, access.session_token)


@cache
def _own_session() -> "Session":
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> "Loader":
    from botocore.loaders import create_loader

    return create_loader()


def _session(access: Access) -> "Session":
    if not access.role_arn:
        return _own_session()
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader())
    session.get_component("credential_provider").providers.insert(0, _assumed(access))
    return session


def _assumed(access: Access) -> Any:
    """A credential provider that assumes the role, and again when its session ends."""
    from botocore.credentials import AssumeRoleCredentialFetcher, CredentialProvider

    from shared.connectors.s3.renewal import AssumedRole

    own = _own_session()
    arguments = {"RoleSessionName": "farshore"} | ({"ExternalId": access.external_id} if access.external_id else {})
    # Where this process is at home: its own account may not have switched on the region of somebody else's bucket.
    region = own.get_config_variable("region") or access.region
    place: dict[str, Any] = {"region_name": region} if region else {}

    def fetcher() -> Any:
        return AssumeRoleCredentialFetcher(
            client_creator=partial(own.create_client, **place),
            source_credentials=_rights(access, assumed=False) or own.get_credentials(),
            role_arn=access.role_arn or "",
            extra_args=arguments,
        ).fetch_credentials

    class Provider(CredentialProvider):
        METHOD = "assume-role"

        def load(self) -> AssumedRole:
            return AssumedRole(fetcher)

    return Provider()
