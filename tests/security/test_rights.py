"""Each function may do what it does, and has no right that it never uses: every call that handlers make to AWS, held to the
template's roles by the rules of IAM. (Emulators that enforce policies do so route by route; this is all routes at once.)
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.rule import Rule, Target
from tests.conformance.proxy import Request
from tests.hosts.test_template import RESOURCES, statements
from tests.security import test_leaks_connections
from tests.security.leaks_stage import NOW, _event
from tests.security.leaks_town import API, HOME, TENANT, Town

HANDLERS = ("api", "connect", "refresh", "notify", "deliver")
PREFIXES = {"AmazonSQS": "sqs", "AWSEvents": "events", "TrentService": "kms", "secretsmanager": "secretsmanager"}
QUEUES = {"refresh": "RefreshQueue", "deliveries": "DeliveriesQueue"}
SPENT = {
    *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
    *("kms:GenerateDataKey", "events:PutEvents", "secretsmanager:GetSecretValue"),
}
"""Rights that must not lie about unused. Reading may, and what only failures need. Opening is held to its places elsewhere:
here all functions are one process, which remembers keys.
"""

type Call = tuple[str, str, Mapping[str, str]]
"""Action, the resource's name in the template, and the context of a key."""


@pytest.fixture
def asked(open_town: Callable[..., Town], monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Call]]:
    """What each function asked of AWS in everything that it is there for."""
    town = open_town()
    made: dict[str, list[Call]] = {name: [] for name in HANDLERS}
    for name in HANDLERS:
        module = importlib.import_module(f"functions.aws.{name}")
        monkeypatch.setattr(module, "handler", _heard(module.handler, town, made[name]))
    monkeypatch.setattr(
        test_leaks_connections, "rewrapped", lambda _: None
    )  # an operator's work, by the operator's rights
    test_leaks_connections.life(town)
    _the_rest(town)
    return made


def _heard(handler: Callable[..., Any], town: Town, calls: list[Call]) -> Callable[..., Any]:
    def heard(event: Any, context: Any) -> Any:
        before = len(town.aws.requests)
        try:
            return handler(event, context)
        finally:
            for request in town.aws.requests[before:]:
                calls.extend(_calls(request, town.farshore.prefix))

    return heard


def _the_rest(town: Town) -> None:
    """What the life of a connection leaves out: a grant that ends, a rule's end, tenants, a provider's end, a second page."""
    town.connected()
    town.house.control(revoke=True)
    town.later(minutes=58)
    town.farshore.refresh()
    path = town.add_connection()
    name = path.rpartition("/")[2]
    rule = Rule(RuleId("r"), TenantId(TENANT), Target(TargetName("t"), IntegrationId(name)), NOW)
    town.farshore.host.rules.add(rule, _event(TENANT, "rule.added"))
    assert town.ask("DELETE", path, query="force=true").status == 204
    source = {"connector": "s3", "bucket": "another-bucket", "prefix": "beta/"}
    told = {"id": "beta", "name": "Beta", "source": source, "owners": ["ann"]}
    administrator: dict[str, Any] = {"who": "superadmin"}
    assert town.ask("POST", f"{API}/tenants", body=told, **administrator).status == 201
    first = town.ask("GET", f"{API}/tenants", query="limit=1", **administrator)
    assert first.body["nextCursor"], first
    beta = f"{API}/tenants/beta"
    assert town.ask("PATCH", beta, body={"name": "B"}, **administrator).status == 200
    moved = town.ask("PUT", f"{beta}/source", body={**source, "prefix": "b/"}, **administrator)
    assert moved.status == 200, moved
    hook = town.ask("POST", f"{beta}/webhooks", who="ann", body={"url": f"{town.hooks.url}/in"})
    assert hook.status == 201, hook
    town.keep("webhook secret", hook.body["secret"])
    assert town.ask("DELETE", beta, **administrator).status == 204
    assert town.ask("GET", f"{HOME}/replicas").status == 200
    assert town.ask("GET", f"{HOME}/providers").status == 200
    house = town.ask("POST", f"{API}/cloud-providers", body={"preset": "azure-blob"}, **administrator)
    assert town.ask("DELETE", f"{API}/cloud-providers/{house.body['id']}", **administrator).status == 204


def _calls(request: Request, prefix: str) -> Iterator[Call]:
    target, _, operation = (request.header("x-amz-target") or "").partition(".")
    if not target:
        return  # S3 and STS: a target's own affair
    said = json.loads(request.body)
    if target.startswith("DynamoDB"):
        yield from _of_tables(operation, said, prefix)
    elif target == "TrentService":
        yield f"kms:{operation}", "key", said["EncryptionContext"]
    else:
        where = str(said.get("QueueUrl", "")).rpartition("/")[2].removeprefix(f"{prefix}-")
        yield f"{PREFIXES[target]}:{operation.removesuffix('Batch')}", QUEUES.get(where, target), {}


def _of_tables(operation: str, said: Mapping[str, Any], prefix: str) -> Iterator[Call]:
    parts = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
    whole = [{parts[kind]: it} for each in said.get("TransactItems", ()) for kind, it in each.items()]
    for part in whole or [{operation: said}]:
        for action, it in part.items():
            table = it["TableName"].removeprefix(f"{prefix}-").capitalize() + "Table"
            yield f"dynamodb:{action}", f"{table}/{it['IndexName']}" if "IndexName" in it else table, {}


def _allows(statement: Mapping[str, Any], call: Call) -> bool:
    action, name, context = call
    said = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if not any(re.fullmatch(each.replace("*", ".*"), action) for each in said):
        return False
    if action.startswith("kms:"):
        wanted = statement["Condition"]["StringEquals"]
        told = {f"kms:EncryptionContext:{key}": it for key, it in context.items()}
        return all(told.get(key) in (it if isinstance(it, list) else [it]) for key, it in wanted.items())
    return not action.startswith(("dynamodb:", "sqs:")) or any(_names(it, name) for it in _several(statement))


def _several(statement: Mapping[str, Any]) -> list[Any]:
    resource = statement["Resource"]
    return resource if isinstance(resource, list) else [resource]


def _names(resource: Any, name: str) -> bool:
    if "GetAtt" in resource:
        return resource["GetAtt"] == f"{name}.Arn"
    table, _, index = name.partition("/")
    pattern = re.escape(f"${{{table}.Arn}}/index/") + ("(" + re.escape(index) + r"|\*)")
    return bool(index) and re.fullmatch(pattern, resource["Sub"]) is not None


def test_every_call_is_allowed_and_every_right_to_write_or_open_is_used(asked: dict[str, list[Call]]) -> None:
    assert all(asked.values())
    refused = {
        (name, *call[:2])
        for name, calls in asked.items()
        for call in calls
        if not any(_allows(statement, call) for statement in statements(_role(name)))
    }
    assert sorted(refused) == []
    idle = {(name, *right) for name, calls in asked.items() for right in _idle(name, calls)}
    assert not idle, "\n".join(map(str, sorted(idle)))


def _role(name: str) -> str:
    return f"{name.capitalize()}Role"


def _idle(name: str, calls: list[Call]) -> Iterator[tuple[str, str]]:
    """Rights that no call needed: each action with each resource."""
    for statement in statements(_role(name)):
        said = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in {it for it in said if it in SPENT and "kms:ViaService" not in json.dumps(statement)}:
            for resource in _several(statement):
                right = {**statement, "Action": action, "Resource": resource}
                if not any(_allows(right, call) for call in calls):
                    yield action, str(resource)


def test_all_functions_that_connections_need_are_looked_at() -> None:
    others = {"PlanFunction", "ReplicateFunction", "SweepFunction"}
    functions = {name for name, it in RESOURCES.items() if it["Type"] == "AWS::Serverless::Function"}
    assert functions - others == {f"{name.capitalize()}Function" for name in HANDLERS}
