"""The one long-lived process of a local stack: it holds emulators, issuer, front door and simulated houses, and ends them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from infra.local import front, issuer
from infra.local.emulators import ROOT, Azurite, Emulator, azurite, ministack
from infra.local.home import Home, StackError, claim_ports
from infra.local.processes import STOP_SECONDS, clean_environment, end_group, is_free, server
from infra.local.providers import clients

RUNNING = "running.json"
REGION = "us-east-1"
AZURITE_AWAY_SECONDS = 15.0
UP_SECONDS = 180.0  # a busy disk may keep an emulator from its own files for a minute
LOG_MAX = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a running stack's servers are, and the process that holds them.

    Attributes:
        front: the stack's public address.
        houses: where each simulated house is, by name.
        private_hosts: ``host:port`` of what Farshore may call here although it is private, separated by commas.
    """

    pid: int
    aws_endpoint: str
    blob_endpoint: str
    azure_connection_string: str
    issuer: str
    front: str
    houses: Mapping[str, str]
    private_hosts: str


def serve(home: Home) -> None:
    """Runs the servers until SIGTERM or SIGINT. What they keep is saved then."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = claim_ports(home)
    _trim_logs(home)
    key = issuer.signing_key(home.folder / "issuer.pem")
    with (
        ministack(
            auth=True,
            state_dir=home.state("aws"),
            log_dir=home.logs,
            port=ports["aws"],
            secret_access_key=home.secret(),
            region=REGION,
        ) as aws,
        ExitStack() as azure_stack,
        issuer.serving(key, ports["issuer"]) as issued_by,
        clients.houses(home, ports) as houses,
        front.open_front(home, ports["front"]) as door,
    ):
        azure = _start_azurite(azure_stack, home, ports)
        private = ",".join(f"127.0.0.1:{ports[name]}" for name in (*houses, "hooks"))
        _note(home, aws, azure, {"issuer": issued_by, "front": door, "houses": houses, "privateHosts": private})
        try:
            while not ended.wait(1.0) and _runs(aws.pid):
                # A backup that is down is a case to try out, not the end of the stack; it comes back by itself.
                if not _runs(azure.pid) and not ended.wait(AZURITE_AWAY_SECONDS) and is_free(ports["blobs"]):
                    azure_stack.close()
                    azure = _start_azurite(azure_stack, home, ports)
        finally:
            home.forget(RUNNING)
    if not ended.is_set():
        raise StackError(f"The AWS emulator ended by itself; see {home.logs}")


def _note(home: Home, aws: Emulator, azure: Azurite, own: Mapping[str, Any]) -> None:
    """Says where the servers are, and whose they are: this process's."""
    home.write(
        RUNNING,
        {
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "awsEndpoint": aws.endpoint,
            "blobEndpoint": azure.blob_endpoint,
            "azureConnectionString": azure.connection_string,
            **own,
        },
    )


def _start_azurite(stack: ExitStack, home: Home, ports: Mapping[str, int]) -> Azurite:
    return stack.enter_context(
        azurite(state_dir=home.state("azure"), log_dir=home.logs, port=ports["blobs"], queue_port=ports["queues"])
    )


def running(home: Home) -> Servers | None:
    """The servers of this folder, if they run. A recycled process id is told apart by its start time."""
    noted = home.read(RUNNING)
    if noted is None or "front" not in noted or not _lives(noted):
        return None  # without a front door it is an earlier version's
    return Servers(
        pid=noted["pid"],
        aws_endpoint=noted["awsEndpoint"],
        blob_endpoint=noted["blobEndpoint"],
        azure_connection_string=noted["azureConnectionString"],
        issuer=noted["issuer"],
        front=noted["front"],
        houses=noted["houses"],
        private_hosts=noted["privateHosts"],
    )


@contextmanager
def attached(home: Home) -> Iterator[Servers]:
    """Starts the servers; they end with the block, and with this process whatever ends it."""
    claim_ports(home)
    home.forget(RUNNING)
    environment = {"PYTHONPATH": str(ROOT)}
    with server(
        "servers",
        _command(home),
        environment=environment,
        folder=home.folder,
        log=home.logs / "servers.log",
        ready=lambda: running(home) is not None,
        patience=UP_SECONDS,
    ):
        yield _present(home)


def detach(home: Home) -> Servers:
    """Starts the servers and leaves them; ``stop`` ends them."""
    claim_ports(home)
    home.forget(RUNNING)
    with (home.logs / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            _command(home),
            cwd=home.folder,
            env=clean_environment({"PYTHONPATH": str(ROOT)}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + UP_SECONDS
    while running(home) is None:
        if process.poll() is not None or time.monotonic() > end:
            end_group(process.pid)
            raise StackError(f"The servers did not start; see {home.logs / 'servers.log'}")
        time.sleep(0.02)
    return _present(home)


def stop(home: Home) -> bool:
    """Ends the servers of this folder; whether there were any. Nothing else is ever signalled."""
    noted = home.read(RUNNING)
    if noted is None or not _lives(noted):
        home.forget(RUNNING)
        return False
    process = psutil.Process(noted["pid"])
    try:
        process.terminate()
        process.wait(3 * STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        process.kill()  # its watches end the emulators
    home.forget(RUNNING)
    return True


def _command(home: Home) -> list[str]:
    return [sys.executable, "-m", "infra.local", "--home", str(home.folder), "serve"]


def _present(home: Home) -> Servers:
    servers = running(home)
    if servers is None:
        raise StackError(f"The servers ended at once; see {home.logs / 'servers.log'}")
    return servers


def _lives(noted: Any) -> bool:
    try:
        process = psutil.Process(noted["pid"])
        return abs(process.create_time() - noted["started"]) < 0.01 and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, KeyError, TypeError):
        return False


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _trim_logs(home: Home) -> None:
    for log in home.logs.glob("*.log"):
        if log.stat().st_size > LOG_MAX:
            os.truncate(log, 0)
