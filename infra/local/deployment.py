"""Deploys the real template.yaml to the local stack with the real `sam build` and `sam deploy`; not at all if nothing changed."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.local.account import Account
from infra.local.corrections import correct
from infra.local.emulators import ROOT, TOOLS
from infra.local.home import Home, StackError
from infra.local.issuer import AUDIENCE
from infra.local.processes import StartFailed, caller_environment, run
from infra.local.servers import REGION, Servers
from infra.package.assemble import LOCKS

STACK = "farshore"
DEPLOYED = "deployed.json"
_SOURCES = (
    "template.yaml",
    "samconfig.toml",
    "functions",
    "shared",
    "infra/package",
    "infra/locks/worker.txt",
    "infra/locks/api.txt",
    "infra/locks/connect.txt",
)
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")

# A desk is not a data centre: two processors, and people who wait. Production's values are the template's defaults.
_LOCAL_PARAMETERS = {
    "PlanConcurrency": "2",
    "ReplicateConcurrency": "3",
    "ReplicateTimeout": "300",
    # AWS wants more than the function's timeout; here a worker that dies before its first heartbeat shall not cost minutes.
    "JobsVisibility": "31",
    "JobsHeartbeat": "15",
    "RetryBase": "2",
    "RetryMax": "60",
    "SweepSchedule": "rate(1 minute)",
    "LogRetention": "1",
    "DeletionProtection": "false",
}


def account_of(home: Home, servers: Servers) -> Account:
    return Account(servers.aws_endpoint, REGION, "test", home.secret())


def parameters_of(servers: Servers, overrides: Mapping[str, str]) -> dict[str, str]:
    """The template's parameters for this computer, as far as the template has them."""
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    wanted = {
        "Architecture": machine,
        "Issuer": servers.issuer,
        "Audience": AUDIENCE,
        "PublicUrl": servers.front,
        "PrivateHosts": servers.private_hosts,
        **_LOCAL_PARAMETERS,
        **overrides,
    }
    text = (ROOT / "template.yaml").read_text()
    return {name: value for name, value in wanted.items() if f"\n  {name}:" in text}


def deploy(home: Home, account: Account, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Brings the stack to what the template and the code say, and returns its outputs.

    Raises:
        StackError: a build or deployment failed; the text ends with the log's last lines.
    """
    wanted = {"digest": _digest(), "parameters": dict(parameters)}
    outputs = _outputs(account)
    if outputs is not None and home.read(DEPLOYED) == wanted:
        return outputs
    home.forget(DEPLOYED)
    _sam(
        home, account, "build", "--build-dir", str(home.folder / "build"), "--parameter-overrides", *_pairs(parameters)
    )
    _share(home.folder / "build" / "template.yaml")
    _sam(
        home,
        account,
        "deploy",
        *("--template-file", str(home.folder / "build" / "template.yaml"), "--stack-name", STACK, "--resolve-s3"),
        *(
            "--capabilities",
            "CAPABILITY_IAM",
            "CAPABILITY_NAMED_IAM",
            "CAPABILITY_AUTO_EXPAND",
            "--no-confirm-changeset",
        ),
        *("--no-fail-on-empty-changeset", "--no-progressbar", "--disable-rollback", "--region", account.region),
        *("--parameter-overrides", *_pairs(parameters)),
    )
    outputs = _outputs(account)
    if outputs is None:
        raise StackError(f"The stack was not deployed; see {home.logs}")
    correct(account, STACK, parameters)
    home.write(DEPLOYED, wanted)
    return outputs


def _share(built: Path) -> None:
    """Has functions of one lock, whose packages are the same to the byte, name one folder: `sam deploy` packs each folder once,
    which is most of its work.
    """
    text, folders = built.read_text(), dict[str, str]()
    for function, lock in LOCKS.items():
        folder = folders.setdefault(lock, function)
        text = text.replace(f"CodeUri: {function}\n", f"CodeUri: {folder}\n")
    built.write_text(text)


def _sam(home: Home, account: Account, verb: str, *arguments: str) -> None:
    environment = caller_environment(
        {
            **account.environment(),
            "ARCHITECTURE": "host",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(home.state("sam")),  # SAM would otherwise write to the home directory
        }
    )
    log = home.logs / f"sam-{verb}.log"
    try:
        command = [str(TOOLS / "sam/bin/sam"), verb, *arguments]
        run(f"sam {verb}", command, environment=environment, folder=ROOT, log=log)
    except StartFailed as failed:
        raise StackError(str(failed)) from None


def _pairs(parameters: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in parameters.items()]


def _outputs(account: Account) -> Mapping[str, str] | None:
    """The stack's outputs if it stands. What an earlier failure left of it is removed, so that it can be made anew."""
    cloudformation = account.client("cloudformation")
    try:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    except cloudformation.exceptions.ClientError:
        return None
    if stack["StackStatus"] not in _GOOD:
        cloudformation.delete_stack(StackName=STACK)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        return None
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _digest() -> str:
    """Names everything that the packages and the template are made from."""
    digest = hashlib.sha256()
    for file in _files():
        digest.update(json.dumps([str(file.relative_to(ROOT)), file.stat().st_size]).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for name in _SOURCES:
        source = ROOT / name
        found = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)
