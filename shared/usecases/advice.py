"""What a person should do about a connection, by the reason that its record gives."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.domain.errors import (
    CredentialsRefused,
    GrantExpired,
    GrantRevoked,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    RefreshInterrupted,
    ScopeMissing,
    SealBroken,
    StateUnavailable,
    TokenExpired,
)
from shared.domain.integration import Integration
from shared.usecases.disconnect import DISCONNECTED, UNREVOKED
from shared.usecases.landing import UNRENEWABLE

_RECONNECT = "Connect it again."
_OPERATOR = "Nothing you can do: whoever runs this service has been told."
_WAIT = "Nothing: it is tried again by itself."

_BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        GrantRevoked.code: "Access was withdrawn at the provider. Connect it again.",
        GrantExpired.code: "It was not used, or kept, for too long. Connect it again.",
        RefreshInterrupted.code: "A renewal broke off half-way. Connect it again; nothing was lost but the sign-in.",
        TokenExpired.code: _RECONNECT,
        ScopeMissing.code: "Connect it again, and allow everything that the provider asks about.",
        PolicyBlocked.code: "Your organisation wants an administrator to agree, or you to sign in again. Then connect it again.",
        ProviderUnavailable.code: _WAIT,
        StateUnavailable.code: _WAIT,
        ProviderMisconfigured.code: _OPERATOR,
        SealBroken.code: _OPERATOR,
        "misconfigured": _OPERATOR,
        CredentialsRefused.code: "The store refuses the credentials. Replace them, or give them the rights they lack.",
        UNRENEWABLE: "It works until its token is over. To keep it, withdraw this app in the account and connect it again.",
        DISCONNECTED: _RECONNECT,
        UNREVOKED: "Remove this app in the account's own settings at the provider. To use it again, connect it again.",
    }
)


def what_to_do(it: Integration) -> str | None:
    """A sentence or two for people; None if there is nothing to do."""
    if it.reason is not None:
        return _BY_REASON.get(it.reason, _RECONNECT)
    if it.status == "pending":
        return "Connect it: its owner has not given consent yet."
    return None if it.is_active else "It is switched off. Switch it on to use it."
