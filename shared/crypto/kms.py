"""AWS KMS as the key service."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from shared.domain.errors import FarshoreError, Misconfigured, SealBroken, StateUnavailable

# KMS API reference, errors of GenerateDataKey and Decrypt. What is not listed is taken as a passing fault.
_FORGED = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"})
_OPERATOR = {
    "AccessDeniedException": "this function's role, or the key's policy, does not allow the use of the KMS key",
    "DisabledException": "the KMS key is disabled; enable it",
    "InvalidKeyUsageException": "the KMS key is not a symmetric encryption key",
    "KMSInvalidStateException": "the KMS key is pending deletion or otherwise unusable; cancel the deletion",
    "NotFoundException": "there is no KMS key of the configured id",
}


class KmsClient(Protocol):
    """What of a boto3 KMS client is used."""

    def generate_data_key(self, *, KeyId: str, KeySpec: Any, EncryptionContext: Mapping[str, str]) -> Any: ...  # noqa: N803 # boto3's names
    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> Any: ...  # noqa: N803 # boto3's names


class KmsKeys:
    """Data keys made and unwrapped by one KMS key. Thread-safe; costs nothing until first used.

    Retries are the client's own (botocore); what still fails is ``StateUnavailable``, or ``Misconfigured`` where only the
    operator can help, or ``SealBroken`` where the wrapped key is not what this key wrapped for this context.
    """

    def __init__(self, client_factory: Callable[[], KmsClient], key_id: str) -> None:
        self._client_factory = client_factory
        self._key_id = key_id

    @cached_property
    def _client(self) -> KmsClient:
        return self._client_factory()

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A new 256-bit key: (plain, wrapped). One call."""
        answer = _asked(
            lambda: self._client.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=dict(context)
            ),
            forged=Misconfigured,  # nothing was wrapped yet: a refused request is a wrong key id
        )
        return answer["Plaintext"], answer["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The plain key. One call. The key id is pinned: KMS would otherwise use whatever key the blob names."""
        answer = _asked(
            lambda: self._client.decrypt(KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context)),
            forged=SealBroken,
        )
        plain: bytes = answer["Plaintext"]
        return plain


def _asked(call: Callable[[], Any], forged: type[FarshoreError]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # loaded already, with the client

    try:
        return call()
    except ClientError as error:
        raise _meaning(error.response.get("Error", {}).get("Code", ""), forged) from None
    except BotoCoreError:
        raise StateUnavailable("the key service did not answer") from None


def _meaning(code: str, forged: type[FarshoreError]) -> FarshoreError:
    if code in _FORGED:
        return forged()
    if code in _OPERATOR:
        return Misconfigured(_OPERATOR[code])
    return StateUnavailable("the key service cannot answer now")
