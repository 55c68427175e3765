"""Where MiniStack reads the template otherwise than AWS does, put right after each deployment. Each has its reason.

What cannot be put right here: a batch of a table's stream that fails in part counts as done (only a function's error has it given
out again), and is not halved. Queues' batches do fail in part.
"""

import json
from collections.abc import Mapping
from typing import Any

from infra.local.account import Account, resources

_FEW = 2
_CONCURRENCY: Mapping[str, str | None] = {
    "PlanFunction": "PlanConcurrency",
    "ReplicateFunction": "ReplicateConcurrency",
    "RefreshFunction": None,  # the template's own ten would start ten processes on a desk
    "DeliverFunction": None,
}


def correct(account: Account, stack: str, parameters: Mapping[str, str]) -> None:
    _concurrency(account, parameters)
    _policies(account, stack)


def _concurrency(account: Account, parameters: Mapping[str, str]) -> None:
    """A mapping's MaximumConcurrency stays the text that a parameter is, and MiniStack's poller then trips over it;
    CloudFormation makes a number of it.
    """
    aws_lambda = account.client("lambda")
    for mapping in aws_lambda.list_event_source_mappings()["EventSourceMappings"]:
        for function, name in _CONCURRENCY.items():
            if function in mapping["FunctionArn"]:
                most = int(parameters[name]) if name else _FEW
                aws_lambda.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": most})


def _policies(account: Account, stack: str) -> None:
    """What the emulator's evaluation of policies lacks, in the policies of our roles."""
    iam = account.client("iam")
    for role in resources(account, stack, "AWS::IAM::Role"):
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            policy["Statement"] = [_with_batches(statement) for statement in policy["Statement"]]
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def _with_batches(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """MiniStack wants a permission called sqs:SendMessageBatch; with AWS, sqs:SendMessage covers batches and there is no
    other (AWS service authorization reference, Amazon SQS).
    """
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else list(actions)
    return {**statement, "Action": [*actions, "sqs:SendMessageBatch"]} if "sqs:SendMessage" in actions else statement
