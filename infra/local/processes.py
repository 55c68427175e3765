"""Servers of the local stack as child processes that never outlive whoever started them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

READY_SECONDS = 120.0
STOP_SECONDS = 15.0

# Reads its standard input, whose other end only the starter holds. A byte says "stopped as it should be"; an end of file says
# that the starter died, by whatever signal: then the server and all it started are ended in its stead.
_WATCH = """
import os, signal, sys, time
group = int(sys.argv[1])
if not os.read(0, 1):
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(group, number)
            end = time.monotonic() + patience
            while time.monotonic() < end:
                os.killpg(group, 0)
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):
            break
"""


class StartFailed(Exception):
    """A program did not do what it was started for.

    Attributes:
        log: where its output lies; the message ends with the last lines of it.
    """

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} {reason}; its log is {log}\n{tail(log)}")
        self.log = log


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented; empty if there is none."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """An environment with nothing of the caller's but where to find programs: no credentials, proxies or Python paths."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **extra}


def caller_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment (a registry mirror, certificates) without its AWS account; loopback needs no proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "SAM_"))}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "PYTHONDONTWRITEBYTECODE": "1", **extra}


@contextmanager
def server(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    ready: Callable[[], bool],
    log: Path | None = None,
    patience: float = READY_SECONDS,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server in a process group of its own until the block ends, or until this process dies.

    Yields once ``ready`` answers true. Output goes to ``log`` (by default ``folder/name.log``), never to a pipe that could
    fill up. On leaving, SIGTERM and a while to save its state, then SIGKILL to whatever is left of the group.

    Raises:
        StartFailed: it ended early or was not ready within ``patience`` seconds; nothing is left running.
    """
    log = log or folder / f"{name}.log"
    with log.open("ab") as output:
        process = _started(command, clean_environment(environment), folder, output)
    watch = _watch(process.pid)
    try:
        _await(name, process, ready, log, patience)
        yield process
    finally:
        stop(process)
        _dismiss(watch)


def _started(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Begins a program in a session of its own, deaf to the terminal."""
    return subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def run(name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path) -> None:
    """Runs a program to its end, its output in ``log``. If the wait is broken off, it and all it started are ended.

    ``environment`` is all of its environment.

    Raises:
        StartFailed: it ended with an error.
    """
    with log.open("wb") as output:
        process = _started(command, dict(environment), folder, output)
    watch = _watch(process.pid)
    try:
        if process.wait() != 0:
            raise StartFailed(name, f"ended with {process.returncode}", log)
    finally:
        stop(process)
        _dismiss(watch)


def stop(process: subprocess.Popen[bytes], patience: float = STOP_SECONDS) -> None:
    """Ends a process that leads its group, and the group. Idempotent."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    end_group(process.pid)
    process.wait()


def end_group(group: int) -> None:
    """Kills what is left of a process group, if anything."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _await(name: str, process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while not ready():
        if process.poll() is not None:
            raise StartFailed(name, f"ended with {process.returncode}", log)
        if time.monotonic() > end:
            raise StartFailed(name, f"was not ready in {patience:.0f} s", log)
        time.sleep(0.02)
    if process.poll() is not None:  # somebody else answered on its port
        raise StartFailed(name, f"ended with {process.returncode}", log)


def _watch(group: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that Ctrl-C in a terminal does not end the watch before the watched
    )


def _dismiss(watch: subprocess.Popen[bytes]) -> None:
    try:
        watch.communicate(b"x", timeout=STOP_SECONDS)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        watch.kill()
    watch.wait()
