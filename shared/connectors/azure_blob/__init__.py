"""Azure Blob Storage as a source and a target. Importing it imports the SDK: the registry does so on first use."""

from shared.connectors.azure_blob.connector import AzureBlobConnector

__all__ = ["AzureBlobConnector"]
