"""The state on two emulators that differ from each other: moto in this process, MiniStack over HTTP."""

import uuid
from collections.abc import Iterator

import pytest
from moto import mock_aws

from infra.local.emulators import ministack
from shared.state.models import MODELS
from shared.state.tables import Tables, bound


@pytest.fixture(scope="module")
def ministack_endpoint() -> Iterator[str]:
    with ministack() as server:
        yield server.endpoint


@pytest.fixture
def moto_tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tables]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield created(Tables(f"t{uuid.uuid4().hex[:8]}", "us-east-1"))


@pytest.fixture
def ministack_tables(ministack_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return created(Tables(f"t{uuid.uuid4().hex[:8]}", "us-east-1", ministack_endpoint))


@pytest.fixture(params=["moto", "ministack"])
def tables(request: pytest.FixtureRequest) -> Tables:
    return request.getfixturevalue(f"{request.param}_tables")


def created(tables: Tables) -> Tables:
    for model in MODELS:
        bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")
    return tables


class Calls(list[str]):
    """The DynamoDB operations that tables' connection makes from now on."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        client = bound(MODELS[0], tables)._get_connection().connection.client
        client.meta.events.register("before-call.dynamodb", self._heard)

    def _heard(self, model, **_: object) -> None:
        self.append(model.name)


@pytest.fixture
def calls(tables: Tables) -> Calls:
    return Calls(tables)
