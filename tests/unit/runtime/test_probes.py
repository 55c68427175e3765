"""Trying an integration out: one look into its own container, and whatever the store says of it."""

import pytest

from shared.domain.errors import CredentialsRefused
from shared.runtime.probes import StoreProbes


class Store:
    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, []

    def list(self, prefix: str = "", *, after=None, limit: int = 1000):
        self.asked.append((prefix, limit))
        if self.error:
            raise self.error


class Stores:
    def __init__(self, store: Store) -> None:
        self.store, self.opened = store, []

    def target(self, integration, container=None):
        self.opened.append((integration, container))
        return self.store


def test_it_looks_at_one_object_of_the_integrations_own_container():
    stores = Stores(Store())
    StoreProbes(stores).reach("integration")
    assert stores.opened == [("integration", None)]
    assert stores.store.asked == [("", 1)]


def test_what_the_store_refuses_is_told():
    with pytest.raises(CredentialsRefused):
        StoreProbes(Stores(Store(CredentialsRefused()))).reach("integration")
