"""The applications that this stack registered at the simulated houses. Their secrets are made once for each stack."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from infra.local.home import Home
from infra.local.providers.house import Client
from infra.local.providers.simulator import HOUSES, simulator

FILE = "providers.json"
SLUGS: Mapping[str, tuple[str, ...]] = {
    "dropbox": ("dropbox",),
    "google": ("google-drive",),
    "microsoft": ("onedrive", "sharepoint"),
    "box": ("box",),
}
"""Which of Farshore's providers a house stands behind."""


def registered(home: Home, public_url: str) -> Mapping[str, Client]:
    """Each house's client, with the redirect URIs of a Farshore at that address."""
    kept = home.read(FILE) or {}
    made = {name: kept.get(name) or _client(name) for name in HOUSES}
    if made != kept:
        home.write(FILE, made)
    return {name: Client(said["id"], said["secret"], _redirects(name, public_url)) for name, said in made.items()}


@contextmanager
def houses(home: Home, ports: Mapping[str, int]) -> Iterator[Mapping[str, str]]:
    """Runs all houses on their ports; yields where each is."""
    clients = registered(home, f"http://127.0.0.1:{ports['front']}")
    folder = home.state("providers")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(simulator(name, port=ports[name], client=clients[name], folder=folder)).base
            for name in HOUSES
        }


def _client(name: str) -> Mapping[str, str]:
    return {"id": f"farshore-{name}-{secrets.token_hex(4)}", "secret": secrets.token_urlsafe(30)}


def _redirects(name: str, public_url: str) -> tuple[str, ...]:
    return tuple(f"{public_url}/api/v1/oauth/{slug}/callback" for slug in SLUGS[name])
