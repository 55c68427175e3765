"""What one does with a stack that is up: look around, run the operator's command, forget it."""

import os
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

# What it takes to open a browser: where the screen is, and which browser is liked.
_SCREEN = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "BROWSER")
_LAST_WORD_SECONDS = 2.0
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

Connect a cloud (simulated on this computer: dropbox, google-drive, onedrive, sharepoint, box):
  {_LOCAL}{home_option} farshore connect dropbox
"""


def shell_environment(here: Contract) -> Mapping[str, str]:
    """What a shell needs to talk to the stack by hand."""
    return {
        **here.account.environment(),
        "BUCKET": here.bucket,
        "PREFIX": here.prefix,
        "TENANT": here.tenant,
        "API": here.api,
        "HOOKS": here.hooks,
        "OWNER_TOKEN": here.owner_token,
        "SUPERADMIN_TOKEN": here.superadmin_token,
    }


def function_environment(account: Account) -> Mapping[str, str]:
    """The settings that the template gave its functions, together: what the operator's command needs."""
    aws_lambda, settings = account.client("lambda"), dict[str, str]()
    for name in resources(account, STACK, "AWS::Lambda::Function"):
        settings |= aws_lambda.get_function_configuration(FunctionName=name).get("Environment", {}).get("Variables", {})
    return settings


def command(here: Contract, arguments: Sequence[str]) -> int:
    """Runs the operator's command (`farshore`) against the stack, as the demo tenant's owner; its exit status."""
    environment = clean_environment(
        {
            **function_environment(here.account),
            **here.account.environment(),
            "PYTHONPATH": str(ROOT),
            "FARSHORE_PUBLIC_URL": here.api,
            "FARSHORE_TENANT": here.tenant,
            "FARSHORE_TOKEN": here.owner_token,
        }
    )
    screen = {name: os.environ[name] for name in _SCREEN if name in os.environ}
    words = [sys.executable, "-P", "-m", "functions.cli", *arguments]
    with subprocess.Popen(words, env=environment | screen) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:  # a terminal told the command too, which has the last word
            return _ended(running)


def _ended(running: subprocess.Popen[bytes]) -> int:
    try:
        return running.wait(_LAST_WORD_SECONDS)
    except subprocess.TimeoutExpired:  # this process alone was told
        running.terminate()
        return running.wait()


def forget(home: Home) -> None:
    """Removes all that a stopped stack stored; the lock stays, somebody may hold it."""
    for entry in home.folder.glob("[!.]*"):
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
