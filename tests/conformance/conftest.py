"""The connectors under test and their servers."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.emulators import AZURITE_ACCOUNT, AZURITE_KEY, azurite, ministack
from tests.conformance.azure_rig import AzureRig
from tests.conformance.model_rig import ModelRig
from tests.conformance.rigs import PART, Rig
from tests.conformance.s3_rig import S3Rig
from tests.conformance.store import Store
from tests.model import bucket

LONG = os.environ.get("FARSHORE_LONG") == "1"
CANARY = "canary/Secret+of+the+S3+rig=40characters"
CONNECTORS = ("s3", "azure_blob")


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where servers keep their objects on a long run, whose largest would not fit into memory."""
    return tmp_path_factory.mktemp("disk") if LONG else None


@pytest.fixture(scope="session")
def s3_rig(disk: Path | None) -> Iterator[Rig]:
    with ministack(auth=True, secret_access_key=CANARY, state_dir=disk and disk / "s3") as server:
        rig = S3Rig(server.endpoint, server.access_key_id, server.secret_access_key, server.region)
        yield rig
        rig.close()


@pytest.fixture(scope="session")
def azure_blob_rig(disk: Path | None) -> Iterator[Rig]:
    with azurite(state_dir=disk and disk / "azure_blob") as server:
        rig = AzureRig(server.blob_endpoint, AZURITE_ACCOUNT, AZURITE_KEY)
        yield rig
        rig.close()


@pytest.fixture(scope="session")
def model_rig() -> Rig:
    return ModelRig()


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest) -> Rig:
    """The rig of each connector in turn; its server starts when the first test needs it."""
    return request.getfixturevalue(f"{request.param}_rig")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rig" in metafunc.fixturenames:
        modelled = metafunc.definition.get_closest_marker("model")
        names = (*CONNECTORS, "model") if modelled else CONNECTORS
        metafunc.parametrize("rig", names, indirect=True, scope="session")


@pytest.fixture
def store(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A fresh root with a connector to it."""
    monkeypatch.setattr(bucket, "PART", PART)  # the model's own is of four bytes
    root = rig.root()
    store = Store(rig, root, rig.connect(root))
    yield store
    store.close()


@pytest.fixture(scope="module")
def _store_of_n(rig: Rig) -> Iterator[Store]:
    root = rig.root()
    store = Store(rig, root, rig.connect(root))
    for number in range(46):
        store.put(f"n/{number:04}", b"x" * number)
    yield store
    store.close()


@pytest.fixture
def store_of_n(_store_of_n: Store) -> Store:
    """A root that holds ``n/0000`` to ``n/0045``, each as long as its number; tests leave it as it was."""
    return _store_of_n


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lets nobody sleep for long: what every ``time.sleep`` asked for, in seconds. Retries are then quick, and countable."""
    asked: list[float] = []
    real = time.sleep

    def nap(seconds: float) -> None:
        asked.append(seconds)
        real(min(seconds, 0.002))

    monkeypatch.setattr(time, "sleep", nap)
    return asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not LONG and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="long: run with FARSHORE_LONG=1"))
