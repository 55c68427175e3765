"""Authorization servers by provider. A dialect, and the client library it speaks through, is imported on first use."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from shared.domain.errors import Misconfigured
from shared.domain.provider import Dialect as DialectName
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.ports.world import Clock

if TYPE_CHECKING:
    from shared.oauth.dialect import Dialect
    from shared.oauth.server import Server
    from shared.outbound.session import Outbound

DIALECTS: Mapping[DialectName, str] = MappingProxyType(
    {"generic": "standard", "google": "google", "microsoft": "microsoft", "dropbox": "dropbox"}
)
"""Where each is found, in ``dialects``."""


class Servers:
    """Implements ``ports.oauth.AuthorizationServers``."""

    def __init__(self, http: "Outbound", clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def of(self, provider: Provider, secret: Secret[str] | None) -> "Server":
        from shared.oauth.dialect import Client
        from shared.oauth.server import Server

        if provider.endpoints is None or not provider.client_id:
            raise Misconfigured("the provider needs its endpoints and its client id")
        dialect: Dialect = import_module(f"shared.oauth.dialects.{DIALECTS[provider.dialect]}").DIALECT
        if dialect.needs_secret and secret is None:
            raise Misconfigured("the provider needs its client secret")
        return Server(
            Client(provider, provider.endpoints, provider.client_id, secret), dialect, self._http, self._clock
        )
