"""The sealed form of an integration's credentials."""

import json
from collections.abc import Mapping

from shared.domain.integration import Integration, credentials_context
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.ports.world import Vault


def sealed_with_settings(integration: Integration, credentials: Mapping[str, str], vault: Vault) -> Sealed | None:
    """One JSON object of credentials and the settings they are for, as the next value of its field; None if there are none.

    Together, so that whoever can alter the record cannot have its credentials sent elsewhere.

    Raises:
        StateUnavailable, Misconfigured
    """
    if not credentials:
        return None
    sequence = integration.credentials.sequence + 1 if integration.credentials else 1
    told = Secret(json.dumps({**integration.settings, **credentials}))
    return vault.seal(told, credentials_context(integration.tenant_id, integration.id, sequence))
