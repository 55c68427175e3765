"""S3's refusals, and botocore's, as the error tree (S3 API reference, "Error responses")."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.connectors.transfer.faults import fault
from shared.domain.errors import (
    ChecksumMismatch,
    ContainerMissing,
    CredentialsRefused,
    FarshoreError,
    InvalidInput,
    InvalidName,
    LengthMismatch,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    SourceChanged,
    StoreUnavailable,
    Throttled,
    UnsupportedAttribute,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# NoSuchKey answers an If-Match where there is no object (S3 user guide, "Conditional writes").
_CODES: Mapping[str, type[FarshoreError]] = MappingProxyType[str, type[FarshoreError]](
    {"NoSuchBucket": ContainerMissing}
    | dict.fromkeys(
        ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled"), Throttled
    )
    | dict.fromkeys(("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"), PreconditionFailed)
    | dict.fromkeys(("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"), ChecksumMismatch)
    | dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"), CredentialsRefused)
    | dict.fromkeys(
        ("KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"), CredentialsRefused
    )
    | dict.fromkeys(("InternalError", "ServiceUnavailable", "OperationAborted", "RequestTimeout"), StoreUnavailable)
    # Both come as 403, and neither is about rights: an archived object comes back when it is restored, a clock when it is set.
    | dict.fromkeys(("InvalidObjectState", "RequestTimeTooSkewed"), StoreUnavailable)
    | {
        "IncompleteBody": LengthMismatch,
        "KeyTooLongError": InvalidName,
        "MetadataTooLarge": UnsupportedAttribute,
        "QuotaExceeded": QuotaExceeded,
        "NoSuchUpload": StoreUnavailable,
        "NoSuchVersion": SourceChanged,
        "InvalidRange": SourceChanged,
    }
)

_ELSEWHERE = frozenset({"PermanentRedirect", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed"})
"""S3's words for a bucket that is not in the region that was asked. A HEAD's 301 says the same without a word."""

_SOURCE_CONDITION = "x-amz-copy-source"


@contextmanager
def speaking() -> Iterator[None]:
    """Turns whatever botocore raises in the block into the tree. The SDK's text, which may quote a request, is dropped."""
    try:
        yield
    except FarshoreError:
        raise
    except Exception as refusal:
        raise understood(refusal) from None


def understood(refusal: Exception) -> Exception:
    """The tree's error for one of botocore's; anything else is returned as it is."""
    from botocore import exceptions as sdk

    if isinstance(refusal, sdk.ClientError):
        return _answered(refusal)
    if isinstance(refusal, sdk.NoCredentialsError | sdk.PartialCredentialsError | sdk.CredentialRetrievalError):
        return CredentialsRefused("s3: there are no credentials")
    if isinstance(refusal, sdk.ParamValidationError):
        return InvalidInput("s3: the request cannot be written")
    return StoreUnavailable("s3 did not answer") if isinstance(refusal, _silence(sdk)) else refusal


def refused(status: int | None, code: str, after: str | None) -> Exception:
    """The tree's error for an answer of S3's own; ``NotFound`` for a HEAD's 404, which has no body to say more."""
    if status == 404 and not code:
        return NotFound()
    if code in _ELSEWHERE or (status == 301 and not code):
        return ContainerMissing("s3 has no such bucket in this region: set the integration's region to the bucket's")
    if status == 400 and not code:
        return CredentialsRefused("s3 answered 400 to a HEAD, as it does when a session has expired")
    return fault("s3", status, code, codes=_CODES, after=after)


def absent(refusal: Exception) -> bool:
    """Whether this is S3's answer that there is no such object. A HEAD's answer has no body, so no better code."""
    from botocore.exceptions import ClientError

    return isinstance(refusal, ClientError) and _code(refusal) in ("404", "NoSuchKey", "NotFound")


def unopened(refusal: Exception) -> bool:
    """Whether this is S3's answer that there is no such upload session (any more)."""
    from botocore.exceptions import ClientError

    return isinstance(refusal, ClientError) and _code(refusal) == "NoSuchUpload"


def _silence(sdk: Any) -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return (sdk.BotoCoreError, sdk.HTTPClientError, HTTPError, OSError)


def _answered(refusal: "ClientError") -> Exception:
    error = refusal.response.get("Error", {})
    meta = refusal.response.get("ResponseMetadata", {})
    if str(error.get("Condition", "")).lower().startswith(_SOURCE_CONDITION):
        return SourceChanged()
    return refused(meta.get("HTTPStatusCode"), _code(refusal), meta.get("HTTPHeaders", {}).get("retry-after"))


def _code(refusal: "ClientError") -> str:
    return str(refusal.response.get("Error", {}).get("Code", ""))
