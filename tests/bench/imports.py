"""What a cold start spends on importing, against `import boto3; boto3.client("s3")`."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from statistics import median

from tests.bench.children import run

ROUNDS = 7
_BOTO3 = 'import boto3; boto3.client("s3", region_name="us-east-1")'
_ALL = "import functions.aws.{name}, importlib\nfor module in modules: importlib.import_module(module)"
_TIMED = """import json, sys, time
modules = json.load(sys.stdin)
began = time.process_time()
{code}
print(time.process_time() - began)"""


def measure(loaded: Mapping[str, Sequence[str]]) -> Mapping[str, float]:
    """Ratios of CPU time by function: not of its module alone, which puts off what it can, but of everything it has imported
    (``loaded``) by the end of its first event.

    Medians of seven fresh interpreters each, taken in turns. Byte code is compiled before, as it is in a deployed package.
    """
    codes = {"boto3": _BOTO3} | {name: _ALL.format(name=name) for name in loaded}
    times: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory(prefix="bench-") as cache:
        environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": cache}
        for turn in range(ROUNDS + 1):
            for name, code in codes.items():
                command = [sys.executable, "-c", _TIMED.format(code=code)]
                spent = run(command, environment=environment, stdin=json.dumps(loaded.get(name, []))).said
                if turn:  # the first only compiles
                    times[name].append(spent)
    base = median(times.pop("boto3"))
    return {name: median(spent) / base for name, spent in times.items()}
