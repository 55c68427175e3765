"""The tables that the template deploys are those the models speak to."""

from pathlib import Path

import yaml

from shared.state.models import MODELS
from shared.state.tables import Tables, bound

TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as (name, value)."""


def function(loader: Loader, name: str, node: yaml.Node) -> tuple[str, object]:
    if isinstance(node, yaml.ScalarNode):
        return name, loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return name, loader.construct_sequence(node, deep=True)
    return name, loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", function)


def deployed() -> dict[str, dict]:
    resources = yaml.load(TEMPLATE.read_text(), Loader)["Resources"]
    tables = [it["Properties"] for it in resources.values() if it["Type"] == "AWS::DynamoDB::Table"]
    return {table["TableName"][1].rpartition("}-")[2]: table for table in tables}


def keys(schema: list[dict]) -> dict[str, str]:
    return {each.get("KeyType", each.get("key_type")): each.get("AttributeName") for each in schema}


def test_every_table_and_index_is_deployed_with_the_models_keys():
    tables = deployed()
    for model in MODELS:
        schema = bound(model, Tables("x", "us-east-1"))._get_schema()
        table = tables.pop(model.table)
        assert keys(table["KeySchema"]) == keys(schema["key_schema"]), model.table
        assert {it["AttributeName"]: it["AttributeType"] for it in table["AttributeDefinitions"]} == {
            it["AttributeName"]: it["AttributeType"] for it in schema["attribute_definitions"]
        }, model.table
        indexes = {it["IndexName"]: it for it in table.get("GlobalSecondaryIndexes", [])}
        assert {name: (keys(it["KeySchema"]), it["Projection"]["ProjectionType"]) for name, it in indexes.items()} == {
            it["index_name"]: (keys(it["key_schema"]), it["projection"]["ProjectionType"])
            for it in schema["global_secondary_indexes"]
        }, model.table
    assert tables == {}


def test_what_passes_expires_and_nothing_else_does():
    expiring = {
        name: table["TimeToLiveSpecification"]
        for name, table in deployed().items()
        if "TimeToLiveSpecification" in table
    }
    assert {name: (it["AttributeName"], it["Enabled"]) for name, it in expiring.items()} == dict.fromkeys(
        ("cursors", "flows", "leases", "webhooks"), ("expires", True)
    )


def test_only_the_audit_trail_is_streamed_and_with_new_images():
    streamed = {
        name: table["StreamSpecification"] for name, table in deployed().items() if "StreamSpecification" in table
    }
    assert streamed == {"audit": {"StreamViewType": "NEW_IMAGE"}}
