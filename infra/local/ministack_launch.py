"""Starts MiniStack with CRC64NVME and CRC32C in native code. Run by MiniStack's own interpreter, so it imports nothing of ours.

MiniStack computes these checksums in Python, byte by byte: 4 MB/s, holding up everybody else's requests meanwhile. What it
answers is the same either way.
"""

from awscrt import checksums
from ministack.app import main  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.services import s3  # type: ignore[import-not-found]  # likewise

s3._crc64nvme = checksums.crc64nvme
s3._crc32c = checksums.crc32c

if __name__ == "__main__":
    main()
