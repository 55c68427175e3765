"""Calls outside: where they go, when they end, how much they take in, and what they tell of a failure."""

import socket
import threading
import time

import pytest

from shared.outbound.errors import Unreachable
from shared.outbound.session import MOST_BYTES, Outbound
from tests.unit.outbound.server import bytes_of, loopback

PUBLIC = "93.184.215.14"


def session(server, **named):
    return Outbound(frozenset({server.authority}), **named)


def resolving(monkeypatch, *addresses):
    """Names resolve to these, one after the other; the last one stays. Returns where connections were tried."""
    left, tried = list(addresses), []

    def lookup(host, port, *rest, **named):
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port) if family == socket.AF_INET else (address, port, 0, 0))
        ]

    def connect(address, *rest, **named):
        tried.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return tried


def test_a_listed_host_is_called_and_answers():
    with loopback(bytes_of("200 OK", b'{"a":1}', "Content-Type: application/json")) as server:
        answer = session(server).post(server.url + "x?y=z", data={"k": "v"})
    assert (answer.status_code, answer.json(), answer.text) == (200, {"a": 1}, '{"a":1}')
    [asked] = server.asked
    assert asked.startswith(b"POST /x?y=z HTTP/1.1\r\n")
    assert asked.endswith(b"\r\n\r\nk=v")


def test_a_host_that_is_not_listed_is_not_called_over_http():
    with loopback(bytes_of("200 OK")) as server:
        with pytest.raises(Unreachable) as caught:
            Outbound().get(server.url)
        assert (caught.value.reached, server.asked) == (False, [])


def test_another_port_of_a_listed_host_is_not_called():
    with loopback(bytes_of("200 OK")) as listed, loopback(bytes_of("200 OK")) as other:
        with pytest.raises(Unreachable):
            session(listed).get(other.url)
        assert other.asked == []


@pytest.mark.parametrize(
    ("listed", "url", "called"),
    [
        ("inside.example:443", "https://inside.example/x", True),
        ("inside.example:443", "https://inside.example:443/x", True),
        ("inside.example:80", "http://inside.example/x", True),
        ("inside.example:80", "https://inside.example/x", False),
        ("inside.example:443", "http://inside.example/x", False),
        ("inside.example:8443", "https://inside.example/x", False),
    ],
)
def test_a_listed_host_is_called_whether_or_not_the_url_names_its_schemes_own_port(listed, url, called, monkeypatch):
    tried = resolving(monkeypatch, "10.0.0.7")
    with pytest.raises(Unreachable):
        Outbound(frozenset({listed})).get(url)
    assert tried == (["inside.example"] if called else [])


@pytest.mark.parametrize(
    "shape", ["http://{0}@evil.example.com/", "http://evil.example.com/?{0}/", "http://evil.example.com#{0}/"]
)
def test_a_listed_host_elsewhere_in_the_url_opens_nothing(shape, monkeypatch):
    tried = resolving(monkeypatch, PUBLIC)
    with pytest.raises(Unreachable):
        Outbound(frozenset({"127.0.0.1:8080"})).get(shape.format("127.0.0.1:8080"))
    assert tried == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "fec0::1",
        "::7f00:1",
    ],
)
def test_a_name_that_resolves_to_an_address_that_is_not_public_is_not_called(address, monkeypatch):
    tried = resolving(monkeypatch, address)
    with pytest.raises(Unreachable) as caught:
        Outbound().get("https://innocent.example.com/")
    assert (tried, caught.value.reached) == ([], False)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "localhost"])
def test_other_spellings_of_loopback_are_not_called(host):
    with loopback(bytes_of("200 OK")) as server:
        with pytest.raises(Unreachable):
            Outbound().get(f"https://{host}:{server.port}/")
        assert server.asked == []


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch):
    tried = resolving(monkeypatch, PUBLIC, "127.0.0.1")  # DNS rebinding: public when checked, private right after
    with pytest.raises(Unreachable) as caught:
        Outbound().get("https://rebind.example.com/")
    assert (tried, caught.value.reached) == ([PUBLIC], False)


def test_a_name_that_turned_private_between_two_calls_is_not_called_again(monkeypatch):
    tried = resolving(monkeypatch, PUBLIC, "127.0.0.1")
    http = Outbound()
    for _ in range(2):
        with pytest.raises(Unreachable):
            http.get("https://rebind.example.com/")
    assert tried == [PUBLIC]


@pytest.mark.attack(34)
def test_a_redirect_to_a_metadata_address_is_an_answer_and_is_not_followed():
    with loopback(bytes_of("307 Moved", b"", "Location: http://169.254.169.254/latest/meta-data/")) as server:
        answer = session(server).post(server.url, data={"secret": "s"}, allow_redirects=True)
    assert (answer.status_code, len(server.asked), answer.history) == (307, 1, [])


def test_a_redirect_to_a_listed_host_is_not_followed_either():
    with (
        loopback(bytes_of("200 OK")) as target,
        loopback(bytes_of("302 Found", b"", f"Location: {target.url}")) as server,
    ):
        http = Outbound(frozenset({server.authority, target.authority}))
        assert http.get(server.url).status_code == 302
        assert target.asked == []


def test_an_answer_of_the_most_bytes_is_read_and_one_more_is_refused():
    with loopback(bytes_of("200 OK", b"x" * MOST_BYTES)) as server:
        assert len(session(server).get(server.url).content) == MOST_BYTES
    with loopback(bytes_of("200 OK", b"x" * (MOST_BYTES + 1))) as server, pytest.raises(Unreachable) as caught:
        session(server).get(server.url)
    assert caught.value.reached


def test_an_endless_answer_is_refused_at_its_limit():
    sent = []

    def endless(connection, over):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not over.is_set() and len(sent) < 1000:
            connection.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            sent.append(0x4000)

    with loopback(endless) as server, pytest.raises(Unreachable):
        session(server).get(server.url)
    assert sum(sent) < 8 * MOST_BYTES + 4_194_304  # what the sockets' buffers hold


def test_a_packed_answer_is_refused_unopened():
    with loopback(bytes_of("200 OK", b"\x1f\x8b", "Content-Encoding: gzip")) as server, pytest.raises(Unreachable):
        session(server).get(server.url)


def dripping(*pieces):
    def drip(connection, over):
        for piece in pieces:
            connection.sendall(piece)
        while not over.wait(0.02):
            connection.sendall(b"x")

    return drip


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
        lambda connection, over: over.wait(5),
    ],
    ids=["headers", "body", "body without length", "nothing"],
)
def test_an_answer_that_drips_ends_with_the_calls_time(answer):
    with loopback(answer) as server:
        start = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            session(server, seconds=0.3).get(server.url)
        assert time.monotonic() - start < 2
    assert caught.value.reached


def test_a_connection_that_is_refused_did_not_reach_anyone():
    with loopback(bytes_of("200 OK")) as server:
        gone = server
    with pytest.raises(Unreachable) as caught:
        session(gone).get(gone.url)
    assert not caught.value.reached


def test_a_connection_that_breaks_after_the_request_may_have_reached_someone():
    with loopback(lambda connection, over: None) as server, pytest.raises(Unreachable) as caught:
        session(server).post(server.url, data={"refresh_token": "r"})
    assert caught.value.reached


def test_each_call_has_a_connection_of_its_own_that_ends_with_it():
    more = []

    def keep(connection, over):
        bytes_of("200 OK", b"", "Connection: keep-alive")(connection, over)
        more.append(connection.recv(1))

    with loopback(keep) as server:
        http = session(server)
        answers = [http.get(server.url) for _ in range(3)]
        assert [each.status_code for each in answers] == [200] * 3
    assert more == [b""] * 3


def test_no_cookie_is_kept():
    with loopback(bytes_of("200 OK", b"", "Set-Cookie: a=b; Path=/")) as server:
        http = session(server)
        for _ in range(2):
            http.get(server.url)
        assert b"cookie" not in server.asked[1].lower()


def test_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch, tmp_path):
    with loopback(bytes_of("200 OK")) as server, loopback(bytes_of("200 OK")) as proxy:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login someone password canary\n")
        for name, value in {
            "HTTP_PROXY": proxy.url,
            "http_proxy": proxy.url,
            "NETRC": str(netrc),
            "NO_PROXY": "",
        }.items():
            monkeypatch.setenv(name, value)
        session(server).get(server.url)
        assert proxy.asked == []
        assert b"authorization" not in server.asked[0].lower()


@pytest.mark.parametrize(
    "url", ["https://", "nonsense", "https://exa mple.com/?token=canary", "file:///etc/passwd", "https://[::1/?canary"]
)
def test_what_is_no_url_reaches_no_one_and_is_not_repeated(url):
    with pytest.raises(Unreachable) as caught:
        Outbound().get(url)
    assert not caught.value.reached
    assert caught.value.__cause__ is None
    assert "canary" not in repr(caught.value)


def test_many_threads_share_a_session_and_keep_their_own_time():
    with loopback(bytes_of("200 OK", b"ok")) as server:
        http, got = session(server), []
        threads = [threading.Thread(target=lambda: got.append(http.get(server.url).text)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == ["ok"] * 8
