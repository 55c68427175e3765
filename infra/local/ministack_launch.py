"""Starts MiniStack with two things put right. Run by MiniStack's own interpreter, so it imports nothing of ours.

It computes CRC64NVME and CRC32C in Python, byte by byte: 4 MB/s, holding up everybody else's requests meanwhile. Native code
answers the same. And in its policies ``*`` ends at a line break, so that a key with one in it is refused; in IAM's it does not.
"""

import re
from functools import cache

from awscrt import checksums
from ministack.app import main  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.core import iam_evaluator  # type: ignore[import-not-found]  # likewise
from ministack.services import s3  # type: ignore[import-not-found]  # likewise

s3._crc64nvme = checksums.crc64nvme
s3._crc32c = checksums.crc32c

_compiled = iam_evaluator._fnmatch_compile


@cache
def _across_lines(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    kept: re.Pattern[str] = _compiled(pattern, ignore_case)
    return re.compile(kept.pattern, kept.flags | re.DOTALL)


iam_evaluator._fnmatch_compile = _across_lines

if __name__ == "__main__":
    main()
