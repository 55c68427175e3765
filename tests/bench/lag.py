"""From a PUT's answer to the verified copy in the ledger, on the local stack as deployed."""

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from infra.local.contract import Contract

OBJECTS = 500
PER_SECOND = 10
BYTES = 4096
PATIENCE_SECONDS = 300


def measure(here: Contract) -> Mapping[str, float]:
    """``p50`` and ``p99`` seconds over 500 objects of 4 KiB and both backups of each.

    Ten objects a second: what is measured is how long one object takes, not how long this computer works off a heap of them.
    """
    put_at = _put_all(here)
    lags = [
        datetime.fromisoformat(row["replicatedAt"]).timestamp() - put_at[row["sourceKey"]] for row in _settled(here)
    ]
    cuts = quantiles(lags, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


def _put_all(here: Contract) -> Mapping[str, float]:
    s3 = here.account.client("s3")
    began = time.time() + 0.1

    def put(number: int) -> tuple[str, float]:
        key = f"{here.prefix}lag/{number:04}"
        time.sleep(max(0.0, began + number / PER_SECOND - time.time()))
        s3.put_object(Bucket=here.bucket, Key=key, Body=number.to_bytes(4, "big") * (BYTES // 4))
        return key, time.time()

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(put, range(OBJECTS)))


def _settled(here: Contract) -> list[Any]:
    """All rows, once each object is replicated on each target."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        rows = [row for row in _rows(here) if row["status"] == "replicated"]
        if len(rows) == OBJECTS * len(here.targets):
            return rows
        time.sleep(1)
    raise RuntimeError(f"not all of {OBJECTS} objects were replicated within {PATIENCE_SECONDS} s")


def _rows(here: Contract) -> Iterator[Any]:
    query = {"keyPrefix": f"{here.prefix}lag/", "limit": "100"}
    while True:
        url = f"{here.api}/api/v1/tenants/{here.tenant}/replicas?{urlencode(query)}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {here.owner_token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = json.load(answer)
        yield from page["items"]
        if not page["nextCursor"]:
            return
        query["cursor"] = page["nextCursor"]
