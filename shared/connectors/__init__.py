"""One module per store; ``registry`` knows them all. Connectors do not know each other, nor any use case.

``from shared.connectors import S3Connector`` loads that connector and no other store's code (PEP 562).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.connectors.azure_blob import AzureBlobConnector as AzureBlobConnector
    from shared.connectors.s3 import S3Connector as S3Connector

__all__ = ["AzureBlobConnector", "S3Connector"]


def __getattr__(name: str) -> Any:
    from shared.connectors.registry import CONNECTORS, load

    for connector, row in CONNECTORS.items():
        if row.name == name:
            return load(connector)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
