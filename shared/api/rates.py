"""How often the costly routes may be called."""

from shared.api.services import Services

_WINDOW = 60
_ACTIONS = 10
_CALLBACKS = 30


def spend_action(action: str, tenant_id: str, thing: str, services: Services) -> None:
    """Counts one use of a costly action on a thing that is there: ten a minute each. Raises TooManyRequests."""
    name = f"{action}/{tenant_id}/{thing}"
    services.limits.spend(name, most=_ACTIONS, seconds=_WINDOW, now=services.clock.now())


def spend_callback(address: str, services: Services) -> None:
    """Counts one callback from a network address: thirty a minute. Raises TooManyRequests."""
    services.limits.spend(f"callback/{address}", most=_CALLBACKS, seconds=_WINDOW, now=services.clock.now())
