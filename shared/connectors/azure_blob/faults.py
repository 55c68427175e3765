"""Azure's refusals as Farshore's errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError

from shared.connectors.transfer.faults import Fault, fault
from shared.domain.errors import (
    ChecksumMismatch,
    ContainerMissing,
    CredentialsRefused,
    PreconditionFailed,
    QuotaExceeded,
    SourceChanged,
    StoreError,
    StoreUnavailable,
    Throttled,
)

NAME = "azure_blob"

_STRANGER = "azure_blob answered, but not as Blob Storage does"
"""A sign-in page, say, with status 200: the SDK then fails to read it, by one of Python's own exceptions."""

CODES: Mapping[str, Fault] = {
    # Azure Storage REST reference, "Common REST API error codes" and "Blob Storage error codes".
    "AccountBeingCreated": StoreUnavailable,
    "AuthenticationFailed": CredentialsRefused,
    "BlobAlreadyExists": PreconditionFailed,
    "BlobArchived": StoreUnavailable,
    "BlobBeingRehydrated": StoreUnavailable,
    "BlobImmutableDueToPolicy": CredentialsRefused,
    "BlobOverwritten": PreconditionFailed,
    "ConditionNotMet": PreconditionFailed,
    "ContainerBeingDeleted": StoreUnavailable,
    "ContainerDisabled": CredentialsRefused,
    "ContainerNotFound": ContainerMissing,
    # Of a block after the first, which Azure could fetch: the source will be back, or the next attempt streams.
    "CannotVerifyCopySource": StoreUnavailable,
    "Crc64Mismatch": ChecksumMismatch,
    "InvalidAuthenticationInfo": CredentialsRefused,
    # Another writer's commit to the same blob discarded our uncommitted blocks: the target moved.
    "InvalidBlobOrBlock": PreconditionFailed,
    "InvalidBlockList": PreconditionFailed,
    # Of the container: blobs' names are escaped before they are sent.
    "InvalidResourceName": ContainerMissing,
    "OutOfRangeInput": ContainerMissing,
    # Somebody's snapshot, lease, page or append blob is in the way: theirs to let go of, not ours to break.
    "InvalidBlobType": CredentialsRefused,
    "SnapshotsPresent": CredentialsRefused,
    "LeaseAlreadyPresent": StoreUnavailable,
    "LeaseIdMissing": StoreUnavailable,
    "LeaseIdMismatchWithBlobOperation": StoreUnavailable,
    "Md5Mismatch": ChecksumMismatch,
    "OperationTimedOut": StoreUnavailable,
    "ServerBusy": Throttled,
    "TooManyRequests": Throttled,
    "StorageQuotaExceeded": QuotaExceeded,
    "TargetConditionNotMet": PreconditionFailed,
    "SourceConditionNotMet": SourceChanged,
}

_READING: Mapping[str, Fault] = {
    **CODES,
    "BlobNotFound": SourceChanged,
    "ConditionNotMet": SourceChanged,
    "InvalidRange": SourceChanged,
}


def code_of(error: AzureError) -> str:
    """The service's own word for a refusal, or an empty string. HEAD answers carry it in a header alone."""
    response = getattr(error, "response", None)
    said = getattr(error, "error_code", None) or (response and response.headers.get("x-ms-error-code")) or ""
    return str(getattr(said, "value", said))


def status_of(error: AzureError) -> int | None:
    """The HTTP status, or None if there was no answer."""
    return getattr(error, "status_code", None)


def absent(error: AzureError) -> bool:
    """Whether the answer was that there is no such blob, in a container that exists."""
    return status_of(error) == 404 and code_of(error) in {"BlobNotFound", "ResourceNotFound", ""}


def translated(error: AzureError, codes: Mapping[str, Fault] = CODES) -> StoreError:
    """The error of the tree for an SDK's error; carries none of its text."""
    status = status_of(error)
    if status is None and isinstance(error, ClientAuthenticationError):
        return CredentialsRefused()
    response = getattr(error, "response", None)
    after = response.headers.get("Retry-After") if response is not None else None
    return fault(NAME, status, code_of(error), codes=codes, after=after)


@contextmanager
def faults() -> Iterator[None]:
    """Turns what the SDK raises inside into the error tree."""
    try:
        yield
    except (ValueError, AttributeError):
        raise StoreUnavailable(_STRANGER) from None
    except AzureError as error:
        raise translated(error) from None  # the SDK's text may quote names, URLs and signatures


@contextmanager
def reading_faults() -> Iterator[None]:
    """As ``faults``, for reads pinned to one version: what is gone or replaced is SourceChanged."""
    try:
        yield
    except (ValueError, AttributeError):
        raise StoreUnavailable(_STRANGER) from None
    except AzureError as error:
        raise translated(error, _READING) from None
