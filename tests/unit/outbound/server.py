"""A server on loopback that answers each connection with the bytes a test chose, as slowly as it chose."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

type Answer = Callable[[socket.socket, threading.Event], None]


@dataclass
class Loopback:
    port: int
    asked: list[bytes] = field(default_factory=list)

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}/"


@contextmanager
def loopback(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """Serves until the block ends, one connection after the other."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = Loopback(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, told, answer, over, tls), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
            thread.join()


def bytes_of(status: str, body: bytes = b"", *headers: str) -> Answer:
    """Answers with this at once."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode()
    return lambda connection, over: connection.sendall(head + body)


def _serve(listener, told, answer, over, tls):
    while not over.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(2)
        try:
            with tls.wrap_socket(connection, server_side=True) if tls else connection as line:
                said = _request(line)
                if not said:  # a handshake that the client broke off may look done from here
                    continue
                told.asked.append(said)
                answer(line, over)
        except OSError:
            connection.close()  # the client had enough


def _request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return got
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
