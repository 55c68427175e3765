"""Scopes asked for, and granted."""

from collections.abc import Iterable

_SIGN_IN = frozenset({"openid", "profile", "email", "offline_access"})
"""What these ask for comes as an ID token or a refresh token; houses leave them out of their answer, or spell them otherwise
(OpenID Connect Core 5.4; Microsoft identity platform, "Scopes and permissions").
"""


def lacking(requested: Iterable[str], granted: Iterable[str] | None) -> frozenset[str]:
    """What was asked for and not granted; None granted means as asked (RFC 6749, 5.1)."""
    return frozenset() if granted is None else frozenset(requested) - frozenset(granted) - _SIGN_IN
