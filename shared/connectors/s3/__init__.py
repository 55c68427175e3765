"""Amazon S3 and what speaks its protocol."""

from shared.connectors.s3.connector import S3Connector

__all__ = ["S3Connector"]
