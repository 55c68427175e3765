"""A child that copies what is under a prefix with the production connectors, a few objects at a time as the worker does."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared.connectors.registry import load
from shared.domain.precondition import Any as Whatever
from tests.bench.children import peak_mib

THREADS = 4


def main(order: dict[str, Any]) -> None:
    """Copies, and says how much memory that took at most."""
    source, target = connect(order["source"]), connect(order["target"])
    keys = [item.path for item in source.list(order["prefix"]).items]

    def copy(key: str) -> int:
        with source.open(key) as opened:
            return target.write(key, opened.content, precondition=Whatever()).size

    with ThreadPoolExecutor(THREADS) as pool:
        copied = sum(pool.map(copy, keys))
    print(json.dumps({"objects": len(keys), "bytes": copied, "peak": peak_mib()}))


def connect(described: dict[str, Any]) -> Any:
    return load(described["connector"])(**described["arguments"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
