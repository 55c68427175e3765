"""What the template promises, read from the template itself: nothing lost, nobody allowed too much, everything seen."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.domain.grant import flow_context
from shared.domain.ids import IntegrationId, ProviderId, TenantId, WebhookId
from shared.domain.integration import access_context, credentials_context, refresh_context
from shared.domain.notice import webhook_context
from shared.domain.provider import secret_context
from shared.domain.seal import SealContext
from shared.outbound.session import SECONDS
from shared.runtime.settings import Settings, settings_from, variable
from shared.usecases import deliver
from shared.usecases.sweep import AWAITED

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = {
    "PlanFunction": "functions.aws.plan.handler",
    "ReplicateFunction": "functions.aws.replicate.handler",
    "SweepFunction": "functions.aws.sweep.handler",
    "ApiFunction": "functions.aws.api.handler",
    "ConnectFunction": "functions.aws.connect.handler",
    "RefreshFunction": "functions.aws.refresh.handler",
    "NotifyFunction": "functions.aws.notify.handler",
    "DeliverFunction": "functions.aws.deliver.handler",
}
QUEUES = {
    "EventsQueue": "PlanFunction",
    "JobsQueue": "ReplicateFunction",
    "RefreshQueue": "RefreshFunction",
    "DeliveriesQueue": "DeliverFunction",
}
PLACES = {
    "client secret": secret_context(ProviderId("p"), 1),
    "credentials": credentials_context(TenantId("t"), IntegrationId("i"), 1),
    "access token": access_context(TenantId("t"), IntegrationId("i"), 1),
    "refresh token": refresh_context(TenantId("t"), IntegrationId("i"), 1),
    "consent": flow_context(TenantId("t"), "state"),
    "webhook's key": webhook_context(TenantId("t"), WebhookId("w"), 1),
}
_MOVERS = {"credentials", "access token"}
OPENS = {
    "PlanRole": set(),
    "ReplicateRole": _MOVERS,
    "SweepRole": _MOVERS,
    "ApiRole": set(),
    "ConnectRole": set(PLACES),
    "RefreshRole": {"client secret", "refresh token"},
    "NotifyRole": set(),
    "DeliverRole": {"webhook's key"},
}
SEALS: dict[str, set[str]] = {role: set() for role in OPENS} | {
    "ApiRole": {"client secret", "credentials", "webhook's key"},
    "ConnectRole": {"consent", "access token", "refresh token"},
    "RefreshRole": {"access token", "refresh token"},
}
# AWS knows no resources for these (Service Authorization Reference).
BOUNDLESS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "sts:GetWebIdentityToken"}


STREAMS = {f"dynamodb:{it}" for it in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}


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
    for queue, function in QUEUES.items():
        hidden = value(RESOURCES[queue]["Properties"]["VisibilityTimeout"])
        assert hidden >= 6 * value(RESOURCES[function]["Properties"]["Timeout"])


def test_the_host_buries_before_sqs_does_and_sqs_before_it_forgets():
    for name in QUEUES:
        queue = RESOURCES[name]["Properties"]
        receives = queue["RedrivePolicy"]["maxReceiveCount"]
        assert receives > PARAMETERS["JobAttempts"]["MaxValue"] >= PARAMETERS["JobAttempts"]["Default"]
        assert receives > deliver.ATTEMPTS
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
    assert writes & actions("PlanRole") == {"dynamodb:UpdateItem"}
    assert not writes & actions("NotifyRole")
    assert not {it for role in of_type("AWS::IAM::Role") for it in actions(role)} & {
        "dynamodb:Scan",
        "s3:PutObject",
        "s3:DeleteObject",
    }


def test_nobody_may_alter_or_delete_what_the_audit_trail_says():
    """An entry is put once, on condition that there is none; only the head of a trail is written again, by a put as well."""
    for role in of_type("AWS::IAM::Role"):
        for statement in statements(role):
            if "AuditTable" in json.dumps(statement["Resource"]):
                said = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert set(said) <= {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", *STREAMS}, role


def opened(role: str, action: str) -> set[str]:
    """The places of secrets that a role may do this in, by the conditions that its policy puts on encryption contexts."""
    return {
        name
        for name, place in PLACES.items()
        for statement in statements(role)
        if action in statement["Action"] and met(statement["Condition"], place)
    }


def met(condition: dict, place: SealContext) -> bool:
    """What KMS would say: every key that is named must be there, with one of its values."""
    assert set(condition) == {"StringEquals"}
    told = {f"kms:EncryptionContext:{name}": it for name, it in place.pairs().items()}
    wanted = condition["StringEquals"].items()
    return all(told.get(key) in (values if isinstance(values, list) else [values]) for key, values in wanted)


@pytest.mark.parametrize("role", OPENS)
def test_each_function_opens_what_its_work_needs_and_nothing_else(role):
    assert opened(role, "kms:Decrypt") == OPENS[role]


@pytest.mark.parametrize("role", SEALS)
def test_each_function_seals_what_it_makes_and_nothing_else(role):
    assert opened(role, "kms:GenerateDataKey") == SEALS[role]


def test_every_role_is_told_what_it_may_do_with_secrets():
    assert OPENS.keys() == SEALS.keys() == of_type("AWS::IAM::Role").keys()


def test_former_keys_open_what_the_present_one_does():
    found = {name: it for name, it in RESOURCES.items() if name.startswith("FormerKeysOf")}
    assert len(found) == 4
    opens: dict[str, set[str]] = {role: set() for role in OPENS}
    for it in found.values():
        assert it["Condition"] == "FormerKeysOpen"
        (statement,) = it["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Action"] == "kms:Decrypt"
        may = {place for place, context in PLACES.items() if met(statement["Condition"], context)}
        for role in it["Properties"]["Roles"]:
            opens[role["Ref"]] |= may
    assert opens == OPENS  # and no less: a key that was changed must not end a connection


def test_no_key_is_used_without_saying_for_what():
    for role in of_type("AWS::IAM::Role"):
        for statement in statements(role):
            if "kms:" in json.dumps(statement["Action"]):
                named = {key for block in statement["Condition"].values() for key in block}
                assert {"kms:EncryptionContext:purpose", "kms:EncryptionContext:SecretARN"} & named, role
    assert not {it for role in of_type("AWS::IAM::Role") for it in actions(role)} & {"kms:Encrypt", "kms:ReEncrypt"}


def test_routes_that_open_secrets_or_call_providers_go_to_the_function_that_may():
    routes = {it["RouteKey"]: it["Target"]["Sub"] for it in of_type("AWS::ApiGatewayV2::Route").values()}
    connect = {key for key, target in routes.items() if target == "integrations/${ConnectIntegration}"}
    integration = "/api/v1/tenants/{tenant}/cloud-integrations/{integration}"
    assert connect == {
        "GET /api/v1/oauth/{provider}/callback",
        "GET /api/v1/oauth/done",
        f"GET {integration}/oauth/callback",
        f"POST {integration}/oauth/start",
        f"POST {integration}/refresh",
        f"POST {integration}/test",
        f"POST {integration}/disconnect",
        f"DELETE {integration}",
        "POST /api/v1/tenants/{tenant}/webhooks/{webhook}/test",
    }


def test_only_what_a_browser_brings_back_and_what_says_nothing_is_open_to_all():
    open_to_all = {
        it["RouteKey"] for it in of_type("AWS::ApiGatewayV2::Route").values() if it["AuthorizationType"] == "NONE"
    }
    assert open_to_all == {
        "ANY /api/v1/{proxy+}",
        "GET /api/v1/oauth/{provider}/callback",
        "GET /api/v1/oauth/done",
        "GET /api/v1/tenants/{tenant}/cloud-integrations/{integration}/oauth/callback",
    }


def test_the_stream_tells_every_entry_and_gives_none_up_in_silence():
    source = RESOURCES["NotifyFunction"]["Properties"]["Events"]["Trail"]["Properties"]
    assert source["StartingPosition"] == "TRIM_HORIZON"
    assert source["BisectBatchOnFunctionError"] is True
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["DestinationConfig"]["OnFailure"]["Destination"] == {"GetAtt": "DeliveriesDeadLetters.Arn"}
    assert source["MaximumRecordAgeInSeconds"] < 86_400  # DynamoDB's streams keep records for a day
    (pattern,) = (json.loads(it["Pattern"]) for it in source["FilterCriteria"]["Filters"])
    assert pattern == {"eventName": ["INSERT"], "dynamodb": {"Keys": {"id": {"S": [{"prefix": "e#"}]}}}}


def test_a_delivery_outlives_all_its_attempts_and_their_waits():
    waits = sum(deliver.wait(attempt, 1.0) for attempt in range(1, deliver.ATTEMPTS))
    assert waits < RESOURCES["DeliveriesQueue"]["Properties"]["MessageRetentionPeriod"]


def test_people_of_the_stacks_own_pool_are_taken_at_its_word():
    told = variables("ApiFunction")
    assert told == {**variables("ConnectFunction")}
    assert told["FARSHORE_AUDIENCE"]["If"][:2] == ["OwnUsers", {"Ref": "UsersClient"}]
    assert told["FARSHORE_ROLE_CLAIM"]["If"][:2] == ["OwnUsers", "cognito:groups"]
    groups = {it["GroupName"] for it in of_type("AWS::Cognito::UserPoolGroup").values()}
    assert groups == {Settings().superadmin_role, Settings().owner_role}
    assert RESOURCES["Users"]["Properties"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    for name, it in RESOURCES.items():
        if it["Type"].startswith("AWS::Cognito"):
            assert it["Condition"] == ("AdminIsNamed" if name.startswith("FirstAdmin") else "OwnUsers"), name


def test_an_address_is_all_that_a_first_deployment_has_to_be_told():
    """Whoever reads that mail is superadmin of an API that checks the tokens of the stack's own pool."""
    assert not [name for name, it in PARAMETERS.items() if "Default" not in it]
    conditions = TEMPLATE["Conditions"]
    assert {"Condition": "AdminIsNamed"} in conditions["OwnUsers"]["Or"]
    assert {"Condition": "OwnUsers"} in conditions["GatewayChecksTokens"]["And"][1]["Or"]
    admin, role = RESOURCES["FirstAdmin"]["Properties"], RESOURCES["FirstAdminsRole"]["Properties"]
    assert (admin["Username"], admin["DesiredDeliveryMediums"]) == ({"Ref": "AdminEmail"}, ["EMAIL"])
    assert (role["Username"], role["GroupName"]) == ({"Ref": "FirstAdmin"}, {"Ref": "Superadmins"})
    assert RESOURCES["Superadmins"]["Properties"]["GroupName"] == Settings().superadmin_role


def test_a_deployment_that_nobody_uses_pays_for_no_metrics_of_its_routes():
    assert RESOURCES["HttpStage"]["Properties"]["DefaultRouteSettings"]["DetailedMetricsEnabled"] is False


def test_runs_of_a_schedule_that_were_throttled_do_not_pile_up():
    """Lambda keeps asynchronous calls for six hours otherwise, and then makes them all."""
    for name in ("SweepFunction", "RefreshFunction"):
        told = RESOURCES[name]["Properties"]["EventInvokeConfig"]
        assert told["MaximumRetryAttempts"] == 0
        assert 60 <= told["MaximumEventAgeInSeconds"] <= 300  # Lambda takes no less than 60


def test_a_batch_of_webhooks_that_all_hang_ends_in_time():
    source = RESOURCES["DeliverFunction"]["Properties"]["Events"]["Deliveries"]["Properties"]
    assert source["BatchSize"] * SECONDS < RESOURCES["DeliverFunction"]["Properties"]["Timeout"]


def test_every_table_can_be_restored_and_grows_by_itself():
    for name, table in of_type("AWS::DynamoDB::Table").items():
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["SSESpecification"] == {"SSEEnabled": True}, name
        assert value(table["DeletionProtectionEnabled"]) == "true", name


def test_what_cannot_be_made_again_is_kept():
    kept = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Cognito::UserPool")
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
    dead = ("EventsDeadLetters", "JobsDeadLetters", "RefreshDeadLetters", "DeliveriesDeadLetters")
    for name in (*dead, *QUEUES):
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
