"""AWS KMS as the key service."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from shared.domain.errors import FarshoreError, Misconfigured, SealBroken, StateUnavailable

# KMS API reference, errors of GenerateDataKey, Decrypt and ReEncrypt. What is not listed is taken as a passing fault.
_OTHER_KEY = "IncorrectKeyException"
_FORGED = frozenset({"InvalidCiphertextException", _OTHER_KEY, "ValidationException"})
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
    def re_encrypt(self, **request: Any) -> Any: ...


class KmsKeys:
    """Data keys made by one KMS key, and unwrapped by it or by one that did this before. Thread-safe; costs nothing until
    first used.

    Retries are the client's own (botocore); what still fails is ``StateUnavailable``, or ``Misconfigured`` where only the
    operator can help, or ``SealBroken`` where the wrapped key is not what this key wrapped for this context.
    """

    def __init__(
        self, client_factory: Callable[[], KmsClient], key_id: str, former_key_ids: Sequence[str] = ()
    ) -> None:
        """``former_key_ids`` open what they wrapped, the likeliest first; nothing new is wrapped by them."""
        self._client_factory = client_factory
        self._key_id = key_id
        self._ring = (key_id, *former_key_ids)

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
        """The plain key. One call, and one more for each key of the ring that it was not wrapped by."""
        answer = self._by_its_key(
            lambda key: self._client.decrypt(KeyId=key, CiphertextBlob=wrapped, EncryptionContext=dict(context))
        )[1]
        plain: bytes = answer["Plaintext"]
        return plain

    def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The same data key wrapped by the present key's newest material, without being shown to us; what is so already comes
        back unchanged.

        As many calls as ``unwrap`` makes.
        """
        bound = dict(context)
        key, answer = self._by_its_key(
            lambda key: self._client.re_encrypt(
                CiphertextBlob=wrapped,
                SourceKeyId=key,
                SourceEncryptionContext=bound,
                DestinationKeyId=self._key_id,
                DestinationEncryptionContext=bound,
            )
        )
        anew: bytes = answer["CiphertextBlob"]
        same = answer.get("SourceKeyMaterialId") == answer.get("DestinationKeyMaterialId")
        return wrapped if key == self._key_id and same else anew

    def _by_its_key(self, call: Callable[[str], Any]) -> tuple[str, Any]:
        """Which key of the ring took the call, and the answer. The key is pinned each time: KMS would otherwise use whatever
        key the blob names. Only "another key wrapped this" leads on to the next; any other refusal is final.
        """
        for key in self._ring:
            try:
                return key, _asked(lambda: call(key), forged=SealBroken)  # noqa: B023 # called at once
            except _AnotherKey:
                continue
        raise SealBroken from None


class _AnotherKey(SealBroken):
    """This wrapped key is another KMS key's."""


def _asked(call: Callable[[], Any], forged: type[FarshoreError]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # loaded already, with the client

    try:
        return call()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise _meaning(code, forged) from None
    except BotoCoreError:
        raise StateUnavailable("the key service did not answer") from None


def _meaning(code: str, forged: type[FarshoreError]) -> FarshoreError:
    if code in _FORGED:
        return _AnotherKey() if code == _OTHER_KEY and forged is SealBroken else forged()
    if code in _OPERATOR:
        return Misconfigured(_OPERATOR[code])
    return StateUnavailable("the key service cannot answer now")
