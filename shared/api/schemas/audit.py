"""The audit trail over the wire."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.api.schemas.closed import Closed
from shared.domain.audit import AuditEntry, document
from shared.usecases.trail import Verified

_HASH = "9f2b6c1c0d5b7a34c1f0e8a6d4b2907f5e3c1a8b6d4f2e0c9a7b5d3f1e0c8a6b"
_EVENT: JsonDict = {
    "tenantId": "acme",
    "sequence": 42,
    "at": "2026-11-20T12:00:00.000000+00:00",
    "actor": "auth0|def456",
    "origin": "203.0.113.7",
    "action": "integration.connected",
    "subject": "integration/int_7f3a91c25be04d68",
    "outcome": "success",
    "before": {"status": "pending", "reason": None},
    "after": {"status": "active", "reason": None},
    "previous": "0" * 64,
    "hash": _HASH,
}


class AuditEvent(Closed):
    """Who did what, to what, when, from where, and how it went. It holds no secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})

    tenant_id: Annotated[str, Field(description="Whose trail; `*` for what belongs to the deployment.")]
    sequence: Annotated[int, Field(description="Counts a trail's entries from 1.")]
    at: Annotated[str, Field(description="ISO 8601, UTC, exactly as it was hashed.")]
    actor: Annotated[str, Field(description="The issuer's subject, or the name of a program.")]
    origin: Annotated[str, Field(description="The network address the request came from; may be empty.")]
    action: Annotated[str, Field(examples=["integration.connected"])]
    subject: Annotated[str, Field(examples=["integration/int_7f3a91c25be04d68"])]
    outcome: Annotated[str, Field(description="`success`, or the stable code of an error.")]
    before: Annotated[dict[str, Any] | None, Field(description="What changed, as it was.")]
    after: Annotated[dict[str, Any] | None, Field(description="What changed, as it is.")]
    previous: Annotated[str, Field(description="Hash of the entry before.")]
    hash: Annotated[str, Field(description="SHA-256 of all the rest as canonical JSON.")]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """From an entry of a trail."""
        told = document(entry.event, entry.sequence, entry.previous)
        return cls.model_validate({**told, "hash": entry.hash})


class AuditEventList(Closed):
    """Part of a trail, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EVENT], "nextCursor": None}]})

    items: list[AuditEvent]
    next_cursor: str | None


class Verification(Closed):
    """Whether a trail is whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sound": True, "entries": 42, "head": _HASH, "brokenAt": None, "unfinished": False}]
        }
    )

    sound: bool
    entries: Annotated[int, Field(description="The last entry that is sound, and so the number of them.")]
    head: Annotated[str, Field(description="Its hash. Kept elsewhere, it shows later what was altered or cut off.")]
    broken_at: Annotated[int | None, Field(description="The first entry that does not follow from the ones before.")]
    unfinished: Annotated[bool, Field(description="There is more: ask again with `after` = entries, and this head.")]

    @classmethod
    def of(cls, found: Verified) -> Self:
        """From what the use case found."""
        return cls(
            sound=found.sound,
            entries=found.entries,
            head=found.head,
            broken_at=found.broken_at,
            unfinished=found.unfinished,
        )
