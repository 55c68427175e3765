"""What the template promises, read from the template itself: nothing lost, nobody allowed too much, everything seen."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.runtime.settings import Settings, settings_from, variable
from shared.usecases.sweep import AWAITED

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = {
    "PlanFunction": "functions.aws.plan.handler",
    "ReplicateFunction": "functions.aws.replicate.handler",
    "SweepFunction": "functions.aws.sweep.handler",
    "ApiFunction": "functions.aws.api.handler",
}
# AWS knows no resources for these (Service Authorization Reference).
BOUNDLESS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "sts:GetWebIdentityToken"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as {name: value}."""


def _short(loader: Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _short)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)
PARAMETERS, RESOURCES = TEMPLATE["Parameters"], TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, dict]:
    return {name: it["Properties"] for name, it in RESOURCES.items() if it["Type"] == kind}


def value(said: Any) -> Any:
    """A literal, or the default of the parameter that is named."""
    return PARAMETERS[said["Ref"]]["Default"] if isinstance(said, dict) else said


def statements(role: str) -> list[dict]:
    return RESOURCES[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]


def actions(role: str) -> set[str]:
    said = [statement["Action"] for statement in statements(role)]
    return {action for each in said for action in (each if isinstance(each, list) else [each])}


def variables(function: str) -> dict:
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    return shared | RESOURCES[function]["Properties"]["Environment"]["Variables"]


def test_the_functions_are_those_that_there_are():
    found = of_type("AWS::Serverless::Function")
    assert {name: it["Handler"] for name, it in found.items()} == FUNCTIONS
    for handler in FUNCTIONS.values():
        assert (ROOT / handler.rpartition(".")[0].replace(".", "/")).with_suffix(".py").exists()


def test_functions_run_where_the_issue_says():
    defaults = TEMPLATE["Globals"]["Function"]
    assert (value(defaults["Runtime"]), [value(it) for it in defaults["Architectures"]]) == ("python3.13", ["arm64"])
    assert defaults["Tracing"] == "Active"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_is_a_setting(function):
    known = {variable(name) for name in Settings.__dataclass_fields__}
    assert set(variables(function)) <= known


def test_the_defaults_are_settings_that_can_be_read():
    for function in FUNCTIONS:
        told = {
            name: it for name, it in variables(function).items() if isinstance(it, dict) and it.get("Ref") in PARAMETERS
        }
        settings_from({name: str(value(it)) for name, it in told.items()})


def test_a_queue_hides_a_message_six_times_as_long_as_its_function_may_take():
    for queue, function in (("EventsQueue", "PlanFunction"), ("JobsQueue", "ReplicateFunction")):
        hidden = value(RESOURCES[queue]["Properties"]["VisibilityTimeout"])
        assert hidden >= 6 * value(RESOURCES[function]["Properties"]["Timeout"])


def test_the_host_buries_before_sqs_does_and_sqs_before_it_forgets():
    for name in ("EventsQueue", "JobsQueue"):
        queue = RESOURCES[name]["Properties"]
        receives = queue["RedrivePolicy"]["maxReceiveCount"]
        assert receives > PARAMETERS["JobAttempts"]["MaxValue"] >= PARAMETERS["JobAttempts"]["Default"]
        assert receives * value(queue["VisibilityTimeout"]) < queue["MessageRetentionPeriod"]
        dead = RESOURCES[queue["RedrivePolicy"]["deadLetterTargetArn"]["GetAtt"].removesuffix(".Arn")]["Properties"]
        assert dead["MessageRetentionPeriod"] == 14 * 86_400


def test_a_job_outlives_all_its_attempts_and_their_waits():
    waits = PARAMETERS["JobAttempts"]["MaxValue"] * PARAMETERS["RetryMax"]["MaxValue"]
    assert waits < RESOURCES["JobsQueue"]["Properties"]["MessageRetentionPeriod"]
    assert PARAMETERS["RetryMax"]["MaxValue"] + 900 < 43_200  # SQS counts a message's hiding from its receipt


def test_a_target_that_is_down_is_told_of():
    alarm = RESOURCES["JobsFailingAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Farshore", "StillFailing")
    assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
    assert alarm["Period"] >= PARAMETERS["RetryMax"]["Default"]


def test_a_new_account_can_deploy():
    """It may have ten executions at a time, all of which have to stay unreserved (AWS Lambda quotas)."""
    assert not [
        name for name, it in of_type("AWS::Serverless::Function").items() if "ReservedConcurrentExecutions" in it
    ]


def test_a_primary_under_a_key_can_be_read_through_s3_by_who_reads_it():
    policy = RESOURCES["ReadPrimaryUnderKey"]
    assert policy["Condition"] == "PrimaryIsUnderAKey"
    assert policy["Properties"]["Roles"] == [{"Ref": "ReplicateRole"}, {"Ref": "SweepRole"}]
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert statement["Resource"] == {"Ref": "PrimaryKey"}
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": {"Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}
    }


def test_waiting_between_attempts_never_looks_like_a_lost_job_to_the_sweep():
    assert PARAMETERS["RetryMax"]["Default"] < AWAITED.total_seconds()


def test_a_dead_workers_jobs_come_back_long_before_the_queue_would_give_them():
    assert PARAMETERS["JobsHeartbeat"]["Default"] * 10 < PARAMETERS["JobsVisibility"]["Default"]


def test_every_batch_may_fail_in_part():
    for name, function in of_type("AWS::Serverless::Function").items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_events_of_the_primary_bucket_reach_the_queue_and_nobody_elses_do():
    pattern = RESOURCES["ChangeRule"]["Properties"]["EventPattern"]
    assert pattern["source"] == ["aws.s3"]
    assert pattern["detail-type"] == ["Object Created", "Object Deleted"]
    assert len(pattern["detail"]["bucket"]["name"]) == 1
    for statement in RESOURCES["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        assert statement["Action"] == "sqs:SendMessage"
        assert "aws:SourceArn" in statement["Condition"]["ArnEquals"]


def test_no_role_may_do_everything_or_anything_everywhere():
    for role in of_type("AWS::IAM::Role"):
        for statement in statements(role):
            said = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in said if action.endswith((":*", "*:*")) or action == "*"], (role, statement)
            if statement["Resource"] == "*":
                assert set(said) <= BOUNDLESS, (role, statement)


def test_only_who_writes_may_write():
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert not writes & actions("ApiRole")
    assert writes & actions("PlanRole") == {"dynamodb:UpdateItem"}
    assert not {it for role in of_type("AWS::IAM::Role") for it in actions(role)} & {
        "dynamodb:Scan",
        "s3:PutObject",
        "s3:DeleteObject",
    }


def test_only_who_opens_credentials_may_decrypt_and_only_those():
    for role in of_type("AWS::IAM::Role"):
        for statement in statements(role):
            if "kms:Decrypt" in statement["Action"]:
                named = {key for block in statement["Condition"].values() for key in block}
                assert {"kms:EncryptionContext:purpose", "kms:EncryptionContext:SecretARN"} & named, role
    assert "kms:Decrypt" not in actions("PlanRole")
    assert not {it for role in of_type("AWS::IAM::Role") for it in actions(role)} & {
        "kms:Encrypt",
        "kms:GenerateDataKey",
    }


def test_every_table_can_be_restored_and_grows_by_itself():
    for name, table in of_type("AWS::DynamoDB::Table").items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["SSESpecification"] == {"SSEEnabled": True}, name
        assert value(table["DeletionProtectionEnabled"]) == "true", name


def test_what_cannot_be_made_again_is_kept():
    kept = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket")
    for name, it in RESOURCES.items():
        if it["Type"] in kept:
            assert (it["DeletionPolicy"], it["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain"), name


def test_the_primary_bucket_is_versioned_encrypted_closed_and_speaks():
    bucket = RESOURCES["PrimaryBucket"]["Properties"]
    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert bucket["BucketEncryption"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True
    assert any("AbortIncompleteMultipartUpload" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])
    assert RESOURCES["PrimaryBucket"]["Condition"] == "NewBucket"


def test_the_key_turns_over():
    assert RESOURCES["SecretsKey"]["Properties"]["EnableKeyRotation"] is True


def test_each_function_logs_to_a_group_that_forgets():
    groups = of_type("AWS::Logs::LogGroup")
    assert all(value(group["RetentionInDays"]) == 30 for group in groups.values())
    for name, function in of_type("AWS::Serverless::Function").items():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups, name


def test_access_logs_hold_no_query_and_no_header():
    told = RESOURCES["HttpStage"]["Properties"]["AccessLogSettings"]["Format"].lower()
    assert json.loads(told)["path"] == "$context.path"
    assert not [word for word in ("query", "header", "authorizer", "rawpath") if word in told]
    settings = RESOURCES["HttpStage"]["Properties"]["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] > 0
    assert settings["ThrottlingBurstLimit"] > 0


def test_every_dead_letter_queue_and_every_function_has_an_alarm():
    watched = json.dumps([alarm["Dimensions"] for alarm in of_type("AWS::CloudWatch::Alarm").values()])
    for name in ("EventsDeadLetters", "JobsDeadLetters", "EventsQueue", "JobsQueue"):
        assert f"{name}.QueueName" in watched
    for name in FUNCTIONS:
        assert f'"{name}"' in watched


def test_the_dashboard_is_json_and_shows_lag_bytes_and_failures_by_target():
    body = json.loads(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Sub"])
    shown = [str(widget["properties"]["metrics"]) for widget in body["widgets"]]
    for metric in ("Lag", "Bytes", "Failed"):
        assert any("{Farshore,service,target}" in it and f'MetricName="{metric}"' in it for it in shown), metric


def test_outputs_say_where_everything_is():
    assert set(TEMPLATE["Outputs"]) >= {
        "ApiId", "ApiUrl", "PrimaryBucket", "TablePrefix", "KeyId", "EventsQueueUrl", "EventsDlqUrl", "JobsQueueUrl",
        "JobsDlqUrl", "ReplicateRole", "SweepRole", *FUNCTIONS,
    }  # fmt: skip


def test_each_suppressed_finding_says_why():
    for name, it in RESOURCES.items():
        for skip in it.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(skip["comment"]) > 20, name
