"""Starts MiniStack with four things put right. Run by MiniStack's own interpreter, so it imports nothing of ours.

It computes CRC64NVME and CRC32C in Python, byte by byte: 4 MB/s, holding up everybody else's requests meanwhile. Native code
answers the same. In its policies ``*`` ends at a line break, so that a key with one in it is refused; in IAM's it does not. And
it does not tell policies a KMS request's encryption context, so that no condition on it can be met, or proved to bite. And its
KMS does not know ReEncrypt.
"""

import json
import re
from base64 import b64decode
from functools import cache
from typing import Any

from awscrt import checksums
from ministack.app import main  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-not-found]  # likewise
from ministack.services import kms, s3  # type: ignore[import-not-found]  # likewise

s3._crc64nvme = checksums.crc64nvme
s3._crc32c = checksums.crc32c

_compiled = iam_evaluator._fnmatch_compile


@cache
def _across_lines(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    kept: re.Pattern[str] = _compiled(pattern, ignore_case)
    return re.compile(kept.pattern, kept.flags | re.DOTALL)


iam_evaluator._fnmatch_compile = _across_lines

_request_tags = iam_actions.request_tag_context


def _with_encryption_context(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
    """What a request tells conditions (KMS developer guide, "kms:EncryptionContext:context-key")."""
    known: dict[str, Any] = _request_tags(service, action, body, parameters)
    if service != "kms" or body[:1] != b"{":
        return known
    told = json.loads(body)
    context = told.get("EncryptionContext") or told.get("SourceEncryptionContext") or {}
    named = {f"kms:EncryptionContext:{name}": str(value) for name, value in context.items()}
    return {**known, **named, **({"kms:EncryptionContextKeys": list(context)} if context else {})}


iam_actions.request_tag_context = _with_encryption_context

_KEY_ID_LENGTH = 36  # a symmetric ciphertext of MiniStack's begins with its key's id
_kms_requests = kms.handle_request


def _re_encrypted(told: dict[str, Any]) -> Any:
    """KMS API reference, ReEncrypt: opened under the key that is named, wrapped under another, shown to nobody."""
    source = told.get("SourceKeyId", "").rpartition("/")[2]
    if source and b64decode(told["CiphertextBlob"])[:_KEY_ID_LENGTH] != source.encode():
        return kms.error_response_json("IncorrectKeyException", "", 400)
    sealed = {"CiphertextBlob": told["CiphertextBlob"], "EncryptionContext": told.get("SourceEncryptionContext", {})}
    opened = kms._decrypt(sealed)
    if opened[0] != 200:
        return opened
    plain = json.loads(opened[2])
    destination = told.get("DestinationEncryptionContext", {})
    wrapped = kms._encrypt(
        {"KeyId": told["DestinationKeyId"], "Plaintext": plain["Plaintext"], "EncryptionContext": destination}
    )
    if wrapped[0] != 200:
        return wrapped
    anew = json.loads(wrapped[2])
    materials = {
        "SourceKeyMaterialId": plain["KeyMaterialId"],
        "DestinationKeyMaterialId": kms._key_material_id(kms._resolve_key(told["DestinationKeyId"])),
    }
    return kms.json_response({**anew, "SourceKeyId": plain["KeyId"], **materials})


async def _with_re_encrypt(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
    if headers.get("x-amz-target", "").endswith(".ReEncrypt"):
        return _re_encrypted(json.loads(body))
    return await _kms_requests(method, path, headers, body, query)


kms.handle_request = _with_re_encrypt

if __name__ == "__main__":
    main()
