"""The session for calls outside: requests' face, with limits that no caller can forget."""

import time
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests_hardened import Config, HTTPSession
from urllib3.exceptions import HTTPError

from shared.outbound.errors import Unreachable
from shared.outbound.timed import CALL, Call, ListedAdapter, PublicAdapter

SECONDS = 10.0
CONNECT_SECONDS = 5.0
MOST_BYTES = 262_144
_CHUNK = 16_384
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class Outbound(HTTPSession):  # type: ignore[misc]  # requests-hardened has no types
    """Calls https addresses on the public internet, and the operator's listed ``host:port`` pairs (there also http).

    No redirect is followed: a 3xx is an answer like others. A call is over after ``SECONDS`` (finding the name's address comes
    on top: the system's resolver keeps its own time), and an answer has at most ``MOST_BYTES``, counted as sent. Every call has
    a connection of its own: a frozen process leaves dead ones behind, and a request that was lost on one of these would look as
    if it might have been carried out. Proxies, ``.netrc`` and the environment are ignored; cookies are neither kept nor sent.
    Thread-safe.

    Raises:
        Unreachable: from every method that makes a call, and nothing else.
    """

    def __init__(self, private_hosts: frozenset[str] = frozenset(), *, seconds: float = SECONDS) -> None:
        super().__init__(
            Config(
                ip_filter_enable=True,
                ip_filter_allow_loopback_ips=False,
                never_redirect=True,
                default_timeout=(CONNECT_SECONDS, seconds),
                user_agent_override="farshore",
            )
        )
        self._seconds = seconds
        self.trust_env = False
        self.headers.update({"Accept-Encoding": "identity", "Connection": "close"})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()  # so that http to a host that is not listed finds no way out
        self.mount("https://", PublicAdapter())
        for host in private_hosts:
            for scheme, port in _DEFAULT_PORTS.items():
                self.mount(f"{scheme}://{host}/", ListedAdapter())
                if host.endswith(port):  # URLs need not say it
                    self.mount(f"{scheme}://{host.removesuffix(port)}/", ListedAdapter())

    def request(self, *rest: Any, **named: Any) -> requests.Response:
        try:
            response: requests.Response = super().request(*rest, **named)
        except (requests.RequestException, ValueError):  # the URL is none
            raise Unreachable("the address cannot be called", reached=False) from None
        return response

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        call = Call(time.monotonic() + self._seconds)
        token = CALL.set(call)
        named |= {
            "stream": True,
            "verify": named.get("verify") or True,
            "timeout": (min(CONNECT_SECONDS, self._seconds), self._seconds),
        }
        try:
            response: requests.Response = super().send(request, **named)
            with response:
                _read(response)
        except _FAILURES:  # what they say may quote the URL or the answer
            raise Unreachable("there was no answer", reached=call.connected) from None
        finally:
            CALL.reset(token)
        return response


def _read(response: requests.Response) -> None:
    """Takes in the body, so that callers need not know that it came in pieces."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unreachable("the answer is packed, which was not asked for", reached=True)
    body = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > MOST_BYTES:
            raise Unreachable("the answer is too long", reached=True)
    response._content = bytes(body)
    response._content_consumed = True  # type: ignore[attr-defined]  # requests' own field, not in its stubs
