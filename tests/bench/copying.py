"""CPU per GiB streamed and per small object, ours beside rclone's, over the same two servers in one run."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from azure.storage.blob import BlobServiceClient

from infra.local.emulators import azurite, ministack
from tests.bench.children import python, run
from tests.bench.servers import BUCKET, GIB, Folder, memory_folder, rclone_azure, rclone_copy, rclone_s3, serve_s3

ROUNDS = 3
SMALL, SMALL_BYTES = 1000, 4096
TARGET = "target"
KEYS = {"region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}


@dataclass(frozen=True, slots=True)
class Pair:
    """CPU seconds for the same work."""

    ours: float
    rclone: float

    @property
    def ratio(self) -> float:
        return self.ours / self.rclone


@dataclass(frozen=True, slots=True)
class Route:
    """One target as each client names it."""

    ours: Mapping[str, Any]
    rclone: str


def measure() -> Mapping[str, Pair]:
    """By name: ``s3_azure`` and ``s3_s3`` per GiB; ``small_s3_azure`` and ``small_s3_s3`` per thousand objects of 4 KiB.

    Each is the median of three rounds, less what the same client takes to start and find nothing to copy: a worker starts once
    and copies for hours.
    """
    with _servers() as (source, routes):
        idle = {name: _median(lambda route=route: _both(source, route, "nothing/")) for name, route in routes.items()}
        results = {}
        for name, route in routes.items():
            for label, prefix in ((name, "large/"), (f"small_{name}", "small/")):
                results[label] = _less(
                    _median(lambda route=route, prefix=prefix: _both(source, route, prefix)), idle[name]
                )
        return results


@contextmanager
def _servers() -> Iterator[tuple[str, Mapping[str, Route]]]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory_folder(), prefix="bench-")))
        (place / "s3" / BUCKET / "nothing").mkdir(parents=True)
        folder = Folder(place / "s3")
        folder.sparse(BUCKET, "large/one", GIB)
        folder.small(BUCKET, "small", SMALL, SMALL_BYTES)
        source = stack.enter_context(serve_s3(folder.root))
        aws, azure = stack.enter_context(ministack()), stack.enter_context(azurite())
        boto3.client(
            "s3",
            endpoint_url=aws.endpoint,
            region_name=KEYS["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        ).create_bucket(Bucket=TARGET)
        with BlobServiceClient.from_connection_string(azure.connection_string) as service:
            service.create_container(TARGET)
        yield source, {"s3_azure": _to_azure(azure), "s3_s3": _to_s3(aws.endpoint)}


def _to_azure(azure: Any) -> Route:
    arguments = {"container_name": TARGET, "connection_string": azure.connection_string}
    return Route({"connector": "azure_blob", "arguments": arguments}, rclone_azure(azure.blob_endpoint))


def _to_s3(endpoint: str) -> Route:
    arguments = {"bucket_name": TARGET, "endpoint": endpoint, **KEYS}
    return Route({"connector": "s3", "arguments": arguments}, rclone_s3(endpoint))


def _both(endpoint: str, route: Route, prefix: str) -> Pair:
    """One round: ours, then rclone's, of what is under ``prefix``."""
    source = {"connector": "s3", "arguments": {"bucket_name": BUCKET, "endpoint": endpoint, **KEYS}}
    order = {"source": source, "target": route.ours, "prefix": prefix}
    ours = python("tests.bench.copy_worker", json.dumps(order))
    peer = run(rclone_copy(f"{rclone_s3(endpoint)}{BUCKET}/{prefix}", f"{route.rclone}{TARGET}/{prefix}"))
    return Pair(ours.cpu, peer.cpu)


def _median(once: Callable[[], Pair]) -> Pair:
    rounds = [once() for _ in range(ROUNDS)]
    return Pair(median(pair.ours for pair in rounds), median(pair.rclone for pair in rounds))


def _less(pair: Pair, idle: Pair) -> Pair:
    return Pair(pair.ours - idle.ours, pair.rclone - idle.rclone)
