"""The state on two emulators that differ from each other: moto in this process, MiniStack over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto import mock_aws

from infra.local.emulators import ministack
from shared.ports.connections import Audit, Flows, Leases, Limits, Providers, Webhooks
from shared.ports.state import Integrations, Rules, Tenants
from shared.state.audit import DynamoAudit
from shared.state.flows import DynamoFlows
from shared.state.integrations import DynamoIntegrations
from shared.state.leases import DynamoLeases
from shared.state.limits import DynamoLimits
from shared.state.models import MODELS
from shared.state.providers import DynamoProviders
from shared.state.rules import DynamoRules
from shared.state.tables import Tables, bound
from shared.state.tenants import DynamoTenants
from shared.state.webhooks import DynamoWebhooks

# Making a client costs more than a test: each emulator's is made once, by keeping its Tables.
MOTO = Tables("moto", "us-east-1")


@pytest.fixture(scope="session")
def ministack_server() -> Iterator[Tables]:
    with ministack() as server:
        yield Tables("ministack", server.region, server.endpoint)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def moto_tables() -> Iterator[Tables]:
    with mock_aws():
        create(MOTO)
        yield MOTO


@pytest.fixture
def ministack_tables(ministack_server: Tables) -> Iterator[Tables]:
    create(ministack_server)
    yield ministack_server
    for model in MODELS:
        bound(model, ministack_server).delete_table()


@pytest.fixture(params=["moto", "ministack"])
def tables(request: pytest.FixtureRequest) -> Tables:
    return request.getfixturevalue(f"{request.param}_tables")


def create(tables: Tables) -> None:
    for model in MODELS:
        bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process remembers by: everything that the ports promise is asked of these."""

    tenants: Tenants
    rules: Rules
    providers: Providers
    integrations: Integrations
    flows: Flows
    leases: Leases
    limits: Limits
    audit: Audit
    webhooks: Webhooks


def memory_of(tables: Tables) -> Memory:
    """A process's own: its caches are empty."""
    return Memory(
        DynamoTenants(tables),
        DynamoRules(tables),
        DynamoProviders(tables),
        DynamoIntegrations(tables),
        DynamoFlows(tables),
        DynamoLeases(tables),
        DynamoLimits(tables),
        DynamoAudit(tables),
        DynamoWebhooks(tables),
    )


@pytest.fixture
def memory(tables: Tables) -> Memory:
    return memory_of(tables)


@pytest.fixture
def elsewhere(tables: Tables) -> Memory:
    """Another process's."""
    return memory_of(tables)


class Calls(list[str]):
    """The DynamoDB operations that tables' connection makes from now on."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.events = bound(MODELS[0], tables)._get_connection().connection.client.meta.events
        self.events.register("before-call.dynamodb", self._heard)

    def stop(self) -> None:
        self.events.unregister("before-call.dynamodb", self._heard)

    def _heard(self, model, **_: object) -> None:
        self.append(model.name)


@pytest.fixture
def calls(tables: Tables) -> Iterator[Calls]:
    heard = Calls(tables)
    yield heard
    heard.stop()
