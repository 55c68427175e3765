"""The providers that the demo's administrator makes available: Farshore's presets, the OAuth ones led to the simulated houses."""

from collections.abc import Iterator

from infra.local.home import Home
from infra.local.providers import clients, settled
from infra.local.servers import Servers
from shared.domain.audit import Actor
from shared.domain.errors import AlreadyExists
from shared.domain.secret import Secret
from shared.usecases.providers import Administration, ProviderChanges, add_provider

CREDENTIALS = ("s3", "azure-blob")
"""Those that are connected by credentials, not by consent."""

type Offer = tuple[str, ProviderChanges, Secret[str] | None]


def offer(home: Home, servers: Servers, actor: Actor, world: Administration) -> None:
    """Adds those that are not there yet."""
    for preset, changes, secret in _offers(home, servers):
        try:
            add_provider(changes, secret, actor, world, preset)
        except AlreadyExists:
            continue


def _offers(home: Home, servers: Servers) -> Iterator[Offer]:
    registered = clients.registered(home, servers.front)
    for house, slugs in clients.SLUGS.items():
        client = registered[house]
        for slug in slugs:
            yield slug, _at(slug, servers.houses[house], client.id), Secret(client.secret)
    for slug in CREDENTIALS:
        yield slug, ProviderChanges(), None


def _at(slug: str, base: str, client_id: str) -> ProviderChanges:
    endpoints, issuer = settled.endpoints_at(slug, base)
    return ProviderChanges(
        client_id=client_id,
        auth_url=endpoints.authorize,
        token_url=endpoints.token,
        revoke_url=endpoints.revoke,
        user_info_url=endpoints.user_info,
        issuer=issuer,
    )
