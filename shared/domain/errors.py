"""The one tree of errors. Each class fixes a stable ``code`` (an API promise) and a retry verdict.

```
FarshoreError
├── InvalidInput                 invalid_input             never        the caller's fault; nothing was done
│   ├── MalformedEvent           malformed_event           never
│   ├── ForeignEvent             foreign_event             never        names a bucket or key that is no tenant's
│   ├── InvalidCursor            invalid_cursor            never
│   ├── InvalidName              invalid_name              never        a key this store cannot hold, even mapped
│   ├── UnsupportedAttribute     unsupported_attribute     never
│   └── NotSupported             not_supported             never        an operation this connector does not claim
├── Unauthenticated              unauthenticated           never
├── Forbidden                    forbidden                 never
├── NotFound                     not_found                 never        also: another tenant's
├── Conflict                     conflict                  never        exists already, or in use
├── StoreError                                                          an object store said no
│   ├── PreconditionFailed       precondition_failed       now          the target moved: look again
│   ├── SourceChanged            source_changed            now          the pinned version is gone: look again
│   ├── LengthMismatch           length_mismatch           now          fewer or more bytes than declared
│   ├── ChecksumMismatch         checksum_mismatch         now          what arrived is not what was sent
│   ├── Unsettled                unsettled                 later        the source kept changing; rounds ran out
│   ├── DeadlineExceeded         deadline_exceeded         later
│   ├── StoreUnavailable         store_unavailable         later        5xx, network, time-out, unknown outcome
│   ├── Throttled                throttled                 later(after)
│   ├── IntegrityUnproven        integrity_unproven        never        the store reports nothing we could compare
│   ├── CredentialsRefused       credentials_refused       after_user   expired, revoked or lacking a permission
│   ├── QuotaExceeded            quota_exceeded            after_user
│   └── ContainerMissing         container_missing         after_user
├── StateUnavailable             state_unavailable         later        DynamoDB, SQS or KMS did not answer
├── SealBroken                   seal_broken               never        one opaque refusal for every crypto failure
└── Misconfigured                misconfigured             never        the operator's fault; says what to set
```

Messages are for people and may be shown to tenants: they never hold a secret, a signed URL, or text that came from a
provider or a user.
"""

from typing import ClassVar

from shared.domain.retry import AfterUser, Later, Never, Now, Retry


class FarshoreError(Exception):
    """Root of the tree.

    Attributes:
        code: stable, snake_case; the ``code`` of problem details and of a replica's ``error``.
        retry: what may be done next.
    """

    code: ClassVar[str] = "internal"
    verdict: ClassVar[Retry] = Never()

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or self.code).splitlines()[0])

    @property
    def retry(self) -> Retry:
        return self.verdict


class InvalidInput(FarshoreError):
    """The request cannot be carried out as written."""

    code = "invalid_input"


class MalformedEvent(InvalidInput):
    """The event does not have the shape its sender promises."""

    code = "malformed_event"


class ForeignEvent(InvalidInput):
    """The event names a place that is no tenant's source."""

    code = "foreign_event"


class InvalidCursor(InvalidInput):
    """The cursor is not one that was given out for this list."""

    code = "invalid_cursor"


class InvalidName(InvalidInput):
    """The store cannot hold an object of this name."""

    code = "invalid_name"


class UnsupportedAttribute(InvalidInput):
    """The store cannot keep one of the object's attributes."""

    code = "unsupported_attribute"


class NotSupported(InvalidInput):
    """The connector does not offer this operation."""

    code = "not_supported"

    def __init__(self, operation: str, connector: str) -> None:
        super().__init__(f"{connector} does not support {operation}")
        self.operation = operation
        self.connector = connector


class Unauthenticated(FarshoreError):
    """Sign in first."""

    code = "unauthenticated"


class Forbidden(FarshoreError):
    """This account may not do that."""

    code = "forbidden"


class NotFound(FarshoreError):
    """There is no such thing."""

    code = "not_found"


class Conflict(FarshoreError):
    """The thing exists already or is in use."""

    code = "conflict"


class StoreError(FarshoreError):
    """An object store refused or failed."""

    code = "store_error"
    verdict: ClassVar[Retry] = Later()


class PreconditionFailed(StoreError):
    """The target is no longer as it was seen."""

    code = "precondition_failed"
    verdict = Now()


class SourceChanged(StoreError):
    """The source changed while it was read."""

    code = "source_changed"
    verdict = Now()


class LengthMismatch(StoreError):
    """The source gave fewer or more bytes than it declared."""

    code = "length_mismatch"
    verdict = Now()


class ChecksumMismatch(StoreError):
    """The checksum of what was stored is not that of what was read."""

    code = "checksum_mismatch"
    verdict = Now()


class Unsettled(StoreError):
    """The source or target kept changing; the job goes round again later."""

    code = "unsettled"


class DeadlineExceeded(StoreError):
    """The time given to this attempt ran out."""

    code = "deadline_exceeded"


class StoreUnavailable(StoreError):
    """The store did not answer, or answered that it cannot now."""

    code = "store_unavailable"


class Throttled(StoreError):
    """The store asked us to slow down.

    Attributes:
        after: seconds to wait as told by the store, or None.
    """

    code = "throttled"

    def __init__(self, message: str = "", *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after

    @property
    def retry(self) -> Retry:
        return Later(self.after)


class IntegrityUnproven(StoreError):
    """The store reports no checksum that could prove what it stored."""

    code = "integrity_unproven"
    verdict = Never()


class CredentialsRefused(StoreError):
    """The store refused the integration's credentials or lacks a permission."""

    code = "credentials_refused"
    verdict = AfterUser()


class QuotaExceeded(StoreError):
    """The store has no room left for this account."""

    code = "quota_exceeded"
    verdict = AfterUser()


class ContainerMissing(StoreError):
    """The bucket or container does not exist."""

    code = "container_missing"
    verdict = AfterUser()


class StateUnavailable(FarshoreError):
    """Farshore's own state, queue or key service did not answer."""

    code = "state_unavailable"
    verdict: ClassVar[Retry] = Later()


class SealBroken(FarshoreError):
    """A sealed secret could not be opened."""

    code = "seal_broken"


class Misconfigured(FarshoreError):
    """A setting is missing or wrong."""

    code = "misconfigured"
