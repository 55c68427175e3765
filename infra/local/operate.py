"""What one does with a stack that is up: look around, run the operator's command, forget it."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from infra.local.account import Account, resources
from infra.local.contract import FILE, Contract
from infra.local.deployment import STACK
from infra.local.emulators import ROOT
from infra.local.home import Home
from infra.local.processes import clean_environment

_LOCAL = ".venv/bin/python -m infra.local"


def directions(home: Home, here: Contract, *, detached: bool) -> str:
    """Where everything is, and what to try next."""
    width = max(map(len, here.targets))
    targets = "\n             ".join(f"{name:<{width}}  {place}" for name, place in here.targets.items())
    home_option = "" if home.folder == ROOT / ".farshore" else f" --home {home.folder}"
    end = "make down stops it; make reset forgets its data." if detached else "Ctrl-C stops it; what it stored stays."
    return f"""
Every copy is verified. {end}

  API        {here.api}/api/v1
  its page   {here.console}
  AWS        {here.account.endpoint}  (keys: {home.folder / FILE})
  primary    s3://{here.bucket}/{here.prefix}
  backups    {targets}

Try next, in another terminal:
  eval "$({_LOCAL}{home_option} env)"
  aws s3 cp README.md "s3://$BUCKET/$PREFIX"        # or, without the AWS CLI: {_LOCAL}{home_option} put --file README.md
  curl -sH "Authorization: Bearer $OWNER_TOKEN" "$API/api/v1/tenants/$TENANT/replicas"
"""


def shell_environment(here: Contract) -> Mapping[str, str]:
    """What a shell needs to talk to the stack by hand."""
    return {
        **here.account.environment(),
        "BUCKET": here.bucket,
        "PREFIX": here.prefix,
        "TENANT": here.tenant,
        "API": here.api,
        "OWNER_TOKEN": here.owner_token,
    }


def function_environment(account: Account) -> Mapping[str, str]:
    """The settings that the template gave its functions, together: what the operator's command needs."""
    aws_lambda, settings = account.client("lambda"), dict[str, str]()
    for name in resources(account, STACK, "AWS::Lambda::Function"):
        settings |= aws_lambda.get_function_configuration(FunctionName=name).get("Environment", {}).get("Variables", {})
    return settings


def command(here: Contract, arguments: Sequence[str]) -> int:
    """Runs the operator's command (`farshore`) against the stack; its exit status."""
    environment = {**function_environment(here.account), **here.account.environment(), "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-P", "-m", "functions.cli", *arguments], env=clean_environment(environment), check=False
    )
    return process.returncode


def forget(home: Home) -> None:
    """Removes all that a stopped stack stored; the lock stays, somebody may hold it."""
    for entry in home.folder.glob("[!.]*"):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
