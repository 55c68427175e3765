"""A deployment's HTTP API as a command on the user's computer calls it: with one bearer token, following no redirect."""

import json
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from shared.domain.errors import FarshoreError, InvalidInput, Unauthenticated
from shared.domain.secret import Secret

_SECONDS = 60.0
_BODY_MAX = 1024 * 1024
_COOKIE = "__Host-farshore-"


class ApiRefused(FarshoreError):
    """The deployment said no, or did not answer. ``code`` is the API's own where it gave one."""

    code = "api_refused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # the API's own codes are not of our tree


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    Attributes:
        body: its JSON; an empty object without any.
        cookie: name and value of the cookie that binds a consent, as it goes back.
    """

    body: Any
    cookie: Secret[str] | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """Where it is, and as whom.

    Attributes:
        address: scheme, host and port; https, but for this computer itself.
    """

    address: str
    token: Secret[str] = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(self.address)):
            raise InvalidInput("--api is an https address")
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise InvalidInput("--api is scheme and host, without a path")

    def send(self, method: str, path: str, body: object = None) -> Said:
        """Calls ``/api/v1/{path}``.

        Raises:
            ApiRefused
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        request = Request(f"{self.address}/api/v1/{path}", data, headers, method=method)  # noqa: S310 # checked above
        status, heads, said = self._open(request)
        if status >= 300:
            raise _refusal(status, said)
        return Said(said, _cookie(heads))

    def callback(self, url: str, cookie: Secret[str] | None) -> str:
        """Calls a callback as the browser would; where it redirects to.

        Raises:
            ApiRefused
        """
        headers = {"Cookie": cookie.reveal()} if cookie else {}
        status, heads, said = self._open(Request(url, headers=headers))  # noqa: S310 # of this very address
        if status != 303 or not heads["Location"]:
            raise _refusal(status, said)
        return str(heads["Location"])

    def _open(self, request: Request) -> tuple[int, Message, Any]:
        request.add_unredirected_header("Authorization", f"Bearer {self.token.reveal()}")
        try:
            with _opener(self.address).open(request, timeout=_SECONDS) as answer:
                return answer.status, answer.headers, _json(answer.read(_BODY_MAX))
        except HTTPError as answer:
            with answer:
                return answer.code, answer.headers, _json(answer.read(_BODY_MAX))
        except (URLError, OSError):
            raise ApiRefused("api_unreachable", f"{self.address} does not answer") from None


class _Stay(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Whoever the redirect names must not get the token."""


def _opener(address: str) -> OpenerDirector:
    return build_opener(_Stay, ProxyHandler({})) if _is_here(address) else build_opener(_Stay)


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return {}


def _refusal(status: int, said: Any) -> ApiRefused:
    told = said if isinstance(said, dict) else {}
    if status == 401 and not told.get("code"):  # a gateway's own word, before the API is asked
        return ApiRefused(Unauthenticated.code, "the token is not accepted: it is over, or not for this deployment")
    return ApiRefused(
        str(told.get("code") or f"http_{status}"), str(told.get("detail") or f"the API answered {status}")
    )


def _cookie(heads: Message) -> Secret[str] | None:
    found = [head.partition(";")[0] for head in heads.get_all("Set-Cookie") or () if head.startswith(_COOKIE)]
    return Secret(found[0]) if found else None
