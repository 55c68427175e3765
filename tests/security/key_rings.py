"""Key services for the tests of re-wrapping.

``Ring`` is a key service in memory with a present key and former ones. ``FaithfulKms`` is a boto3 KMS client on moto that does
what AWS documents and moto 5.2 does not: it heeds ``SourceKeyId`` and ``KeyId`` (IncorrectKeyException), and refuses keys that
are disabled.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.kms.utils import _deserialize_ciphertext_blob

from shared.domain.errors import Misconfigured, SealBroken
from tests.security.crypto_fakes import HonestKeys


class Master(HonestKeys):
    """One master key, which may be switched off."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on = True

    def wrap(self, plain: bytes, context: Mapping[str, str]) -> bytes:
        nonce = next(self._made).to_bytes(12, "big")
        return nonce + self._master.encrypt(nonce, plain, self._bound(context))


class Ring:
    """ports.world.Keys."""

    def __init__(self, present: Master, *former: Master) -> None:
        self.present, self.masters = present, (present, *former)
        self.rewraps = 0

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        return self._on(self.present).data_key(context)

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return self._by_its_master(wrapped, context)[1]

    def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        self.rewraps += 1
        master, plain = self._by_its_master(wrapped, context)
        return wrapped if master is self.present else self._on(self.present).wrap(plain, context)

    def _by_its_master(self, wrapped: bytes, context: Mapping[str, str]) -> tuple[Master, bytes]:
        for master in self.masters:
            try:
                plain = master.unwrap(wrapped, context)
            except SealBroken:
                continue
            return self._on(master), plain
        raise SealBroken

    def _on(self, master: Master) -> Master:
        if not master.on:
            raise Misconfigured("the KMS key is disabled; enable it")
        return master


class FaithfulKms:
    """Everything else is moto's."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[str] = []
        self.around: Callable[[str], None] = lambda call: None

    def generate_data_key(self, **asked: Any) -> Any:
        return self._do("GenerateDataKey", asked, self.client.generate_data_key, [asked["KeyId"]])

    def decrypt(self, **asked: Any) -> Any:
        self._pinned("Decrypt", asked["CiphertextBlob"], asked["KeyId"])
        return self._do("Decrypt", asked, self.client.decrypt, [asked["KeyId"]])

    def re_encrypt(self, **asked: Any) -> Any:
        self._pinned("ReEncrypt", asked["CiphertextBlob"], asked["SourceKeyId"])
        return self._do("ReEncrypt", asked, self.client.re_encrypt, [asked["SourceKeyId"], asked["DestinationKeyId"]])

    def _do(self, name: str, asked: Mapping[str, Any], call: Callable[..., Any], keys: list[str]) -> Any:
        self.around(name)
        self.calls.append(name)
        for key in keys:
            if self._key(key)["KeyState"] != "Enabled":
                raise ClientError({"Error": {"Code": "DisabledException", "Message": ""}}, name)
        return call(**asked)

    def _pinned(self, name: str, blob: bytes, key: str) -> None:
        try:
            made_by = _deserialize_ciphertext_blob(ciphertext_blob=blob).key_id
        except Exception:  # moto's own word on what is no blob follows from the call itself
            return
        if self._key(made_by)["KeyId"] != self._key(key)["KeyId"]:
            raise ClientError({"Error": {"Code": "IncorrectKeyException", "Message": ""}}, name)

    def _key(self, key: str) -> Mapping[str, Any]:
        return self.client.describe_key(KeyId=key)["KeyMetadata"]
