"""The audit trail: who did what, and the chain of hashes that shows whether it was tampered with."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""``previous`` of a trail's first entry."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the issuer's subject or the name of a program, and the network address the request came from (or empty)."""

    subject: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change or attempt. Holds no secret and nothing a provider said.

    Attributes:
        tenant_id: whose trail; ``provider.SYSTEM`` for what belongs to the deployment.
        action: ``integration.connected``; what happened, in the past tense.
        subject: ``integration/int_7f3a``; to what.
        outcome: ``success``, or the stable code of an error.
        before, after: the parts that changed, as they may be shown; a secret appears as ``(set)`` or not at all.
    """

    tenant_id: str
    at: datetime
    actor: Actor
    action: str
    subject: str
    outcome: str = "success"
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An event in its place. ``sequence`` counts a trail's entries from 1; ``hash`` is ``digest`` of all the rest."""

    event: AuditEvent
    sequence: int
    previous: str
    hash: str


def entry(event: AuditEvent, sequence: int, previous: str) -> AuditEntry:
    """The event as the entry after ``previous``."""
    return AuditEntry(event, sequence, previous, digest(event, sequence, previous))


def document(event: AuditEvent, sequence: int, previous: str) -> dict[str, Any]:
    """What is hashed, and with ``hash`` beside it what is exported: plain JSON values."""
    return {
        "tenantId": event.tenant_id,
        "sequence": sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor.subject,
        "origin": event.actor.origin,
        "action": event.action,
        "subject": event.subject,
        "outcome": event.outcome,
        "before": dict(event.before) if event.before is not None else None,
        "after": dict(event.after) if event.after is not None else None,
        "previous": previous,
    }


def digest(event: AuditEvent, sequence: int, previous: str) -> str:
    """SHA-256, hexadecimal, of the document as canonical JSON: sorted names, no spaces, UTF-8."""
    return digest_of(document(event, sequence, previous))


def digest_of(told: Mapping[str, Any]) -> str:
    """The hash of a document as exported (``hash`` itself left out)."""
    plain = {name: value for name, value in told.items() if name != "hash"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def first_break(documents: Iterable[Mapping[str, Any]], *, after: int = 0, previous: str = GENESIS) -> int | None:
    """The sequence at which exported entries no longer follow from the ones before, or None if all do.

    Args:
        documents: entries in order, each with its ``hash``, the first being the one after ``after``.
        previous: hash of the entry ``after``.
    """
    for expected, told in enumerate(documents, start=after + 1):
        sound = told.get("sequence") == expected and told.get("previous") == previous
        if not sound or told.get("hash") != digest_of(told):
            return expected
        previous = str(told["hash"])
    return None
