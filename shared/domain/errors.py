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
├── Conflict                     conflict                  never        not as things stand
│   ├── AlreadyExists            already_exists            never
│   └── InUse                    in_use                    never        something else needs it; names what
├── VersionMismatch              version_mismatch          now          the record changed meanwhile: look again
├── TooManyRequests              too_many_requests         later(after)
├── CallbackRefused                                                     a consent that is not followed; nothing was stored
│   ├── InvalidCallback          oauth_request_invalid     never        parameters missing, repeated or too long
│   ├── InvalidState             oauth_state_invalid       never        unknown, used, expired, or another's
│   ├── BrowserMismatch          oauth_browser_mismatch    never        not the browser or user that began
│   ├── IssuerMismatch           oauth_issuer_mismatch     never        another authorization server answered
│   ├── ConsentDenied            oauth_access_denied       after_user
│   ├── CodeRefused              oauth_code_refused        after_user   used, expired or foreign code
│   └── AccountMismatch          oauth_account_mismatch    after_user   another account than before, not confirmed
├── GrantError                                                          an authorization server said no
│   ├── ProviderUnavailable      provider_unavailable      later(after) 5xx, 429, network, an answer that is none
│   ├── GrantRevoked             grant_revoked             after_user   reconnect
│   ├── GrantExpired             grant_expired             after_user   reconnect: unused or kept for too long
│   ├── RefreshInterrupted       refresh_interrupted       after_user   a rotated token was lost with its worker
│   ├── ScopeMissing             scope_missing             after_user   reconnect and tick every box
│   ├── PolicyBlocked            policy_blocked            after_user   an administrator's rule, or a second factor
│   ├── ProviderMisconfigured    provider_misconfigured    never        our client at the provider; an operator's task
│   └── TokenExpired             token_expired             after_user   the access token is over, and none can be had
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
│   ├── RoleWithoutExternalId    role_without_external_id  after_user   it can be assumed without the tenant's external id
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
        return_to: where a browser goes with it; told by a consent whose browser proved itself, else empty.
    """

    code: ClassVar[str] = "internal"
    verdict: ClassVar[Retry] = Never()
    return_to: str = ""

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


class AlreadyExists(Conflict):
    """The thing exists already."""

    code = "already_exists"


class InUse(Conflict):
    """Something else needs it."""

    code = "in_use"


class VersionMismatch(FarshoreError):
    """The record changed since it was read."""

    code = "version_mismatch"
    verdict = Now()


class TooManyRequests(FarshoreError):
    """Slow down.

    Attributes:
        after: seconds until the next attempt has a chance.
    """

    code = "too_many_requests"

    def __init__(self, message: str = "", *, after: float) -> None:
        super().__init__(message)
        self.after = after

    @property
    def retry(self) -> Retry:
        return Later(self.after)


class CallbackRefused(FarshoreError):
    """The consent is not followed.

    Attributes:
        grant: what was given for it already (``domain.grant.Grant``, which builds on this module), to be given back, or None.
    """

    code = "oauth_refused"
    grant: object | None = None


class InvalidCallback(CallbackRefused):
    """The authorization server's answer is not one."""

    code = "oauth_request_invalid"


class InvalidState(CallbackRefused):
    """This consent was not asked for, or not lately. Start again."""

    code = "oauth_state_invalid"


class BrowserMismatch(CallbackRefused):
    """The consent was given in another browser, or by another user, than asked for it."""

    code = "oauth_browser_mismatch"


class IssuerMismatch(CallbackRefused):
    """Another authorization server answered than was asked."""

    code = "oauth_issuer_mismatch"


class ConsentDenied(CallbackRefused):
    """The consent was not given."""

    code = "oauth_access_denied"
    verdict = AfterUser()


class CodeRefused(CallbackRefused):
    """The authorization server did not accept the code. Start again."""

    code = "oauth_code_refused"
    verdict = AfterUser()


class AccountMismatch(CallbackRefused):
    """The integration is connected to another account. Confirm the change, or use the same account."""

    code = "oauth_account_mismatch"
    verdict = AfterUser()


class GrantError(FarshoreError):
    """An authorization server refused or failed."""

    code = "grant_error"
    verdict: ClassVar[Retry] = Later()


class ProviderUnavailable(GrantError):
    """The provider did not answer, or answered that it cannot now.

    Attributes:
        after: seconds to wait as told by the provider, or None.
        reached: False if the request surely never reached it: then nothing was used up.
    """

    code = "provider_unavailable"

    def __init__(self, message: str = "", *, after: float | None = None, reached: bool = True) -> None:
        super().__init__(message)
        self.after = after
        self.reached = reached

    @property
    def retry(self) -> Retry:
        return Later(self.after)


class GrantRevoked(GrantError):
    """The provider no longer honours the connection. Reconnect it."""

    code = "grant_revoked"
    verdict = AfterUser()


class GrantExpired(GrantError):
    """The connection was unused or kept for too long. Reconnect it."""

    code = "grant_expired"
    verdict = AfterUser()


class RefreshInterrupted(GrantError):
    """A refresh broke off after the provider had replaced the token. Reconnect."""

    code = "refresh_interrupted"
    verdict = AfterUser()


class ScopeMissing(GrantError):
    """Not all that was asked for was granted. Reconnect and allow everything."""

    code = "scope_missing"
    verdict = AfterUser()


class PolicyBlocked(GrantError):
    """A rule of the account's organisation wants a person to sign in again, or an administrator to agree."""

    code = "policy_blocked"
    verdict = AfterUser()


class ProviderMisconfigured(GrantError):
    """The provider does not accept this deployment's client. An operator must mend the provider's settings."""

    code = "provider_misconfigured"
    verdict = Never()


class TokenExpired(GrantError):
    """The access token is over and no other can be had. Reconnect."""

    code = "token_expired"
    verdict = AfterUser()


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


class RoleWithoutExternalId(StoreError):
    """The role lets us in without the external id, for any tenant. Have its trust policy require sts:ExternalId."""

    code = "role_without_external_id"
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
