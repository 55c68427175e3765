"""The local stack's command: `python -m infra.local up | put | down | reset | redrive | farshore | consent | env`."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from infra.local import contract, deployment, operate, servers, show
from infra.local.demo import seed
from infra.local.emulators import ROOT
from infra.local.home import Home, StackError
from infra.local.processes import StartFailed
from infra.local.providers import visitor


def up(home: Home, arguments: argparse.Namespace) -> None:
    """Brings everything up, drops a file, follows it, and stays until Ctrl-C (unless detached)."""
    began = time.monotonic()
    home.prepare()
    file = show.chosen(home.folder, arguments.file)
    with ExitStack() as stack:
        with home.locked(), ExitStack() as unfinished:
            running = servers.running(home)
            if running is None and arguments.detach:
                running = servers.detach(home)
                unfinished.callback(servers.stop, home)
            elif running is None:
                running = stack.enter_context(servers.attached(home))
            elif not arguments.detach:
                stack.callback(servers.stop, home)  # what was left up is this command's now
            here = _bring_up(home, running, arguments)
            unfinished.pop_all()
        _say(f"Up in {time.monotonic() - began:.1f} s.")
        key, version = show.drop(here, file)
        show.follow(here, key, version)
        _say(operate.directions(home, here, detached=arguments.detach))
        if not arguments.detach:
            _stay(home)


def _bring_up(home: Home, running: servers.Servers, arguments: argparse.Namespace) -> contract.Contract:
    account = deployment.account_of(home, running)
    _say("Building and deploying template.yaml, if anything changed ...")
    outputs = deployment.deploy(home, account, deployment.parameters_of(running, dict(arguments.parameter)))
    seed(home, account, running, outputs)
    return contract.publish(home, running, account, outputs)


def _stay(home: Home) -> None:
    """Waits for Ctrl-C, for SIGTERM, for the servers' end, or for the end of whoever started this command."""
    parent = os.getppid()
    while servers.running(home) is not None and os.getppid() == parent:
        time.sleep(0.5)


def put(home: Home, arguments: argparse.Namespace) -> None:
    """Drops a file into the primary bucket of the running stack and follows it."""
    here = _running_contract(home)
    key, version = show.drop(here, show.chosen(home.folder, arguments.file))
    show.follow(here, key, version)


def down(home: Home, _: argparse.Namespace) -> None:
    """Stops the stack; what it stored stays."""
    _say("Stopped." if servers.stop(home) else "Nothing was up.")


def reset(home: Home, _: argparse.Namespace) -> None:
    """Stops the stack and forgets all that it stored."""
    servers.stop(home)
    operate.forget(home)
    _say("Forgotten. The next `make run` begins anew.")


def redrive(home: Home, _: argparse.Namespace) -> None:
    """Sends the jobs that were given up round again."""
    sys.exit(operate.command(_running_contract(home), ["redrive"]))


def farshore(home: Home, arguments: argparse.Namespace) -> None:
    """Runs the operator's command against the stack: farshore replicas demo --status failed."""
    sys.exit(operate.command(_running_contract(home), arguments.words))


def consent(_: Home, arguments: argparse.Namespace) -> None:
    """Gives consent on a simulated house's page, and goes on as a browser does: BROWSER="... consent %s"."""
    try:
        back = visitor.consent(arguments.address, allow=not arguments.deny, person=arguments.person)
        print(visitor.follow(back), file=sys.stderr)  # standard output is the caller's, who may be a program
    except visitor.NoPage as shown:
        raise StackError(str(shown)) from None


def environment(home: Home, _: argparse.Namespace) -> None:
    """Prints what a shell needs to talk to the stack: eval "$(... env)"."""
    for name, value in operate.shell_environment(_running_contract(home)).items():
        print(f"export {name}='{value}'")


def serve(home: Home, _: argparse.Namespace) -> None:
    """Holds the servers (started by `up`)."""
    servers.serve(home)


def _running_contract(home: Home) -> contract.Contract:
    if servers.running(home) is None:
        raise StackError("No local stack is up here. Start one with `make run`.")
    return contract.read(home)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".farshore", help="where the stack keeps everything")
    commands = parser.add_subparsers(required=True)
    for name, action in _COMMANDS.items():
        says = (action.__doc__ or "").splitlines()[0]
        own = action is not farshore  # that one's options are the operator's command's to read
        told = says.replace("%", "%%")  # argparse fills in what follows a sign of per cent
        command = commands.add_parser(name, help=told, add_help=own, prefix_chars="-" if own else "\0")
        command.set_defaults(action=action)
        if name in ("up", "put"):
            command.add_argument("--file", type=Path, help="the file to drop; by default one that is made")
        if name == "consent":
            command.add_argument("address", help="of the consent page")
            command.add_argument("--deny", action="store_true", help="say no")
            command.add_argument("--person", type=int, default=0, help="which of the accounts on the page, from 0")
        if name == "farshore":
            command.add_argument("words", nargs=argparse.REMAINDER, help="its arguments; see docs/operations.md")
        if name == "up":
            command.add_argument("--detach", action="store_true", help="return and leave the stack up")
            command.add_argument(
                "--parameter", action="append", type=_pair, default=[], help="Name=value, for the template"
            )
    chosen = parser.parse_args(arguments)
    return _guarded(chosen.action, Home(chosen.home.resolve()), chosen)


def _guarded(action: Callable[[Home, argparse.Namespace], None], home: Home, chosen: argparse.Namespace) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # scripts start their background jobs deaf to SIGINT
        signal.signal(number, _interrupt)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        action(home, chosen)
    except (StackError, StartFailed) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("\nStopped.")
    return 0


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("Name=value")
    return name, value


def _say(text: str) -> None:
    print(text, flush=True)


_COMMANDS: Mapping[str, Callable[[Home, argparse.Namespace], None]] = {
    "up": up,
    "put": put,
    "down": down,
    "reset": reset,
    "redrive": redrive,
    "farshore": farshore,
    "consent": consent,
    "env": environment,
    "serve": serve,
}

if __name__ == "__main__":
    sys.exit(main())
