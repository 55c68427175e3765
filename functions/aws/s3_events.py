"""Reads what S3 says of its objects, in both of its languages: EventBridge events and notification records.

They differ where it hurts: a notification's key is form-encoded, EventBridge's is plain, and each is decoded exactly once
here (Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure"). Pure: text in, values out.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from shared.domain.errors import MalformedEvent
from shared.domain.event import ObjectChanged
from shared.domain.sequencer import sequencer

SIZE_MAX = 256 * 1024
"""Bytes of one message. S3 sends up to 64 KB in a notification, and EventBridge's events of objects are far smaller."""

_KEY_MAX = 1024  # bytes (Amazon S3 User Guide, "Naming Amazon S3 objects")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}\Z")
_CHANGES = ("Object Created", "Object Deleted")
_RECORDS = ("ObjectCreated:", "ObjectRemoved:", "LifecycleExpiration:")

type Found = ObjectChanged | MalformedEvent


def read(body: str) -> Sequence[Found]:
    """What one message says changed: in its order, with a refusal in place of each part that is not as S3 promises.

    Empty for what is true but no change of bytes: S3's test message, tags, access lists, restores.
    """
    try:
        return _read(_parsed(body))
    except MalformedEvent as refusal:
        return [refusal]


def _parsed(body: str) -> Mapping[str, Any]:
    if len(body.encode("utf-8", "surrogatepass")) > SIZE_MAX:
        raise MalformedEvent("the message is larger than any that S3 sends")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedEvent("the message is not JSON") from None
    if not isinstance(message, dict):
        raise MalformedEvent("the message is not a JSON object")
    return message


def _read(message: Mapping[str, Any]) -> Sequence[Found]:
    records = message.get("Records")
    if isinstance(records, list):
        return [found for record in records for found in _attempt(_from_record, record)]
    if message.get("Event") == "s3:TestEvent":
        return []
    return _attempt(_from_eventbridge, message)


def _attempt(parse: Callable[[Any], ObjectChanged | None], said: Any) -> Sequence[Found]:
    try:
        found = parse(said)
    except MalformedEvent as refusal:
        return [refusal]
    except (KeyError, TypeError, ValueError, AttributeError):
        return [MalformedEvent("a field that S3 always sends is missing or of another kind")]
    return [found] if found else []


def _from_eventbridge(event: Mapping[str, Any]) -> ObjectChanged | None:
    if event.get("source") != "aws.s3":
        raise MalformedEvent("the message is not an event of S3")
    if event["detail-type"] not in _CHANGES:
        return None
    detail = event["detail"]
    key = detail["object"]["key"]  # plain text already: decoding it would corrupt '+' and '%'
    return _changed(detail["bucket"]["name"], key, event["time"], detail["object"].get("sequencer"))


def _from_record(record: Mapping[str, Any]) -> ObjectChanged | None:
    if record.get("eventSource") != "aws:s3" or str(record["eventVersion"]).split(".")[0] != "2":
        raise MalformedEvent("the record is not one of S3's, or of a version we do not know")
    if not record["eventName"].startswith(_RECORDS):
        return None
    s3 = record["s3"]
    key = unquote_plus(s3["object"]["key"], errors="strict")  # form-encoded; once, whatever it looks like afterwards
    return _changed(s3["bucket"]["name"], key, record["eventTime"], s3["object"].get("sequencer"))


def _changed(bucket: str, key: str, at: str, order: str | None) -> ObjectChanged:
    when = datetime.fromisoformat(at)
    if not _BUCKET.match(bucket) or when.tzinfo is None:
        raise MalformedEvent("the bucket's name or the time is not well formed")
    if not 0 < len(key.encode()) <= _KEY_MAX:
        raise MalformedEvent("the key is empty or longer than a key can be")
    return ObjectChanged("s3", bucket, key, when, sequencer(order if isinstance(order, str) else None))
