"""The suite's own promises: no case without a test, and a proxy that does what it says."""

import ast
import threading
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.conformance.faults import answer, held, reset_after, reset_before, reset_in_last_byte, truncated, twice
from tests.conformance.proxy import Proxy, anything, proxy


def test_every_case_has_a_test() -> None:
    proved = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                calls = [mark for mark in node.decorator_list if isinstance(mark, ast.Call)]
                proved |= {call.args[0].value for call in calls if getattr(call.func, "id", "") == "case"}
    assert proved == set(CASES) == set(range(1, 67))


def ask(wire: Proxy, method: str = "PUT", body: bytes = b"abc") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", wire.port, timeout=5)
    try:
        connection.request(method, "/bucket/a%2Bb?x=", body, {"Host": "signed.example"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.fixture
def pair():
    """A proxy before another that only answers and remembers."""
    with proxy(None) as server, proxy(server.url) as wire:
        yield wire, server


def test_the_proxy_passes_a_request_as_it_was(pair) -> None:
    wire, server = pair
    assert ask(wire) == (404, b"")
    (seen,) = server.requests
    assert (seen.method, seen.target, seen.body, seen.header("host")) == (
        "PUT",
        "/bucket/a%2Bb?x=",
        b"abc",
        "signed.example",
    )


def test_a_fault_hits_as_often_as_told(pair) -> None:
    wire, server = pair
    wire.when(anything, answer(503, b"no", Retry_After="7"), times=2, skip=1)
    assert [ask(wire)[0] for _ in range(4)] == [404, 503, 503, 404]
    assert (wire.count(), server.count()) == (4, 2)


def test_resets_reach_the_server_or_not(pair) -> None:
    wire, server = pair
    for fault, reached in ((reset_before, 0), (reset_in_last_byte, 0), (reset_after, 1)):
        wire.when(anything, fault)
        with pytest.raises((ConnectionError, RemoteDisconnected)):
            ask(wire)
        assert server.count() == reached, fault


def test_a_request_lands_twice(pair) -> None:
    wire, server = pair
    wire.when(anything, twice)
    assert ask(wire) == (404, b"")
    assert server.count() == 2


def test_a_late_request_lands_when_released(pair) -> None:
    wire, server = pair
    wire.when(anything, wire.late())
    with pytest.raises((ConnectionError, RemoteDisconnected)):
        ask(wire)
    assert server.count() == 0
    wire.release()
    assert server.count() == 1


def test_a_held_request_never_lands(pair) -> None:
    wire, server = pair
    wire.when(anything, held(threading.Event(), 0.01))
    with pytest.raises((ConnectionError, RemoteDisconnected)):
        ask(wire)
    assert server.count() == 0


def test_an_answer_is_cut_short() -> None:
    with proxy(None) as server, proxy(server.url) as wire:
        server.when(anything, answer(200, b"0123456789"), times=None)
        assert ask(wire) == (200, b"0123456789")
        wire.when(anything, truncated(lambda size: size - 1))
        with pytest.raises(Exception, match=r"(IncompleteRead|reset)"):
            ask(wire)
