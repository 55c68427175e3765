"""Token answers (RFC 6749 5.1): what is taken from one, and what is refused although its status is 200."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from requests import Response

from shared.domain.errors import ProviderUnavailable
from shared.domain.secret import Secret
from shared.oauth.faults import Object, body

ABSURD_SECONDS = 3600.0
"""An ``expires_in`` that cannot be true: an hour is every house's order of magnitude, and one refresh too many does no harm."""

_LONGEST_TOKEN = 8192
_LONGEST_SCOPES = 32 * 1024
_MOST_SECONDS = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a token answer held.

    Attributes:
        seconds: life of the access token, or None if nothing was said.
        scope: as it was spelled there, or None if nothing was said.
        rest: all of it, for what one house adds. Holds the tokens: never shown.
    """

    access: Secret[str]
    refresh: Secret[str] | None
    seconds: float | None
    scope: tuple[str, ...] | None
    id_token: Secret[str] | None
    rest: Object = field(repr=False)

    def for_library(self) -> str:
        """A token answer in its plainest form: all that a client library needs to see to be content."""
        return json.dumps({"access_token": self.access.reveal(), "token_type": "Bearer"})


def answer_of(response: Response) -> Answer:
    """The answer, checked for form.

    Raises:
        ProviderUnavailable: it is none: not an object, no usable access token, or one that is not a bearer's.
    """
    told = body(response)
    if told is None or str(told.get("token_type", "")).lower() != "bearer":
        raise ProviderUnavailable
    access = _token(told.get("access_token"))
    if access is None:
        raise ProviderUnavailable
    return Answer(
        access=access,
        refresh=_token(told.get("refresh_token")),
        seconds=_seconds(told.get("expires_in")),
        scope=_scope(told.get("scope")),
        id_token=_token(told.get("id_token"), 4 * _LONGEST_TOKEN),
        rest=told,
    )


def _token(value: Any, most: int = _LONGEST_TOKEN) -> Secret[str] | None:
    """A token of visible ASCII (RFC 6749 A.12), or None if there is none.

    Raises:
        ProviderUnavailable: what is there cannot be one.
    """
    if value is None or value == "":
        return None
    if not (isinstance(value, str) and len(value) <= most and re.fullmatch(r"[\x20-\x7e]+", value)):
        raise ProviderUnavailable
    return Secret(value)


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    return seconds if 0 < seconds <= _MOST_SECONDS else ABSURD_SECONDS


def _scope(value: Any) -> tuple[str, ...] | None:
    """Scopes by spaces as the standard says, by commas or in a list as some houses do. An empty text: none were granted.

    Raises:
        ProviderUnavailable: they are longer than any record should be.
    """
    if isinstance(value, list):
        told = tuple(each for each in value if isinstance(each, str))
    elif isinstance(value, str):
        told = tuple(filter(None, re.split(r"[ ,]+", value)))
    else:
        return None
    if sum(len(each.encode("utf-8", "surrogatepass")) for each in told) > _LONGEST_SCOPES:
        raise ProviderUnavailable
    return told
