"""What an AWS service's refusal means: try again later, or something that only the operator can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.domain.errors import Misconfigured, StateUnavailable

# Codes of services' common errors (AWS API references, "Common Errors", and SQS's own). What is not here may pass.
_OPERATORS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidClientTokenId",
        "KMS.AccessDeniedException",
        "OutboundWebIdentityFederationDisabledException",
        "QueueDoesNotExist",
        "RegionDisabledException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Turns botocore's exceptions into ours, named after ``what``; their messages stay out.

    Raises:
        Misconfigured: there is no such thing, or this function may not use it.
        StateUnavailable: anything else; the client has retried already.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # loaded already, with the client

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _OPERATORS:
            raise Misconfigured(f"{what} does not exist or this function may not use it ({code})") from None
        raise StateUnavailable(f"{what} cannot answer now") from None
    except BotoCoreError:
        raise StateUnavailable(f"{what} did not answer") from None
