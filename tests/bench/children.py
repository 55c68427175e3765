"""Runs a program to its end and says what it cost."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """One finished child: its CPU seconds, and what it printed."""

    cpu: float
    output: str

    @property
    def said(self) -> Any:
        """The last line it printed, read as JSON."""
        return json.loads(self.output.strip().splitlines()[-1])


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, stdin: str = "") -> Run:
    """Raises RuntimeError, with the end of its output, if the program fails."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "RCLONE_CONFIG": os.devnull, "NO_PROXY": "127.0.0.1", **(environment or {})},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(stdin)
    child.stdin.close()
    output = child.stdout.read()
    _, status, spent = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}\n{output[-2000:]}")
    return Run(spent.ru_utime + spent.ru_stime, output)


def python(module: str, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> Run:
    """Runs one of our modules in a fresh interpreter."""
    return run([sys.executable, "-m", module, *arguments], environment=environment, stdin=stdin)


def peak_mib() -> float:
    """The most memory this process ever had resident. Its own account of itself: getrusage's would include its parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
