"""The functions themselves, on the local stack: calls per small object, memory by object size, what a cold start loads."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.domain.event import Job
from shared.domain.ids import RuleId
from shared.runtime.queues import encode
from tests.bench.children import ROOT, python
from tests.bench.servers import BUCKET, GIB, MIB, Folder, memory_folder, serve_s3
from tests.bench.stack import AZURE, LARGE_PREFIX, SMALL_PREFIX, TENANT, Stack, provide

SMALL, WARM, SMALL_BYTES = 25, 5, 4096
SIZES = {"256MiB": 256 * MIB, "1GiB": GIB, "5GiB": 5 * GIB}


@dataclass(frozen=True, slots=True)
class Bench:
    """A stack with the tenant for measurements and its source: a function's environment there."""

    environment: Mapping[str, str]

    def work(self, keys: Sequence[str], warm: int = 0) -> Any:
        """Has one fresh worker plan and copy these objects."""
        order = json.dumps({"keys": keys, "warm": warm})
        return python("tests.bench.function_worker", environment=self.environment, stdin=order).said


@contextmanager
def bench(stack: Stack) -> Iterator[Bench]:
    """Serves the source and adds the tenant."""
    with tempfile.TemporaryDirectory(dir=memory_folder(), prefix="bench-") as place:
        folder = Folder(Path(place) / "s3")
        folder.small(BUCKET, SMALL_PREFIX.rstrip("/"), SMALL, SMALL_BYTES)
        for name, size in SIZES.items():
            folder.sparse(BUCKET, f"{LARGE_PREFIX}{name}", size)
        with serve_s3(folder.root) as endpoint:
            provide(stack)
            yield Bench({**stack.environment, "AWS_ENDPOINT_URL_S3": endpoint})


def calls(on: Bench) -> Mapping[str, float]:
    """``store`` and ``dynamodb`` requests per small object, of the target that takes most; each with the plan's whole share.

    A worker that runs already, since rules and integrations are read once a minute and not once an object.
    """
    keys = [f"{SMALL_PREFIX}{number:04}" for number in range(SMALL)]
    by_target = on.work(keys, WARM)["calls"].values()
    return {
        "store": max(counted.get("s3", 0) + counted.get("azure", 0) for counted in by_target),
        "dynamodb": max(counted["dynamodb"] for counted in by_target),
    }


def memory(on: Bench) -> Mapping[str, float]:
    """Peak resident MiB of a fresh worker that streams one object of each size to Azure."""
    return {name: on.work([f"{LARGE_PREFIX}{name}"])["peak"] for name in SIZES}


def cold(on: Bench) -> Mapping[str, Sequence[str]]:
    """By function: every module it has imported once its first event is done."""
    event = json.loads((ROOT / "events/s3-eventbridge-created.json").read_text())
    event["detail"]["bucket"]["name"] = BUCKET
    event["detail"]["object"]["key"] = f"{SMALL_PREFIX}0000"
    job = Job(TENANT, RuleId("rule-0"), AZURE, f"{SMALL_PREFIX}0001", datetime.now(UTC))
    events = {
        "plan": json.dumps(event),
        "replicate": encode(job),
        "sweep": "{}",
        "api": (ROOT / "events/api-v2.json").read_text(),
    }
    return {
        name: python("tests.bench.cold_worker", name, environment=on.environment, stdin=text).said
        for name, text in events.items()
    }
