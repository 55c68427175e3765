"""Key services for the crypto tests.

``HonestKeys`` does what KMS does, in memory: AES-GCM under a master key, the context as associated data. It differs from KMS in
having one key, no policies and no limits. ``CarelessKeys`` is a KMS that forgot to look: it unwraps anything it once wrapped,
under any context. ``BookOfKeys`` opens what a frozen vector says.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.errors import SealBroken
from shared.domain.seal import SealContext

DATA = Path(__file__).parent / "data"
CONTEXT = SealContext("acme", "integrations", "backup-1", "credentials", "connect")


class HonestKeys:
    """Deterministic: the same seed gives the same data keys in the same order."""

    def __init__(self, seed: int = 1) -> None:
        self._master = AESGCM(bytes([seed]) * 32)
        self._seed = seed
        self._made = itertools.count(1)
        self.calls: Counter[str] = Counter()

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        self.calls["data_key"] += 1
        number = next(self._made)
        plain = bytes([self._seed]) * 24 + number.to_bytes(8, "big")
        nonce = number.to_bytes(12, "big")
        return plain, nonce + self._master.encrypt(nonce, plain, self._bound(context))

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        self.calls["unwrap"] += 1
        try:
            return self._master.decrypt(wrapped[:12], wrapped[12:], self._bound(context))
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def _bound(self, context: Mapping[str, str]) -> bytes:
        return json.dumps(sorted(context.items())).encode()


class CarelessKeys(HonestKeys):
    def _bound(self, context: Mapping[str, str]) -> bytes:
        return b""


class BookOfKeys:
    def __init__(self, keys: Mapping[bytes, bytes]) -> None:
        self._keys = dict(keys)

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        wrapped, plain = next(iter(self._keys.items()))
        return plain, wrapped

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        if wrapped not in self._keys:
            raise SealBroken
        return self._keys[wrapped]


class RefusingClient:
    """A boto3 KMS client that answers with one error."""

    def __init__(self, code: str) -> None:
        self.code = code

    def _refuse(self, operation: str) -> Any:
        told = "arn:aws:kms:eu-west-1:111122223333:key/TOLD-BY-PROVIDER"
        raise ClientError({"Error": {"Code": self.code, "Message": told}}, operation)

    def generate_data_key(self, **_: Any) -> Any:
        return self._refuse("GenerateDataKey")

    def decrypt(self, **_: Any) -> Any:
        return self._refuse("Decrypt")


def contexts() -> Iterator[SealContext]:
    """Two values for each of the six parts of a context, in all 64 combinations."""
    pairs = [
        ("acme", "zeta"),
        ("integrations", "rules"),
        ("one", "two"),
        ("credentials", "settings"),
        ("connect", "sign"),
    ]
    for *names, sequence in itertools.product(*pairs, (1, 2)):
        yield SealContext(*names, sequence=sequence)
