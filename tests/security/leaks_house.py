"""A simulated house on a line that is listened to; any answer can be put in place of the house's."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.local.providers import wire
from infra.local.providers.exchange import Answer, Request
from infra.local.providers.house import Client
from infra.local.providers.simulator import Simulator, simulator

RAW = "raw"
"""The content type of an answer whose body is all that is sent, status line included."""

type Real = Callable[[], Answer | None]
type Fault = Callable[[Request, Real], Answer | None]
"""An answer in place of the house's; None hangs up. The second argument has the house carry the request out."""


@dataclass(repr=False)
class Line:
    """What went to a house, and what came back.

    Attributes:
        faults: by endpoint; each holds until it is healed.
        hits: how often a fault was played.
        calls: (endpoint, request), in order.
        answers: what the house itself said.
    """

    faults: dict[str, Fault] = field(default_factory=dict)
    hits: int = 0
    calls: list[tuple[str, Request]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def take(self, endpoint: str, request: Request, real: Real) -> Answer | None:
        def kept() -> Answer | None:
            answer = real()
            self.answers += [answer] if answer else []
            return answer

        if endpoint != "authorize":  # that is the person's browser
            self.calls.append((endpoint, request))
        if endpoint not in self.faults:
            return kept()
        self.hits += 1
        return self.faults[endpoint](request, kept)

    def secrets(self) -> Iterator[tuple[str, str]]:
        """Kind and value of what the house gave out and was given."""
        for answer in self.answers:
            for name, value in _object(answer.body).items():
                if name in ("access_token", "refresh_token", "id_token") and isinstance(value, str):
                    yield name.replace("_", " "), value.rpartition(".")[2] if name == "id_token" else value
        for _, request in self.calls:
            if verifier := request.form.get("code_verifier"):
                yield "verifier", verifier


@contextmanager
def listened(name: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Simulator, Line]]:
    """Runs a house, and listens."""
    line, handle, send = Line(), Simulator.handle, wire._Handler._send

    def heard(house: Simulator, request: Request) -> Answer | None:
        return line.take(house._endpoint(request), request, lambda: handle(house, request))

    def sent(handler: Any, answer: Answer) -> None:
        if answer.content_type == RAW:
            handler.wfile.write(answer.body)
        else:
            send(handler, answer)

    monkeypatch.setattr(Simulator, "handle", heard)
    monkeypatch.setattr(wire._Handler, "_send", sent)
    with simulator(name, client=client) as house:
        yield house, line


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


# ---- faults: each says to its caller all that the caller said -------------------------------------------------------------
def everything(request: Request) -> str:
    """The whole request, as a server in debug mode shows it."""
    headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    return (
        f"{request.method} {request.path}?{request.query} {headers} {request.body.decode()} provider-text-canary-7711aa"
    )


def echo(status: int, **said: str) -> Fault:
    """An error object whose every field, but for those given, tells the request."""

    def fault(request: Request, _: Real) -> Answer:
        told = everything(request)
        fields = dict.fromkeys(
            ("error", "error_description", "error_summary", "suberror", "error_subtype", "message"), told
        )
        body = json.dumps({**fields, "error_uri": told, **said}).encode()
        header = told.replace("\n", " ").encode("ascii", "replace").decode()[:2000]
        return Answer(
            status, body, headers=(("X-Debug", header), ("Retry-After", header), ("WWW-Authenticate", header))
        )

    return fault


def text(status: int, content_type: str, pattern: str = "{}") -> Fault:
    """The request in some text."""
    return lambda request, _: Answer(status, pattern.replace("{}", everything(request)).encode(), content_type)


def redirected(request: Request, _: Real) -> Answer:
    """To an address that holds the request."""
    from urllib.parse import quote

    return Answer(307, b"", headers=(("Location", f"http://127.0.0.1:9/{quote(everything(request))}"),))


def no_http(request: Request, _: Real) -> Answer:
    """Instead of a status line, the request."""
    return Answer(0, everything(request).replace("\n", " ").encode() + b"\r\n\r\n", RAW)


def bad_headers(request: Request, _: Real) -> Answer:
    """A header without end, and a length that is the request."""
    told = everything(request).replace("\n", " ").encode()
    return Answer(
        0, b"HTTP/1.1 200 " + told + b"\r\nContent-Length: " + told + b"\r\n" + told + b"\r\n\r\n" + told, RAW
    )


def odd_fields(request: Request, _: Real) -> Answer:
    """An answer in which all that should be something is something else: the request."""
    told = everything(request)
    names = ("access_token", "refresh_token", "expires_in", "token_type", "id_token", "id", "sub", "account_id", "user")
    return Answer(200, json.dumps({name: {"echo": [told]} for name in names} | {"token_type": "bearer"}).encode())


def odd_id_token(request: Request, real: Real) -> Answer | None:
    """The real answer with an ID token that is none, or somebody else's."""
    answer = real()
    if answer is None or answer.status != 200:
        return answer
    return Answer(200, json.dumps({**json.loads(answer.body), "id_token": f"x.{everything(request)}"}).encode())


def too_long(request: Request, _: Real) -> Answer:
    """More than anybody wants to read."""
    return Answer(200, everything(request).encode() * 2000)


def too_deep(request: Request, _: Real) -> Answer:
    """JSON that no reader comes to the end of."""
    return Answer(200, b"[" * 100_000 + json.dumps(everything(request)).encode())


def hung_up(_: Request, __: Real) -> None:
    """No answer."""


def hung_up_after(_: Request, real: Real) -> None:
    """It was done, and nobody is told."""
    real()


FAULTS: dict[str, Fault] = {
    "broken": echo(500),
    "unavailable": echo(503, error="temporarily_unavailable"),
    "throttled": echo(429),
    "refused": echo(400, error="invalid_grant"),
    "refused client": echo(401, error="invalid_client"),
    "refused in no known word": echo(400),
    "forbidden": echo(403),
    "a page": text(200, "text/html", "<html>{}</html>"),
    "a form": text(200, "application/x-www-form-urlencoded", "access_token={}&token_type=bearer"),
    "a redirect": redirected,
    "no HTTP": no_http,
    "bad headers": bad_headers,
    "odd fields": odd_fields,
    "odd ID token": odd_id_token,
    "too long": too_long,
    "too deep": too_deep,
    "hung up": hung_up,
    "hung up afterwards": hung_up_after,
}
