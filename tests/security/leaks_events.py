"""What says that an object was created."""

import json
from typing import Any


def created(bucket: str, key: str, **more: Any) -> str:
    """What EventBridge says when an object was created."""
    detail = {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {"key": key, "size": 1, "sequencer": "0A1B"},
        "reason": "PutObject",
    }
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-20T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": detail,
    }
    return json.dumps(event | more)


def notified(bucket: str, encoded_key: str, **more: Any) -> str:
    """What S3 itself says in a notification; the key as it spells it there."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-20T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket},
            "object": {"key": encoded_key, "size": 1, "sequencer": "0A1B"},
        },
    }
    return json.dumps({"Records": [record | more]})
