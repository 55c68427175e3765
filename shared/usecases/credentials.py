"""The sealed form of an integration's credentials."""

import json
from collections.abc import Mapping

from shared.domain.integration import Integration, credentials_context
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.ports.world import Vault


def sealed_with_settings(integration: Integration, credentials: Mapping[str, str], vault: Vault) -> Sealed | None:
    """One JSON object of credentials and the settings they are for, as the next value of its field; None where nothing is
    secret and never was.

    Together, so that whoever can alter the record cannot have its credentials sent elsewhere. A record's version is never
    less than the sequence of any seal it ever had, so it goes on counting where erased credentials left off.

    Args:
        integration: as it will be written, with the seal that is to be replaced.

    Raises:
        StateUnavailable, Misconfigured
    """
    old = integration.credentials
    if not credentials and old is None:
        return None
    sequence = old.sequence + 1 if old else integration.version
    told = Secret(json.dumps({**integration.settings, **credentials}))
    return vault.seal(told, credentials_context(integration.tenant_id, integration.id, sequence))
