"""Tries an integration's credentials out on the store itself."""

from shared.domain.integration import Integration
from shared.ports.stores import Stores


class StoreProbes:
    """ports.oauth.Probes over the stores that replication opens."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def reach(self, integration: Integration) -> None:
        """Lists one object of the integration's container. One call, and what signing in costs.

        Raises:
            StoreError, SealBroken, Misconfigured, StateUnavailable
        """
        self._stores.target(integration).list(limit=1)
