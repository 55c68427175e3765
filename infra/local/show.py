"""Drops a file into the primary bucket and shows, from the real API, how its copies come to be."""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig

from infra.local.contract import Contract
from infra.local.deployment import STACK
from infra.local.home import StackError

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 180.0  # without any news
SAMPLE_MIB = 16
WHOLE_BYTES = 256 * 1024 * 1024
_BAR = 24


def sample(folder: Path) -> Path:
    """A file to drop when the person names none: big enough that its parts can be seen to move."""
    file = folder / "welcome.txt"
    line = b"Every object that lands in the primary bucket reaches every backup, verified. "
    if not file.exists():
        file.write_bytes((line * (SAMPLE_MIB * 1024 * 1024 // len(line) + 1))[: SAMPLE_MIB * 1024 * 1024])
    return file


def chosen(folder: Path, file: Path | None) -> Path:
    """The file to drop: the person's, or the sample. Asked before anything is brought up.

    Raises:
        StackError: there is no such file.
    """
    if file is None:
        return sample(folder)
    if not file.is_file():
        raise StackError(f"There is no file {file}")
    return file


def drop(contract: Contract, file: Path) -> tuple[str, str | None]:
    """Puts the file under the tenant's prefix; (key, version). Large files go in parts."""
    s3, key = contract.account.client("s3"), contract.prefix + file.name
    # In one piece and with a checksum of the whole, S3 can copy it by itself and prove the copy.
    whole = TransferConfig(multipart_threshold=WHOLE_BYTES)
    s3.upload_file(str(file), contract.bucket, key, ExtraArgs={"ChecksumAlgorithm": "CRC64NVME"}, Config=whole)
    version = s3.head_object(Bucket=contract.bucket, Key=key).get("VersionId")
    return key, version if version != "null" else None


def follow(contract: Contract, key: str, version: str | None) -> None:
    """Shows each target's progress until every copy of this version is verified.

    Raises:
        StackError: a copy failed for good, or nothing moved for three minutes.
    """
    screen = Screen(contract, key)
    done, counts = _Done(contract, key), dict[str, int]()
    news, since = None, time.monotonic()
    while True:
        rows = {name: row for name, row in _replicas(contract, key).items() if not _is_older(row, version)}
        if any(row["status"] == "copying" for row in rows.values()):
            counts |= done()  # what was known stays: a copy that just ended has no count any more
            rows = {name: {**row, "bytesDone": counts.get(name)} for name, row in rows.items()}
        screen.show(rows)
        if _settled(contract, rows):
            return
        if news != rows:
            news, since = rows, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise StackError("No copy moved for three minutes; see .farshore/logs/ministack.log")
        time.sleep(POLL_SECONDS)


class _Done:
    """How far copies are, in bytes by target. The API tells states only; the ledger behind it knows this too."""

    def __init__(self, contract: Contract, key: str) -> None:
        self._dynamodb, self._object = contract.account.client("dynamodb"), f"{contract.tenant}#{key}"

    def __call__(self) -> Mapping[str, int]:
        rows = self._dynamodb.query(
            TableName=f"{STACK}-replicas",
            KeyConditionExpression="#object = :object",
            ExpressionAttributeNames={"#object": "object"},
            ExpressionAttributeValues={":object": {"S": self._object}},
        )["Items"]
        return {row["target"]["S"]: int(row["bytes_done"]["N"]) for row in rows if "bytes_done" in row}


class Screen:
    """Progress for people: redrawn in place on a terminal, otherwise a line for each change of state."""

    def __init__(self, contract: Contract, key: str) -> None:
        self._targets = contract.targets
        self._width = max(map(len, contract.targets))
        self._terminal = sys.stdout.isatty()
        self._shown: dict[str, str] = {}
        print(f"s3://{contract.bucket}/{key}")

    def show(self, rows: Mapping[str, Any]) -> None:
        lines = {name: describe(rows.get(name)) for name in self._targets}
        if lines == self._shown:
            return
        if self._terminal and self._shown:
            sys.stdout.write(f"\x1b[{len(lines)}A")
        for name, line in lines.items():
            if self._terminal:
                print(f"\x1b[2K  {name:<{self._width}}  {line}")
            elif line != self._shown.get(name):
                print(f"  {name:<{self._width}}  {line}")
        sys.stdout.flush()
        self._shown = lines


def describe(row: Mapping[str, Any] | None) -> str:
    """One replica in one line."""
    if row is None:
        return "waiting"
    match row["status"]:
        case "replicated":
            sums = " ".join(f"{name} {value}" for name, value in sorted((row.get("checksums") or {}).items()))
            lag = row.get("lagSeconds")
            took = f"{lag:.1f} s" if lag is not None else ""
            return f"verified    {_bytes(row.get('size'))}  {row.get('path') or ''}  {sums}  {took}".rstrip()
        case "copying":
            return f"copying     {_progress(row)}"
        case "failed" | "pending" if row.get("error"):
            return (
                f"{row['status']:<10}  attempt {row.get('attempts')}: {row['error']['code']}: {row['error']['message']}"
            )
        case status:
            return str(status)


def _is_older(row: Mapping[str, Any], version: str | None) -> bool:
    """Whether a row still speaks of the copy of an earlier version."""
    return row["status"] == "replicated" and version is not None and row.get("sourceVersion") != version


def _settled(contract: Contract, rows: Mapping[str, Any]) -> bool:
    failed = [name for name, row in rows.items() if row["status"] == "failed"]
    if failed:
        raise StackError(
            f"Not copied to {', '.join(failed)}. Mend the cause, then send it round again with `make redrive`."
        )
    done = [row["status"] == "replicated" for row in rows.values()]
    return len(done) == len(contract.targets) and all(done)


def _replicas(contract: Contract, key: str) -> Mapping[str, Any]:
    """This object's replicas by target, as the API tells the tenant's owner."""
    query = urllib.parse.urlencode({"keyPrefix": key, "limit": 1000})
    request = urllib.request.Request(
        f"{contract.api}/api/v1/tenants/{contract.tenant}/replicas?{query}",
        headers={"Authorization": f"Bearer {contract.owner_token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            items = json.load(answer)["items"]
    except urllib.error.HTTPError as refused:
        raise StackError(f"The API answered {refused.code}: {refused.read().decode(errors='replace')[:500]}") from None
    return {item["target"]: item for item in items if item["sourceKey"] == key}


def _progress(row: Mapping[str, Any]) -> str:
    size, done = row.get("size") or 0, row.get("bytesDone") or 0
    share = done / size if size else 0.0
    bar = "#" * round(share * _BAR)
    return f"[{bar:<{_BAR}}] {share:4.0%} of {_bytes(size)}"


def _bytes(count: int | None) -> str:
    if count is None:
        return ""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):  # noqa: B007 # the last one reached is used
        if size < 1024:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
