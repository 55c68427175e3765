"""The folder in which one local stack keeps everything: state, logs, keys, ports. `.farshore` unless told otherwise."""

import fcntl
import json
import os
import random
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.processes import is_free

PORT_NAMES = ("aws", "blobs", "queues", "issuer", "front", "dropbox", "google", "microsoft", "box", "hooks")
"""``front`` leads to the API; ``hooks`` is kept for whoever wants to receive webhooks here."""
# Below Linux's and macOS's ephemeral ranges (from 32768 and 49152), so that no outgoing connection borrows a kept port.
PORT_RANGE = range(20_000, 32_000)


class StackError(Exception):
    """Something that the person at the keyboard has to know. Its text says what happened and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder. Every file in it that tells a secret can be read by its owner only."""

    folder: Path

    @property
    def contract(self) -> Path:
        """What clients of the stack read: addresses, names, tokens."""
        return self.folder / "local.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def prepare(self) -> None:
        for folder in (self.folder, self.logs, self.state("aws"), self.state("azure"), self.state("sam")):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def state(self, service: str) -> Path:
        """Where an emulator keeps what was stored."""
        return self.folder / "state" / service

    def read(self, name: str) -> Any | None:
        """A JSON file of this folder; None if there is none, or none that can be read."""
        try:
            return json.loads((self.folder / name).read_text())
        except (OSError, ValueError):
            return None

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a JSON file whole or not at all, for its owner's eyes only."""
        draft = self.folder / f".{name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(value, indent=2) + "\n")
        draft.replace(self.folder / name)

    def forget(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one command at a time change this stack; others wait for it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def secret(self) -> str:
        """The secret access key of this stack's AWS account, made at the first call."""
        kept = self.read("account.json")
        if kept is None:
            kept = {"secretAccessKey": secrets.token_urlsafe(30)}
            self.write("account.json", kept)
        return str(kept["secretAccessKey"])


def claim_ports(home: Home) -> Mapping[str, int]:
    """The loopback ports of this stack: chosen once, then kept, since stored queue addresses and credentials name them.

    Raises:
        StackError: somebody else listens on one of them.
    """
    kept: dict[str, int] = home.read("ports.json") or {}
    missing = [name for name in PORT_NAMES if name not in kept]
    if missing:  # all of them; or those that an earlier version did not have
        kept |= zip(missing, _choose(len(missing), set(kept.values())), strict=True)
        home.write("ports.json", kept)
    taken = [f"{port} ({name})" for name, port in kept.items() if not is_free(port)]
    if taken:
        raise StackError(
            f"Another program listens on the stack's port {', '.join(taken)}. "
            "Stop it, or forget this stack's data with `make reset` to choose new ports."
        )
    return {str(name): int(port) for name, port in kept.items()}


def _choose(count: int, taken: set[int]) -> list[int]:
    candidates = random.sample(PORT_RANGE, 200)
    return [port for port in candidates if port not in taken and is_free(port)][:count]
