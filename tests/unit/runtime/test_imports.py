"""What a cold start costs, and what it does not touch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HANDLERS = ("plan", "replicate", "sweep", "api", "connect", "refresh", "notify", "deliver")
BUDGET = 2.0  # CPU of an import over that of `import boto3; boto3.client("s3")`
BASELINE = 'import boto3; boto3.client("s3", region_name="us-east-1")'
_MEASURE = "import resource; {0}; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"


def run(code: str, **environment: str) -> str:
    """Runs code in a fresh interpreter without any of this one's environment."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cpu(code: str, cache: Path) -> float:
    """The least of three, after one that leaves its bytecode behind: packages ship theirs."""
    return min([float(run(_MEASURE.format(code), PYTHONPYCACHEPREFIX=str(cache))) for _ in range(4)][1:])


def loaded(code: str) -> set[str]:
    return set(json.loads(run(f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))")))


def test_no_import_costs_more_than_its_budget(tmp_path):
    baseline = cpu(BASELINE, tmp_path)
    ratios = {name: cpu(f"import functions.aws.{name}", tmp_path) / baseline for name in HANDLERS}
    print({name: round(ratio, 2) for name, ratio in ratios.items()})
    assert all(ratio <= BUDGET for ratio in ratios.values()), ratios


@pytest.mark.parametrize("name", HANDLERS)
def test_an_import_loads_no_stores_sdk_and_needs_no_environment(name):
    modules = loaded(f"import functions.aws.{name}")
    assert not modules & {
        "azure",
        "boto3",
        "botocore.session",
        "pynamodb",
        "awscrt",
        "aws_xray_sdk",
        "requests",
        "authlib",
        "msal",
    }


@pytest.mark.parametrize("name", ["plan", "replicate", "sweep", "refresh", "notify", "deliver"])
def test_workers_load_nothing_of_the_api(name):
    assert not loaded(f"import functions.aws.{name}") & {"pydantic", "jwt", "shared.api", "shared.oauth"}


def test_a_store_is_loaded_when_it_is_first_opened_and_no_other():
    # "an S3-to-Azure worker" needs both; an S3-to-S3 one must never meet Azure
    code = "from shared.connectors import registry; registry.load('s3')"
    assert "azure" not in loaded(f"import functions.aws.replicate\n{code}")
    both = loaded(f"import functions.aws.replicate\n{code}; registry.load('azure_blob')")
    assert "azure.storage.blob" in both
    assert not both & {"dropbox", "msal", "google", "googleapiclient"}
