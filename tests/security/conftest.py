"""What the leak tests of connections share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.local.emulators import Emulator, ministack
from tests.security.leaks_town import Town, town


@pytest.fixture(scope="session")
def leaks_emulator() -> Iterator[Emulator]:
    with ministack() as running:
        yield running


@pytest.fixture(scope="session")
def leaks_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leaks")


@pytest.fixture
def open_town(
    leaks_emulator: Emulator, leaks_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Town]]:
    """Opens a town at a house of that name."""
    with ExitStack() as stack:
        yield lambda house="google": stack.enter_context(town(leaks_emulator, leaks_keys, monkeypatch, house))
