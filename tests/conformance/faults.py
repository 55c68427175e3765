"""What a proxy may do to a request, ready made."""

import threading
from collections.abc import Callable

from tests.conformance.proxy import Fault, Forward, Request, Response


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answers in the server's place; the server never hears of the request."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda request, forward: Response(status, fields, body)


def reset_before(_: Request, __: Forward) -> None:
    """The connection is reset before the server hears anything."""


def reset_in_last_byte(_: Request, forward: Forward) -> None:
    """The server hears all but the last byte, then both ends are cut off."""
    forward(cut=1)


def reset_after(_: Request, forward: Forward) -> None:
    """The server does what it was asked; nobody hears its answer."""
    forward()


def twice(_: Request, forward: Forward) -> Response | None:
    """The request reaches the server twice; the second answer counts."""
    forward()
    return forward()


def held(event: threading.Event, seconds: float = 20) -> Fault:
    """Nothing happens until ``event``; then the connection is reset. The server hears nothing."""

    def fault(_: Request, __: Forward) -> None:
        event.wait(seconds)

    return fault


def truncated(keep: Callable[[int], int]) -> Fault:
    """The server's answer, with only ``keep(len)`` bytes of its body, then a reset."""

    def fault(_: Request, forward: Forward) -> Response | None:
        whole = forward()
        if whole is None:
            return None
        return Response(whole.status, whole.headers, whole.body[: keep(len(whole.body))], promised=len(whole.body))

    return fault
