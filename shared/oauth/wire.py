"""The line to an authorization server that the client libraries are given in place of their own.

Each answer is judged here, before a library sees it: a refusal leaves as an error of ours, so that no library retries, logs or
quotes one, and what they do see is sound.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from requests import Response

from shared.domain.errors import ProviderUnavailable
from shared.oauth.answers import Answer
from shared.outbound.errors import Unreachable
from shared.outbound.session import Outbound


@dataclass(frozen=True, slots=True)
class Sound:
    """An answer as a library sees it: the part of ``requests.Response`` that Authlib and msal read."""

    text: str = field(repr=False)
    status_code: int = 200

    def json(self) -> Any:
        return json.loads(self.text)


class Wire[T]:
    """One call's line: the part of a ``requests`` session that Authlib and msal use.

    Attributes:
        told: what ``read`` made of the last answer.
    """

    told: T

    def __init__(self, http: Outbound, read: Callable[[Response], T]) -> None:
        self._http = http
        self._read = read

    def post(self, url: str, **named: Any) -> Sound:
        """POSTs.

        Raises:
            ProviderUnavailable: there was no answer; and whatever ``read`` makes of one.
        """
        return self.request("POST", url, **named)

    def request(self, method: str, url: str, **named: Any) -> Sound:
        """Any call; raises as ``post``."""
        try:
            response = self._http.request(method, url, **named)
        except Unreachable as error:
            raise ProviderUnavailable(reached=error.reached) from None
        self.told = self._read(response)
        return Sound(self.told.for_library() if isinstance(self.told, Answer) else "{}")
