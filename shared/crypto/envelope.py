"""The sealed form of a secret.

```
version 1 | suite 1 | length of wrapped key 2 | wrapped data key | nonce 12 | commitment 32 | ciphertext | tag 16
```

Sizes in bytes, numbers big-endian. Suite 1: each value has a data key of its own from the key service; HKDF-SHA512 (RFC 5869)
of it, salted with the nonce and with the context as info, gives 32 bytes of AES-256-GCM key and 32 bytes of commitment.

Why a commitment: AES-GCM alone lets whoever knows two keys make one ciphertext that opens under both (Albertini, Duong,
Gueron, Kolbl, Luykx, Schmieg: "How to Abuse and Fix Authenticated Encryption Without Key Commitment", USENIX Security 2022).
As there, and as in the AWS Encryption SDK's committing suites, a second output of the key derivation is stored and compared
before anything is opened. Ours covers the nonce and the context too.

The context is bound twice: the key service refuses to unwrap under another (KMS encryption context), and the cipher refuses
to open (associated data), should the service not have looked. The wrapped key is not part of the associated data, so that a
data key can be wrapped anew by the service without being shown; a substituted key fails the commitment.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.crypto.context import canonical
from shared.domain.errors import InvalidInput, SealBroken
from shared.domain.seal import SealContext
from shared.domain.secret import Secret
from shared.ports.world import Keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
SUITE = 1
PLAINTEXT_MAX = 65_536
"""Bytes; far above any credential, far below a DynamoDB item (400 KB, DynamoDB service quotas)."""

_WRAPPED_MAX = 6_144  # KMS API reference, Decrypt: CiphertextBlob
_KEY, _NONCE, _COMMITMENT, _TAG = 32, 12, 32, 16
_HEADER = bytes((VERSION, SUITE))


@dataclass(frozen=True, slots=True, repr=False)
class _Form:
    wrapped: bytes
    nonce: bytes
    commitment: bytes
    body: bytes

    def encode(self) -> bytes:
        length = len(self.wrapped).to_bytes(2, "big")
        return _HEADER + length + self.wrapped + self.nonce + self.commitment + self.body


def seal(plaintext: bytes, context: SealContext, keys: Keys) -> bytes:
    """Seals ``plaintext`` for one place, under a data key made for it alone. One call to the key service.

    Raises:
        InvalidInput: longer than ``PLAINTEXT_MAX``.
        StateUnavailable, Misconfigured: from the key service.
    """
    if len(plaintext) > PLAINTEXT_MAX:
        raise InvalidInput(f"a secret has at most {PLAINTEXT_MAX} bytes")
    data_key, wrapped = keys.data_key(context.pairs())
    if len(data_key) != _KEY or not 0 < len(wrapped) <= _WRAPPED_MAX:
        raise SealBroken
    nonce = secrets.token_bytes(_NONCE)
    key, commitment = _derive(data_key, nonce, context)
    return _Form(wrapped, nonce, commitment, _cipher(key).encrypt(nonce, plaintext, _associated(context))).encode()


def unseal(sealed: bytes, context: SealContext, keys: Keys) -> Secret[bytes]:
    """Opens what ``seal`` made for the same context. At most one call to the key service, none for what cannot be a seal.

    Raises:
        SealBroken: anything at all is not as it was sealed; the message never says what.
        StateUnavailable, Misconfigured: the key service could not say.
    """
    from cryptography.exceptions import InvalidTag

    form = _parse(sealed)
    data_key = keys.unwrap(form.wrapped, context.pairs())
    if len(data_key) != _KEY:
        raise SealBroken
    key, commitment = _derive(data_key, form.nonce, context)
    if not hmac.compare_digest(commitment, form.commitment):
        raise SealBroken
    try:
        return Secret(_cipher(key).decrypt(form.nonce, form.body, _associated(context)))
    except InvalidTag:
        raise SealBroken from None


def rewrapped(sealed: bytes, context: SealContext, keys: Keys) -> bytes:
    """The same seal with its data key wrapped by the key service's present key; ``sealed`` itself if it is so already.

    Nothing is opened: neither the data key nor the secret comes here. All but the wrapped key stays byte for byte.

    Raises:
        SealBroken: this is no seal, or the key service did not wrap its key for this place.
        StateUnavailable, Misconfigured: from the key service.
    """
    form = _parse(sealed)
    wrapped = keys.rewrap(form.wrapped, context.pairs())
    if not 0 < len(wrapped) <= _WRAPPED_MAX:
        raise SealBroken
    return replace(form, wrapped=wrapped).encode()


def _parse(sealed: bytes) -> _Form:
    length = int.from_bytes(sealed[2:4], "big")
    fixed = len(_HEADER) + 2 + length + _NONCE + _COMMITMENT
    whole = fixed + _TAG <= len(sealed) <= fixed + _TAG + PLAINTEXT_MAX
    if sealed[:2] != _HEADER or not 0 < length <= _WRAPPED_MAX or not whole:
        raise SealBroken
    rest = memoryview(sealed)[4:]
    nonce_at, commitment_at, body_at = length, length + _NONCE, length + _NONCE + _COMMITMENT
    pieces = rest[:nonce_at], rest[nonce_at:commitment_at], rest[commitment_at:body_at], rest[body_at:]
    return _Form(*map(bytes, pieces))


def _derive(data_key: bytes, nonce: bytes, context: SealContext) -> tuple[bytes, bytes]:
    """The cipher's key and the commitment to data key, nonce and context."""
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"farshore seal" + _associated(context)
    made = HKDF(SHA512(), _KEY + _COMMITMENT, salt=nonce, info=info).derive(data_key)
    return made[:_KEY], made[_KEY:]


def _associated(context: SealContext) -> bytes:
    return _HEADER + canonical(context.pairs())


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # imported on first use: a cold start pays for it

    return AESGCM(key)
