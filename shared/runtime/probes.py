"""Tries an integration's credentials out on the store itself."""

from typing import Protocol

from shared.domain.errors import CredentialsRefused
from shared.domain.integration import Integration
from shared.ports.stores import Stores, TargetStore


class Doors(Stores, Protocol):
    def unproven(self, integration: Integration) -> TargetStore:
        """The integration's container, signed in to without what Farshore gives the tenant to be known by; new, to be closed."""
        ...


class StoreProbes:
    """ports.oauth.Probes over the stores that replication opens."""

    def __init__(self, stores: Doors) -> None:
        self._stores = stores

    def reach(self, integration: Integration) -> None:
        """Lists one object of the integration's container. One call, and what signing in costs.

        Raises:
            StoreError, SealBroken, Misconfigured, StateUnavailable
        """
        self._stores.target(integration).list(limit=1)

    def guarded(self, integration: Integration) -> bool:
        """Tries the same without the external id. Two calls."""
        store = self._stores.unproven(integration)
        try:
            store.list(limit=1)
        except CredentialsRefused:
            return True
        finally:
            store.close()
        return False
