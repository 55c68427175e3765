"""Azure by an identity of Microsoft Entra: without a stored secret, or as a service principal with one.

Without: the worker's own cloud signs a short-lived JWT (AWS: ``sts:GetWebIdentityToken``); Microsoft Entra trusts its issuer,
subject and audience as a federated identity credential and answers with an access token (Microsoft identity platform, "Client
credentials flow with a federated credential"). Nothing at rest could be stolen. With: the same flow, proved by the
application's client secret.
"""

import json
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from shared.connectors.transfer.faults import Fault, fault
from shared.domain.errors import CredentialsRefused, Misconfigured, StoreError, StoreUnavailable
from shared.domain.secret import Secret

if TYPE_CHECKING:
    import urllib3

PUBLIC_CLOUD = "https://login.microsoftonline.com"
AUDIENCE = "api://AzureADTokenExchange"
"""What Entra expects as the assertion's one audience."""

SCOPE = "https://storage.azure.com/.default"
"""The only thing tokens are asked for. azure-core lets an endpoint's challenge name another resource; ours may not."""

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_DIRECTORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}\Z")
_EARLY_SECONDS = 300.0
_YOUNG_SECONDS = 10.0
_TIMEOUT_SECONDS = 10.0
_ASSERTION_SECONDS = 300
_LONGEST_ANSWER = 64 * 1024
_STATEMENT_UNKNOWN_YET = "70021"
"""AADSTS70021 and, naming what does not match, 700211, 700213, 7002138 and so on: no federated credential matches. For
minutes after one was made this passes by itself."""

_CODES: Mapping[str, Fault] = {
    "invalid_client": CredentialsRefused,
    "invalid_grant": CredentialsRefused,
    "invalid_request": CredentialsRefused,
    "invalid_resource": CredentialsRefused,
    "invalid_scope": CredentialsRefused,
    "unauthorized_client": CredentialsRefused,
    "temporarily_unavailable": StoreUnavailable,
}


class AccessToken(NamedTuple):
    """azure-core's shape of a token. ``expires_on``: seconds since the epoch. Its repr hides the token."""

    token: str
    expires_on: int

    def __repr__(self) -> str:
        return f"AccessToken(expires_on={self.expires_on})"


class WebIdentityClient(Protocol):
    """The one call of boto3's regional STS client that is used."""

    def get_web_identity_token(self, **options: Any) -> Mapping[str, Any]: ...


def aws_assertion(sts: WebIdentityClient) -> Callable[[], str]:
    """Statements signed by AWS for this worker's role; RS256, the only algorithm Entra takes.

    The account must have outbound web identity federation enabled, and the role ``sts:GetWebIdentityToken``.
    """

    def signed() -> str:
        answer = sts.get_web_identity_token(
            Audience=[AUDIENCE], SigningAlgorithm="RS256", DurationSeconds=_ASSERTION_SECONDS
        )
        return str(answer["WebIdentityToken"])

    return signed


class EntraIdentity(ABC):
    """An azure-core ``TokenCredential``. Thread-safe: one exchange at a time, its token shared until shortly before its end."""

    def __init__(self, *, tenant_id: str, client_id: str, authority: str, now: Callable[[], float]) -> None:
        self._url = f"{_safe(authority)}/{_well_formed(tenant_id)}/oauth2/v2.0/token"
        self._client_id = _well_formed(client_id)
        self._now = now
        self._tokens: dict[str, AccessToken] = {}
        self._made: dict[str, float] = {}
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client_id={self._client_id!r})"

    @abstractmethod
    def _proof(self) -> Mapping[str, str]:
        """What of a token request says that it is us."""

    def get_token(self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_: Any) -> AccessToken:
        """A token for these scopes.

        Args:
            claims: a resource's demand for a new one, passed on and never answered from memory.
            tenant_id: azure-core names it only when a resource answered 401 to the token it was shown. That token is then
                replaced, unless it is so new that another thread just did so. Which directory we ask is never a resource's
                to say.

        Raises:
            CredentialsRefused: Entra does not accept the statement, or the identity lacks the scope, or another one than
                ``SCOPE`` was asked for.
            Throttled, StoreUnavailable: it did not answer, or not now.
        """
        scope = " ".join(scopes)
        if scope != SCOPE:
            raise CredentialsRefused("the endpoint asks for a token that is not for Azure Storage")
        with self._lock:
            known = self._tokens.get(scope)
            refused = tenant_id is not None and self._now() - self._made.get(scope, 0.0) > _YOUNG_SECONDS
            if known is None or claims or refused or known.expires_on - _EARLY_SECONDS <= self._now():
                known = self._tokens[scope] = self._exchange(scope, claims)
                self._made[scope] = self._now()
            return known

    def close(self) -> None:
        """Lets go of connections. Idempotent."""
        if self._pool is not None:
            self._pool.clear()

    def _exchange(self, scope: str, claims: str | None) -> AccessToken:
        form = {"grant_type": "client_credentials", "client_id": self._client_id, "scope": scope, **self._proof()}
        started = self._now()
        status, headers, body = self._post(form | ({"claims": claims} if claims else {}))
        answer = _object(body)
        if status != 200:
            raise _refusal(status, headers, answer)
        return _token(answer, started)

    def _post(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """One request; no redirect is followed, so the statement reaches nobody else."""
        import urllib3

        self._pool = self._pool or urllib3.PoolManager(retries=False, timeout=_TIMEOUT_SECONDS)
        try:
            answer = self._pool.request(
                "POST", self._url, fields=dict(form), encode_multipart=False, redirect=False, preload_content=False
            )
            try:
                return answer.status, answer.headers, answer.read(_LONGEST_ANSWER)
            finally:
                answer.release_conn()
        except urllib3.exceptions.HTTPError:
            raise StoreUnavailable("entra did not answer") from None


class WorkloadIdentity(EntraIdentity):
    """Who we are by a statement of our own cloud.

    Args:
        tenant_id: the directory, by id or domain.
        client_id: the application or managed identity that trusts the statement.
        assertion: makes a fresh signed statement; called once per exchange.
        authority: of the cloud; https, unless on this computer.
        now: seconds since the epoch.

    Raises:
        Misconfigured: an argument is malformed.
    """

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        assertion: Callable[[], str],
        authority: str = PUBLIC_CLOUD,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(tenant_id=tenant_id, client_id=client_id, authority=authority, now=now)
        self._assertion = assertion

    def _proof(self) -> Mapping[str, str]:
        return {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion()}


class ServicePrincipal(EntraIdentity):
    """Who we are by an application's client secret. Arguments and errors as ``WorkloadIdentity`` has them."""

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        secret: Secret[str],
        authority: str = PUBLIC_CLOUD,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(tenant_id=tenant_id, client_id=client_id, authority=authority, now=now)
        self._secret = secret

    def _proof(self) -> Mapping[str, str]:
        return {"client_secret": self._secret.reveal()}


def _token(answer: Mapping[str, Any], started: float) -> AccessToken:
    token, life, kind = answer.get("access_token"), answer.get("expires_in"), answer.get("token_type")
    try:
        seconds = int(life or 0)
    except (TypeError, ValueError):
        seconds = 0
    if not (isinstance(token, str) and token and str(kind).lower() == "bearer" and seconds > 0):
        raise StoreUnavailable("entra answered something that is not a token")
    return AccessToken(token, int(started) + seconds)


def _refusal(status: int, headers: Mapping[str, str], answer: Mapping[str, Any]) -> StoreError:
    codes = answer.get("error_codes")
    if isinstance(codes, list) and any(str(code).startswith(_STATEMENT_UNKNOWN_YET) for code in codes):
        return StoreUnavailable("entra knows no federated credential for this worker yet")
    return fault("entra", status, str(answer.get("error", "")), codes=_CODES, after=headers.get("Retry-After"))


def _object(body: bytes) -> Mapping[str, Any]:
    """The answer's JSON object; an empty one for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _well_formed(value: str) -> str:
    if not _DIRECTORY.match(value):
        raise Misconfigured("an Entra tenant and client are named by id or domain")
    return value


def _safe(authority: str) -> str:
    parts = urlsplit(authority)
    here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or parts.scheme not in ({"https", "http"} if here else {"https"}):
        raise Misconfigured("an Entra authority is an https URL")
    return authority.rstrip("/")
