"""URLs that people set: checked when they are set, so that a mistake is told to whoever makes it. Every call checks anew."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from shared.domain.errors import InvalidInput
from shared.outbound.addresses import is_public, resolve

_LONGEST = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PLAIN = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash, which browsers read as a slash
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?")
_HOME_NAMES = ("localhost", "local", "internal", "home.arpa", "intranet", "lan")


def private_hosts(text: str) -> frozenset[str]:
    """The ``host:port`` pairs in a comma-separated list: what the operator allows on networks of his own."""
    return frozenset(each.strip().lower() for each in text.split(",") if each.strip())


def check_url(
    url: str,
    hosts: frozenset[str] = frozenset(),
    *,
    lookup: Callable[[str, int], Sequence[str]] = resolve,
) -> None:
    """Refuses a URL that Farshore must not call.

    It is https to a host on the public internet, without user, password or fragment. ``host:port`` pairs among ``hosts``
    may be private, and http. A name that does not resolve now is let through: it may be made later, and no call is made to
    an address that was not checked.

    Raises:
        InvalidInput: says which rule; the URL is not repeated.
    """
    parts = _parts(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    if authority(host, port) in hosts and parts.scheme in _DEFAULT_PORTS:
        return
    if parts.scheme != "https":
        raise InvalidInput("the URL must begin with https://")
    if not _public(host, port, lookup):
        raise InvalidInput("the URL must lead to the public internet")


def authority(host: str, port: int) -> str:
    """``host:port``, as the operator lists them; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parts(url: str) -> SplitResult:
    if not (0 < len(url) <= _LONGEST and _PLAIN.fullmatch(url)):
        raise InvalidInput(f"a URL has 1 to {_LONGEST} visible ASCII characters and no backslash")
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise InvalidInput("the URL names no host, or no port that there is")
    if "@" in parts.netloc or "#" in url:
        raise InvalidInput("the URL must hold no user, password or fragment")
    return parts


def _public(host: str, port: int, lookup: Callable[[str, int], Sequence[str]]) -> bool:
    if _is_address(host):
        return is_public(host)
    labels = host.rstrip(".").split(".")
    if not _NAME.fullmatch(host) or len(labels) < 2 or _numeric(labels[-1]) or host.rstrip(".").endswith(_endings()):
        return False
    return all(is_public(address) for address in lookup(host, port))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _numeric(label: str) -> bool:
    """Whether a system's resolver may read a host that ends so as an IPv4 address in another spelling (``0x7f.1``)."""
    return label.isdigit() or re.fullmatch(r"0x[0-9a-f]*", label) is not None


def _endings() -> tuple[str, ...]:
    return tuple(f".{name}" for name in _HOME_NAMES)
