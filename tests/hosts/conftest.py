"""The local stack, started once for all tests that need a whole one, in a folder of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local import servers
from infra.local.emulators import ROOT
from infra.local.home import Home
from infra.local.processes import caller_environment, server
from tests.hosts.stack import Stack

# Quick enough to see retries, exhaustion and the return of a dead worker's jobs within seconds.
PACE = {"RetryBase": "0.5", "RetryMax": "1", "JobAttempts": "12", "JobsHeartbeat": "3", "SweepSchedule": "rate(1 day)"}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Runs what ``make run`` runs, and stops it as Ctrl-C does. Nothing may be left running then."""
    home = Home(tmp_path_factory.mktemp("stack") / "home")
    home.folder.mkdir()
    file = home.folder.parent / "first drop.txt"
    file.write_bytes(b"the first object\n" * 1000)
    log = home.folder.parent / "up.log"
    pace = [f"--parameter={name}={value}" for name, value in PACE.items()]
    with server(
        "up",
        [sys.executable, "-m", "infra.local", "--home", str(home.folder), "up", "--file", str(file), *pace],
        environment=caller_environment({"PYTHONPATH": str(ROOT)}),
        folder=ROOT,
        log=log,
        ready=lambda: "Every copy is verified" in log.read_text(),
        patience=300,
    ):
        yield Stack(home)
    assert servers.running(home) is None
    assert left_running(home.folder) == []


def left_running(folder: Path) -> list[str]:
    """Processes of this folder's stack: those that name it, or work in it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words or str(process.info["cwd"] or "").startswith(str(folder)):
            found.append(words)
    return found
