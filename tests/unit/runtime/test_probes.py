"""Trying an integration out: one look into its own container, and whatever the store says of it."""

import pytest

from shared.domain.errors import CredentialsRefused, StoreUnavailable
from shared.runtime.probes import StoreProbes


class Store:
    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked, self.closed = error, [], False

    def list(self, prefix: str = "", *, after=None, limit: int = 1000):
        self.asked.append((prefix, limit))
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed = True


class Stores:
    def __init__(self, store: Store) -> None:
        self.store, self.opened = store, []

    def target(self, integration, container=None):
        self.opened.append((integration, container))
        return self.store

    def unproven(self, integration):
        return self.store


def test_it_looks_at_one_object_of_the_integrations_own_container():
    stores = Stores(Store())
    StoreProbes(stores).reach("integration")
    assert stores.opened == [("integration", None)]
    assert stores.store.asked == [("", 1)]


def test_what_the_store_refuses_is_told():
    with pytest.raises(CredentialsRefused):
        StoreProbes(Stores(Store(CredentialsRefused()))).reach("integration")


@pytest.mark.parametrize(("error", "guarded"), [(None, False), (CredentialsRefused(), True)])
def test_a_role_is_guarded_if_it_refuses_us_without_the_external_id(error, guarded):
    store = Store(error)
    assert StoreProbes(Stores(store)).guarded("integration") is guarded
    assert store.asked == [("", 1)]
    assert store.closed


def test_silence_does_not_tell_whether_a_role_is_guarded():
    store = Store(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        StoreProbes(Stores(store)).guarded("integration")
    assert store.closed
