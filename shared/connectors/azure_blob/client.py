"""Opens the SDK's client for one container, with bounded retries, time-outs and one connection pool."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.storage.blob import ContainerClient, LinearRetry

from shared.connectors.azure_blob.transport import Urllib3Transport
from shared.domain.errors import Misconfigured

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
_RETRIES = 2
_BACKOFF_SECONDS = 0.4
_SINGLE_GET = 256 << 20
"""The SDK asks for a range in one request up to this size; ranges are ours to choose."""


class TokenCredential(Protocol):
    """azure-core's credential, as far as it is used (``azure_identity.WorkloadIdentity`` is one)."""

    def get_token(self, *scopes: str, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """How to reach an account: ``connection_string``, or ``account_url`` with at most one of the others. Secret."""

    connection_string: str | None = None
    account_url: str | None = None
    account_key: str | None = None
    sas_token: str | None = None
    credential: TokenCredential | None = None


def open_container(login: Login, container: str, *, connections: int, timeouts: tuple[float, float]) -> ContainerClient:
    """The container's client. Costs no request. ``timeouts``: seconds to connect, and between two packets.

    Raises:
        Misconfigured: the login is incomplete, contradictory or malformed.
    """
    options = _options(connections, timeouts)
    try:
        if login.connection_string:
            return ContainerClient.from_connection_string(login.connection_string, container, **options)
        if not login.account_url:
            raise Misconfigured("an Azure account needs a connection string or an account URL")
        return ContainerClient(login.account_url, container, credential=_credential(login), **options)
    except (ValueError, TypeError):
        # from None: the SDK's message may quote what it was given
        raise Misconfigured("the Azure account's URL, connection string or credential is malformed") from None


def account_key(client: ContainerClient) -> str | None:
    """The account's key, if the client signs with one."""
    return getattr(client.credential, "account_key", None)


def service_of(client: ContainerClient) -> str:
    """Names the account for ``stamp.origin_of``: its endpoint without credentials, the same for every way to log in."""
    parts = urlsplit(client.primary_endpoint)
    path = parts.path.rstrip("/").rpartition("/")[0]
    return f"azure:{parts.scheme}://{parts.netloc.lower()}{path}"


def _credential(login: Login) -> Any:
    given = [entry for entry in (login.account_key, login.sas_token, login.credential) if entry]
    if len(given) > 1:
        raise Misconfigured("give an Azure account one of: key, SAS token, credential")
    if login.sas_token:
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(login.sas_token.lstrip("?"))
    return _named_key(login) if login.account_key else login.credential


def _named_key(login: Login) -> Mapping[str, str]:
    """The key with its account's name: from the host (``name.blob.core...``) or, for an emulator, the path."""
    parts = urlsplit(login.account_url or "")
    name = parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
    return {"account_name": name, "account_key": login.account_key or ""}


def _options(connections: int, timeouts: tuple[float, float]) -> dict[str, Any]:
    connect, read = timeouts
    return {
        "transport": Urllib3Transport(connections=connections, connect_timeout=connect, read_timeout=read),
        "retry_policy": LinearRetry(_BACKOFF_SECONDS, _RETRIES, random_jitter_range=0),  # type: ignore[arg-type]  # sleeps fractions too
        "permit_redirects": False,
        "max_single_get_size": _SINGLE_GET,
        "max_single_put_size": _SINGLE_GET,
        "logging_enable": False,
    }
