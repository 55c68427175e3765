"""Starts MiniStack with three things put right. Run by MiniStack's own interpreter, so it imports nothing of ours.

It computes CRC64NVME and CRC32C in Python, byte by byte: 4 MB/s, holding up everybody else's requests meanwhile. Native code
answers the same. In its policies ``*`` ends at a line break, so that a key with one in it is refused; in IAM's it does not. And
it does not tell policies a KMS request's encryption context, so that no condition on it can be met, or proved to bite.
"""

import json
import re
from functools import cache
from typing import Any

from awscrt import checksums
from ministack.app import main  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.core import iam_actions, iam_evaluator  # type: ignore[import-not-found]  # likewise
from ministack.services import s3  # type: ignore[import-not-found]  # likewise

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

if __name__ == "__main__":
    main()
