"""Identifiers. All are opaque ASCII strings of 1 to 64 characters from ``[A-Za-z0-9_-]``."""

import re
from typing import NewType

from shared.domain.errors import InvalidInput

TenantId = NewType("TenantId", str)
IntegrationId = NewType("IntegrationId", str)
RuleId = NewType("RuleId", str)
ProviderId = NewType("ProviderId", str)
WebhookId = NewType("WebhookId", str)
TargetName = NewType("TargetName", str)
"""A target's name, unique within its tenant; the word a person uses for it (``azure-backup``)."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def identifier(value: str, what: str) -> str:
    """Returns ``value`` if it is a well-formed identifier.

    Raises:
        InvalidInput: it is not; the message names ``what`` and never echoes ``value``.
    """
    if not _IDENTIFIER.match(value):
        raise InvalidInput(f"{what} must be 1 to 64 characters of letters, digits, '_' and '-'")
    return value
