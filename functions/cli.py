"""The operator's command, ``farshore``: adds tenants, integrations and rules, shows replicas, sweeps, redrives, re-wraps keys.

It reads the settings that functions have (``FARSHORE_*``, ``AWS_REGION``) and signs in to AWS as any AWS tool does. Secrets
come from a file or standard input, never from an argument, which other users of the computer could see. ``connect`` and
``audit verify`` are for everybody: they need neither settings nor AWS.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from functions import audit_command, connect_command, rewrap_command
from shared.domain.audit import Actor
from shared.domain.errors import FarshoreError, InvalidInput, MalformedEvent
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.runtime.container import Container
from shared.runtime.queues import decode
from shared.runtime.settings import settings_from
from shared.runtime.world import After
from shared.usecases import provision
from shared.usecases.forms import FORMS

_SWEEP_SECONDS = 300.0
_INTERRUPTED = 130  # what shells say of SIGINT


def main(arguments: Sequence[str] | None = None, *, stdin: IO[str] | None = None) -> int:
    """Runs one command; 0 if it succeeded, else 1, with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    options.stdin = stdin or sys.stdin
    try:
        said = options.run(options, _host)
    except FarshoreError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return _INTERRUPTED
    if said is not None:
        print(json.dumps(said, indent=2, default=_plain, ensure_ascii=False))
    return 0


type Host = Callable[[], Container]
"""Makes the host when it is first needed: some commands need no settings."""
type Command = Callable[[argparse.Namespace, Host], Any]


def _host() -> Container:
    return Container(settings_from(os.environ))


def _tenant_add(options: argparse.Namespace, host: Host) -> Any:
    source = Source(options.connector, options.bucket, options.prefix)
    tenant = Tenant(TenantId(options.tenant), options.name or options.tenant, source, _now())
    return provision.add_tenant(tenant, _actor(options), host().provisioning)


def _integration_add(options: argparse.Namespace, host: Host) -> Any:
    integration = Integration(
        id=IntegrationId(options.id),
        tenant_id=TenantId(options.tenant),
        name=options.name or options.id,
        connector=options.connector,
        auth_type=options.auth,
        container=options.container,
        created_at=_now(),
        updated_at=_now(),
        settings=dict(options.setting),
    )
    credentials = _credentials(options.credentials, options.stdin)
    added = provision.add_integration(integration, credentials, _actor(options), host().provisioning)
    return {
        "id": added.id,
        "connector": added.connector,
        "container": added.container,
        "sealed": added.credentials is not None,
    }


def _rule_add(options: argparse.Namespace, host: Host) -> Any:
    target = Target(TargetName(options.target), IntegrationId(options.integration), options.container, options.path)
    rule = Rule(
        id=RuleId(options.id),
        tenant_id=TenantId(options.tenant),
        target=target,
        created_at=_now(),
        prefix=options.prefix,
        suffix=options.suffix,
        on_delete=options.on_delete,
        priority=options.priority,
    )
    return provision.add_rule(rule, _actor(options), host().provisioning)


def _replicas(options: argparse.Namespace, host: Host) -> Any:
    target = TargetName(options.target) if options.target else None
    asked: dict[str, Any] = {"status": options.status, "target": target, "key_prefix": options.prefix}
    return host().ledger.page(TenantId(options.tenant), limit=options.limit, after=options.after, **asked)


def _sweep(options: argparse.Namespace, host: Host) -> Any:
    from shared.usecases.sweep import sweep

    return sweep(host().sweeping, After(options.seconds))


def _redrive(options: argparse.Namespace, host: Host) -> Any:
    letters = host().job_letters if options.queue == "jobs" else host().event_letters
    return {"redriven": letters.redrive(_group, limit=options.limit)}


def _group(body: str) -> str | None:
    try:
        return decode(body).tenant_id
    except MalformedEvent:
        return None


def _credentials(place: str | None, stdin: IO[str]) -> Mapping[str, str]:
    """A JSON object of texts, from a file or ``-``."""
    if place is None:
        return {}
    try:
        said = json.loads(stdin.read() if place == "-" else Path(place).read_text())
    except (OSError, ValueError):
        raise InvalidInput("the credentials cannot be read as JSON") from None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise InvalidInput("credentials are a JSON object of texts")
    return said


def _plain(value: Any) -> Any:
    """A noun as JSON's own kinds; its secrets are not among its fields that show."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
    return dict(value) if isinstance(value, Mapping) else str(value)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("a setting is name=value")
    return name, value


def _actor(options: argparse.Namespace) -> Actor:
    return Actor(options.actor)


def _now() -> datetime:
    return datetime.now(UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="farshore", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--actor", default="operator", help="who the audit log shall say did it")
    kinds = parser.add_subparsers(required=True, metavar="command")
    _add_tenant(_verb(_noun(kinds, "tenant"), "add", _tenant_add, "adds a tenant and its source"))
    _add_integration(
        _verb(_noun(kinds, "integration"), "add", _integration_add, "adds a tenant's connection to a store")
    )
    _add_rule(_verb(_noun(kinds, "rule"), "add", _rule_add, "adds a rule: which objects go to which target"))
    _add_replicas(_verb(kinds, "replicas", _replicas, "shows what the ledger knows"))
    sweep = _verb(kinds, "sweep", _sweep, "takes the sweep's next step here")
    sweep.add_argument("--seconds", type=float, default=_SWEEP_SECONDS)
    redrive = _verb(kinds, "redrive", _redrive, "sends what was buried round again")
    redrive.add_argument("--queue", choices=("jobs", "events"), default="jobs")
    redrive.add_argument("--limit", type=int)
    for command in (connect_command, audit_command, rewrap_command):
        command.register(kinds)
    return parser


def _noun(kinds: Any, name: str) -> Any:
    return kinds.add_parser(name, help=f"{name} add").add_subparsers(required=True, metavar="verb")


def _verb(kinds: Any, name: str, run: Command, says: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = kinds.add_parser(name, help=says, description=says)
    made.set_defaults(run=run)
    return made


def _add_tenant(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("tenant", help="its id, which paths and trails name it by")
    verb.add_argument("--name", help="for people; the id unless told")
    verb.add_argument("--connector", default="s3", help="what its source is kept in (s3)")
    verb.add_argument("--bucket", required=True, help="the primary bucket")
    verb.add_argument("--prefix", default="", help="which of the bucket's keys are the tenant's; all unless told")


def _add_integration(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("tenant", help="the tenant's id")
    verb.add_argument("id", help="the integration's id, which rules name")
    verb.add_argument("--name", help="for people; the id unless told")
    verb.add_argument("--connector", required=True, help=", ".join(sorted({store for store, _ in FORMS})))
    verb.add_argument("--auth", required=True, help=", ".join(sorted({way for _, way in FORMS})))
    verb.add_argument("--container", required=True, help="the bucket or container that copies go to")
    verb.add_argument("--setting", type=_pair, action="append", default=[], metavar="name=value")
    verb.add_argument("--credentials", metavar="FILE", help="a JSON file of secrets, or - for standard input")


def _add_rule(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("tenant", help="the tenant's id")
    verb.add_argument("id", help="the rule's id")
    verb.add_argument("--target", required=True, help="a name for the place that copies go to, which the ledger shows")
    verb.add_argument("--integration", required=True, help="the id of the integration that signs in there")
    verb.add_argument("--container", help="another bucket or container than the integration's own")
    verb.add_argument("--path", default="{key}", help="the copy's name there, made of {key}, {relative} and {tenant}")
    verb.add_argument("--prefix", default="", help="only keys that begin so")
    verb.add_argument("--suffix", default="", help="only keys that end so")
    verb.add_argument(
        "--on-delete", choices=("keep", "delete"), default="keep", help="whether copies go with the object"
    )
    verb.add_argument("--priority", type=int, default=0, help="of two rules for one target, the greater counts")


def _add_replicas(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("tenant", help="the tenant's id")
    verb.add_argument("--status", choices=("pending", "copying", "replicated", "failed", "deleted"))
    verb.add_argument("--target")
    verb.add_argument("--prefix", default="")
    verb.add_argument("--limit", type=int, default=100)
    verb.add_argument("--after")


if __name__ == "__main__":
    raise SystemExit(main())
