"""What a cold start spends on importing: each function's module against `import boto3; boto3.client("s3")`."""

import sys
import tempfile
from collections.abc import Mapping
from statistics import median

from tests.bench.children import run

FUNCTIONS = ("plan", "replicate", "sweep", "api")
ROUNDS = 7
_TIMED = "import time; began = time.process_time()\n{code}\nprint(time.process_time() - began)"
_BOTO3 = 'import boto3; boto3.client("s3", region_name="us-east-1")'


def measure() -> Mapping[str, float]:
    """Ratios of CPU time by function, medians of seven fresh interpreters each, taken in turns. Byte code is compiled before,
    as it is in a deployed package.
    """
    codes = {"boto3": _BOTO3} | {name: f"import functions.aws.{name}" for name in FUNCTIONS}
    times: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory(prefix="bench-") as cache:
        environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
        for turn in range(ROUNDS + 1):
            for name, code in codes.items():
                spent = run([sys.executable, "-c", _TIMED.format(code=code)], environment=environment).said
                if turn:  # the first only compiles
                    times[name].append(spent)
    base = median(times.pop("boto3"))
    return {name: median(spent) / base for name, spent in times.items()}
