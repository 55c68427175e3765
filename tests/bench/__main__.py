"""`make bench`: measures everything, prints one table, writes ``.farshore/bench.json``."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from tests.bench import copying, functions, imports, lag, stack
from tests.bench.children import ROOT

FILE = ROOT / ".farshore" / "bench.json"


def main() -> None:
    began = time.monotonic()
    _say("copying beside rclone ...")
    copies = copying.measure()
    _say("bringing the local stack up ...")
    with stack.running() as here, functions.bench(here) as on:
        _say("lag ...")
        lags = lag.measure(here.contract)
        _say("calls, memory, imports ...")
        counted, peaks = functions.calls(on), functions.memory(on)
        ratios = imports.measure(functions.cold(on))
    result = {
        "cpu_per_gib_vs_rclone": {name: round(copies[name].ratio, 3) for name in ("s3_azure", "s3_s3")},
        "small_objects_cpu_vs_rclone": round(copies["small_s3_s3"].ratio, 3),
        "rss_mib": {name: round(peak, 1) for name, peak in peaks.items()},
        "store_calls_per_small_object": counted["store"],
        "dynamodb_calls_per_small_object": counted["dynamodb"],
        "import_cpu_vs_boto3": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "lag_seconds": {name: round(seconds, 3) for name, seconds in lags.items()},
    }
    FILE.parent.mkdir(exist_ok=True, mode=0o700)
    FILE.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result, copies))
    _say(f"{time.monotonic() - began:.0f} s; the figures are in {FILE.relative_to(ROOT)}")


def table(result: Mapping[str, Any], copies: Mapping[str, copying.Pair]) -> str:
    """The one table: what, ours, the peer's, their ratio or what must hold."""
    lines = [("", "ours", "peer", "ratio", "must hold")]
    for name, words in (("s3_azure", "S3 -> Azure"), ("s3_s3", "S3 -> S3")):
        pair = copies[name]
        lines.append((f"CPU s per GiB streamed, {words}", *_pair(pair), "<= 0.75 of rclone"))
    for name, words in (("small_s3_azure", "S3 -> Azure"), ("small_s3_s3", "S3 -> S3")):
        pair, count = copies[name], copying.SMALL
        rates = f"{count / pair.ours:.0f}", f"{count / pair.rclone:.0f}"
        lines.append((f"objects of 4 KiB per CPU s, {words}", *rates, f"{pair.ratio:.2f} of its CPU", ""))
    for name, peak in result["rss_mib"].items():
        flat = "" if name == "256MiB" else f"{peak / result['rss_mib']['256MiB']:.3f}"
        lines.append((f"peak resident MiB, {name}", f"{peak:.0f}", "", flat, "< 256; 5GiB within 5 % of 256MiB"))
    lines.append(("store calls per small object", f"{result['store_calls_per_small_object']:g}", "", "", "<= 5"))
    lines.append(("DynamoDB calls per small object", f"{result['dynamodb_calls_per_small_object']:g}", "", "", "<= 3"))
    for name, ratio in result["import_cpu_vs_boto3"].items():
        lines.append((f"imports of {name} by its first event", "", "boto3 client", f"{ratio:.2f}", "<= 2.0"))
    for name, seconds in result["lag_seconds"].items():
        lines.append((f"seconds from PUT to verified copy, {name}", f"{seconds:.2f}", "", "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _pair(pair: copying.Pair) -> tuple[str, str, str]:
    return f"{pair.ours:.2f}", f"{pair.rclone:.2f}", f"{pair.ratio:.2f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
