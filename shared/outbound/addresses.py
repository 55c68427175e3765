"""Which network addresses may be called on behalf of people."""

import ipaddress
import socket
from collections.abc import Sequence

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What ``ipaddress`` calls global and a cloud does not: Azure's platform address (Microsoft Learn, "What is IP address
# 168.63.129.16?"), Oracle's and Alibaba's metadata lie in ranges that are not global anyway; NAT64 and 6to4 carry any IPv4
# address inside (RFC 6052, RFC 3056); IPv4-compatible and site-local addresses are obsolete (RFC 4291, RFC 3879).
_CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",
        "192.88.99.0/24",
        "::/96",
        "64:ff9b::/96",
        "2002::/16",
        "2001::/23",
        "5f00::/16",
        "fec0::/10",
    )
)


def is_public(text: str) -> bool:
    """Whether this address belongs to the public internet. An IPv6 zone, a bracket or any other spelling: no."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    closed = any(address.version == net.version and address in net for net in _CLOSED)
    return address.is_global and not address.is_multicast and not closed


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, as the system resolves it; none if it does not resolve."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(where[4][0]) for where in found]
