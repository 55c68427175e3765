"""Connections to one bucket's host."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

_SOCKET = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class Line(Protocol):
    """Sends prepared requests (botocore's ``AWSPreparedRequest``), once each; follows no redirect."""

    def send(self, request: Any) -> Any:
        """The answer, with ``status_code``, ``headers`` and, still to be read, ``raw``. Raises the SDK's or urllib3's errors."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Answer:
    status_code: int
    headers: Any
    raw: Any


class Direct:
    """urllib3's pool for that one host: what botocore's session does for any host costs as much again."""

    def __init__(self, base: str, config: Any, bundle: Any) -> None:
        import urllib3
        from botocore.httpsession import get_cert_path

        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        secure: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": get_cert_path(bundle or True)}
        manager = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout),
            maxsize=config.max_pool_connections,
            socket_options=_SOCKET,
            **(secure if parts.scheme == "https" else {}),
        )
        self._pool = manager.connection_from_url(self._origin)

    def send(self, request: Any) -> Any:
        answer = self._pool.urlopen(
            request.method,
            # The target as it was signed: a manager would tidy up "a/../b", which is a key like any other.
            request.url.removeprefix(self._origin),
            body=request.body or None,
            headers=request.headers,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        return _Answer(answer.status, answer.headers, answer)

    def close(self) -> None:
        self._pool.close()


def line_to(base: str, config: Any, bundle: Any) -> Line:
    """A line to the host of ``base``; through the environment's proxy, if it names one for it, as botocore goes.

    Args:
        config: botocore's, for time-outs and the number of connections.
        bundle: of certificates to trust, or None for botocore's.
    """
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    proxies = get_environ_proxies(base)
    if not proxies:
        return Direct(base, config, bundle)
    session: Callable[..., Line] = URLLib3Session
    return session(
        timeout=(config.connect_timeout, config.read_timeout),
        socket_options=_SOCKET,
        max_pool_connections=config.max_pool_connections,
        proxies=proxies,
        verify=bundle or True,
    )
