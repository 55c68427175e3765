"""A connector's code and SDK load on first use, and nobody else's with it."""

import subprocess
import sys

import pytest

from shared import connectors
from shared.connectors import registry
from shared.domain.errors import InvalidInput, Misconfigured


def loaded_after(code: str) -> set[str]:
    """The top-level packages a fresh interpreter holds after running ``code``."""
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_capabilities_are_known_without_any_sdk():
    loaded = loaded_after("from shared.connectors.registry import entry; entry('s3').capabilities.part_max")
    assert not loaded & {"botocore", "boto3", "azure", "awscrt"}


@pytest.mark.parametrize(
    ("name", "others"), [("S3Connector", {"azure"}), ("AzureBlobConnector", {"botocore", "boto3"})]
)
def test_a_connector_loads_no_other_stores_sdk(name, others):
    assert not loaded_after(f"from shared.connectors import {name}; {name}.__name__") & others


@pytest.mark.parametrize("name", sorted(registry.CONNECTORS))
def test_every_row_leads_to_its_connector(name):
    row = registry.entry(name)
    made = registry.load(name)
    assert made is getattr(connectors, row.name)
    assert row.capabilities.connector == name


def test_a_store_nobody_knows_is_the_callers_mistake():
    with pytest.raises(InvalidInput):
        registry.load("floppy")
    with pytest.raises(AttributeError):
        _ = connectors.FloppyConnector


def test_a_missing_sdk_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "shared.connectors.s3", None)
    with pytest.raises(Misconfigured, match="pip install boto3"):
        registry.load("s3")
