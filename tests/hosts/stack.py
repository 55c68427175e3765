"""A whole local stack as the tests see it: its clients, its API, and what its targets really hold."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import httpx
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from infra.local import contract, servers
from infra.local.account import resources
from infra.local.deployment import STACK
from infra.local.emulators import ROOT
from infra.local.home import Home
from infra.local.operate import function_environment
from infra.local.processes import clean_environment

PATIENCE = 120.0


def eventually[T](ask: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """The first true answer; fails with ``what`` when patience runs out."""
    end = time.monotonic() + patience
    while not (answer := ask()):
        assert time.monotonic() < end, f"not within {patience:.0f} s: {what}"
        time.sleep(0.1)
    return answer


@dataclass(frozen=True)
class Copy:
    """An object as a target holds it."""

    body: bytes
    content_type: str | None
    metadata: Mapping[str, str]
    tag: str


@dataclass(frozen=True)
class Place:
    """One tenant's primary and backups on the stack."""

    stack: "Stack"
    tenant: str
    prefix: str
    bucket: str
    container: str
    azure: str = field(repr=False)
    token: str = field(repr=False)

    def put(self, name: str, body: bytes, **more: Any) -> str:
        """Puts an object into the primary; its version."""
        answer = self.stack.s3.put_object(Bucket=self.stack.primary, Key=self.prefix + name, Body=body, **more)
        return answer["VersionId"]

    def delete(self, name: str) -> None:
        self.stack.s3.delete_object(Bucket=self.stack.primary, Key=self.prefix + name)

    @cached_property
    def blobs(self) -> ContainerClient:
        return ContainerClient.from_connection_string(self.azure, self.container, retry_total=0)

    def on_s3(self, key: str) -> Copy | None:
        s3 = self.stack.s3
        try:
            found = s3.get_object(Bucket=self.bucket, Key=key)
        except s3.exceptions.NoSuchKey:
            return None
        metadata = {name: value for name, value in found["Metadata"].items() if name != "farshore-stamp"}
        return Copy(found["Body"].read(), found["ContentType"], metadata, found["ETag"])

    def on_azure(self, key: str) -> Copy | None:
        try:
            found = self.blobs.download_blob(key)
        except ResourceNotFoundError:
            return None
        says = found.properties
        metadata = {name: value for name, value in says.metadata.items() if name != "farshore_stamp"}
        return Copy(found.readall(), says.content_settings.content_type, metadata, says.etag)

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        """All of the tenant's replicas that answer the query, page by page."""
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            status, answer = self.stack.get(f"tenants/{self.tenant}/replicas", self.token, limit=1000, **query, **more)
            assert status == 200, answer
            found += answer["items"]
            cursor = answer["nextCursor"]
            if cursor is None:
                return found

    def row(self, name: str, target: str) -> dict[str, Any] | None:
        rows = [row for row in self.rows(key=self.prefix + name) if row["target"] == target]
        return rows[0] if rows else None

    def replicated(self, versions: Mapping[str, str], targets: Iterable[str], patience: float = PATIENCE) -> None:
        """Waits until the API calls every target's copy of every object ``replicated`` at its version."""
        wanted = {(self.prefix + name, target, version) for name, version in versions.items() for target in targets}

        def missing() -> set[tuple[str, str, str]]:
            rows = self.rows(keyPrefix=self.prefix, status="replicated")
            return wanted - {(row["sourceKey"], row["target"], row["sourceVersion"]) for row in rows}

        try:
            eventually(lambda: not missing(), f"{len(wanted)} copies", patience)
        except AssertionError as late:
            for key, target, _ in sorted(missing())[:10]:
                late.add_note(str([row for row in self.rows(key=key) if row["target"] == target]))
            raise


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    home: Home

    @cached_property
    def contract(self) -> contract.Contract:
        return contract.read(self.home)

    @cached_property
    def told(self) -> dict[str, Any]:
        return json.loads(self.home.contract.read_text())

    @cached_property
    def s3(self) -> Any:
        return self.contract.account.client("s3")

    @cached_property
    def sqs(self) -> Any:
        return self.contract.account.client("sqs")

    @property
    def primary(self) -> str:
        return self.contract.bucket

    @cached_property
    def settings(self) -> Mapping[str, str]:
        return function_environment(self.contract.account)

    @property
    def servers(self) -> servers.Servers:
        running = servers.running(self.home)
        assert running is not None
        return running

    @cached_property
    def demo(self) -> Place:
        here = self.told
        (bucket, container) = [target["container"] for target in here["targets"]]
        azure, token = here["azure"]["connectionString"], here["tokens"]["owner"]
        return Place(self, here["tenantId"], here["sourcePrefix"], bucket, container, azure, token)

    def get(self, path: str, token: str | None = None, **query: Any) -> tuple[int, Any]:
        """GET of the API: status and JSON."""
        url = f"{self.contract.api}/api/v1/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> httpx.Response:
        """Any call of the API, as the demo tenant's owner unless told otherwise. No redirect is followed."""
        headers = {"Authorization": f"Bearer {token or self.contract.owner_token}"}
        return httpx.request(method, f"{self.contract.api}/api/v1/{path}", json=body, headers=headers, timeout=60)

    def function(self, word: str) -> str:
        """The name of the function that has this word in its logical name."""
        (name,) = [
            name for name in resources(self.contract.account, STACK, "AWS::Lambda::Function") if word in name.lower()
        ]
        return name

    def invoke(self, word: str, event: Mapping[str, Any]) -> Any:
        """Calls a function with an event, as its trigger would; what it answered."""
        answer = self.contract.account.client("lambda").invoke(
            FunctionName=self.function(word), Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.load(answer["Payload"])

    def farshore(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> Any:
        """Runs the operator's command against the stack; what it said."""
        environment = {**self.settings, **self.contract.account.environment(), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "functions.cli", *arguments],
            cwd=ROOT,
            env=clean_environment(environment),
            input=json.dumps(secrets or {}),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def dead(self, queue: str) -> list[dict[str, Any]]:
        """What lies in a dead-letter queue, left there."""
        url, found = self.settings[f"FARSHORE_{queue.upper()}_DLQ_URL"], dict[str, Any]()
        for _ in range(3):
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            )
            found |= {message["MessageId"]: message for message in answer.get("Messages", ())}
        return list(found.values())


def bytes_of(size: int, seed: str) -> bytes:
    """Bytes that look random and are always the same."""
    block = b"".join(sha256(f"{seed}/{number}".encode()).digest() for number in range(32))
    return (block * (size // len(block) + 1))[:size]
