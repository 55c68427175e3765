"""Versions as HTTP tells them: ``ETag`` and ``If-Match`` (RFC 9110 8.8.3, 13.1.1)."""

import re
from collections.abc import Callable
from typing import Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Header

from shared.domain.errors import InvalidInput, VersionMismatch

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="Only if the ETag is still this (or one of these).",
        max_length=1024,
        examples=['"3"'],
    ),
]
"""A parameter of routes that change one thing."""

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,15}\Z")


def etag(version: int) -> str:
    """A version as a strong entity tag."""
    return f'"{version}"'


def expected(if_match: str | None, current: Callable[[], int]) -> int | None:
    """The one version that a change may be made to; None if any will do.

    Args:
        current: reads the version as it is; asked only if the header leaves a choice, or none. May raise NotFound.

    Raises:
        InvalidInput: the header is not well formed.
        VersionMismatch: none of its tags is the version. A weak tag never is.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    named = _versions(if_match)
    if len(named) == 1:
        return next(iter(named))
    now = current()
    if now not in named:
        raise VersionMismatch
    return now


def _versions(header: str) -> frozenset[int]:
    """The versions that a list of tags names; tags that are weak or no version of ours name none."""
    found = []
    for part in header.split(","):
        tag = _TAG.fullmatch(part)
        if tag is None:
            raise InvalidInput("If-Match is * or a list of entity tags")
        if not tag.group(1) and _VERSION.match(tag.group(2)):
            found.append(int(tag.group(2)))
    return frozenset(found)
