"""The state on two emulators that differ from each other: moto in this process, MiniStack over HTTP."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from infra.local.emulators import ministack
from shared.state.models import MODELS
from shared.state.tables import Tables, bound

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
