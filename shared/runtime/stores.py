"""Opens stores: the primary by the function's own role, backups by their integration's unsealed credentials."""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any
from weakref import WeakSet

from shared.connectors import registry
from shared.domain.errors import Misconfigured, NotSupported, SealBroken
from shared.domain.integration import Integration, credentials_context
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.domain.tenant import Source
from shared.ports.stores import SourceStore, TargetStore
from shared.ports.world import Vault
from shared.runtime.answers import speaking
from shared.usecases.forms import FORMS

_CONNECTORS_MAX = 32
_NOT_YET = frozenset({"oauth2", "user_ms_identity"})
"""Ways to sign in that are kept on record, and that no connector here can use yet."""

_CAPITAL = re.compile(r"(?<!^)([A-Z])")

type Key = tuple[str, ...]


class OpenStores:
    """Connectors by integration version and container, made once and shared. Thread-safe.

    At most ``limit`` are kept, the least recently used going first. One that goes may still be in use, so it is closed by
    ``tidy``, which the host calls when no work is under way; a sweep of thousands of tenants leaves no more in memory until then
    than are in use.
    """

    def __init__(self, vault: Vault, *, sts: Callable[[], Any] | None = None, limit: int = _CONNECTORS_MAX) -> None:
        """``sts`` (boto3's client, for integrations without a secret) is asked for when first needed."""
        self._vault = vault
        self._sts = sts
        self._limit = limit
        self._open: OrderedDict[Key, TargetStore] = OrderedDict()
        self._retired: WeakSet[TargetStore] = WeakSet()
        self._lock = Lock()

    def source(self, source: Source) -> SourceStore:
        """The primary itself, by the deployment's own rights."""
        key = ("source", source.connector, source.bucket)
        return self._get(key, lambda: self._make(source.connector, source.bucket, {}))

    def target(self, integration: Integration, container: str | None = None) -> TargetStore:
        """A tenant's backup. ``container`` overrides the integration's own.

        Raises:
            SealBroken, CredentialsRefused, Misconfigured, StateUnavailable
        """
        place = container or integration.container
        key = ("target", integration.tenant_id, integration.id, str(integration.version), place)
        return self._get(key, lambda: self._make(integration.connector, place, self._login(integration)))

    def unproven(self, integration: Integration) -> TargetStore:
        """A tenant's backup, signed in to without what Farshore gives the tenant to be known by. New; the caller closes it.

        Raises:
            as ``target``
        """
        login, ours = self._login(integration), FORMS[integration.connector, integration.auth_type].ours
        told = {name: value for name, value in login.items() if name not in {_argument(each) for each in ours}}
        return self._make(integration.connector, integration.container, told)

    def tidy(self) -> None:
        """Closes what fell out of the cache. Call it when nothing is under way."""
        with self._lock:
            retired, self._retired = list(self._retired), WeakSet()
        for store in retired:
            store.close()

    def close(self) -> None:
        """Closes everything."""
        with self._lock:
            self._retired.update(self._open.values())
            self._open.clear()
        self.tidy()

    def _get(self, key: Key, make: Callable[[], TargetStore]) -> TargetStore:
        with self._lock:  # held while making: two threads that want one store would otherwise open two
            if key not in self._open:
                self._open[key] = make()
            self._open.move_to_end(key)
            while len(self._open) > self._limit:
                self._retired.add(self._open.popitem(last=False)[1])
            return self._open[key]

    def _make(self, connector: str, container: str, login: Mapping[str, Any]) -> TargetStore:
        make = registry.load(connector)
        try:
            return make(**{**login, registry.entry(connector).container: container})
        except TypeError:  # its text could name what was given
            raise Misconfigured(f"the integration's settings do not fit the {connector} connector") from None

    def _login(self, integration: Integration) -> Mapping[str, Any]:
        """Settings and credentials as the connector's arguments, ``roleArn`` as ``role_arn``.

        Where there is a seal, what is in it counts: the settings beside it are for people to read, and whoever can alter
        them must not be able to send credentials elsewhere. Complete or refused: a connector that is given no rights would
        use this function's own.
        """
        sealed = integration.credentials
        told = integration.settings if sealed is None else self._unsealed(integration, sealed)
        if integration.auth_type in _NOT_YET or integration.connector not in registry.CONNECTORS:
            raise NotSupported("this way of signing in", integration.connector)
        form = FORMS.get((integration.connector, integration.auth_type))
        if form is None or not form.needs <= {name for name, value in told.items() if value}:
            raise Misconfigured("the integration lacks what its way of signing in needs; connect it again")
        login = {_argument(name): value for name, value in told.items()}
        match integration.auth_type:
            case "workload_identity":
                return self._federated(login)
            case "service_principal":
                return _principal(login)
        return login

    def _federated(self, login: Mapping[str, Any]) -> Mapping[str, Any]:
        """A sign-in without a secret: a credential in place of the names it is made from."""
        from shared.connectors.azure_identity import WorkloadIdentity, aws_assertion

        if self._sts is None:
            raise Misconfigured("this host cannot prove who it is to another cloud")
        signed, named = aws_assertion(self._sts()), dict(login)
        directory, client = named.pop("directory_id"), named.pop("client_id")

        def assertion() -> str:
            with speaking("the token service"):
                return signed()

        return {**named, "credential": WorkloadIdentity(tenant_id=directory, client_id=client, assertion=assertion)}

    def _unsealed(self, integration: Integration, sealed: Sealed) -> Mapping[str, Any]:
        context = credentials_context(integration.tenant_id, integration.id, sealed.sequence)
        opened = self._vault.open(sealed, context)
        try:
            credentials = json.loads(opened.reveal())
        except ValueError:
            raise SealBroken from None
        if not isinstance(credentials, dict):
            raise SealBroken
        return credentials


def _argument(name: str) -> str:
    return _CAPITAL.sub(r"_\1", name).lower()


def _principal(login: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sign-in as an application: a credential in place of the names and the secret it is made from."""
    from shared.connectors.azure_identity import ServicePrincipal

    named = dict(login)
    directory, client, secret = (named.pop(name) for name in ("directory_id", "client_id", "client_secret"))
    return {**named, "credential": ServicePrincipal(tenant_id=directory, client_id=client, secret=Secret(secret))}
