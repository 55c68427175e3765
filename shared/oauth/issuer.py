"""What an OpenID issuer publishes: its discovery document and its keys (OpenID Connect Discovery 1.0)."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.domain.errors import Misconfigured, StateUnavailable

type Fetch = Callable[[str], bytes]
"""GETs a URL: its body. Raises StateUnavailable. Follows no redirect."""

_SECONDS = 2.0
_MOST_BYTES = 262_144
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def fetched_keys(issuer: str, fetch: Fetch | None = None) -> list[Mapping[str, Any]]:
    """The issuer's JSON Web Keys, as published now. Two calls.

    Raises:
        Misconfigured: the issuer is not an https URL (http is for loopback alone).
        StateUnavailable: it does not answer, or not as promised.
    """
    if not allowed(issuer):
        raise Misconfigured("the issuer must be an https URL")
    get = fetch or http_get
    discovered = _object(get(issuer.rstrip("/") + "/.well-known/openid-configuration"))
    address = discovered.get("jwks_uri")
    if discovered.get("issuer") != issuer or not isinstance(address, str) or not allowed(address):
        raise StateUnavailable("the issuer of tokens does not describe itself as expected")
    keys = _object(get(address)).get("keys")
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def allowed(url: str) -> bool:
    """Whether keys may be fetched from there: https, or plain http to this computer."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and parts.username is None and (parts.scheme == "https" or _local(parts.scheme, host))


def _local(scheme: str, host: str | None) -> bool:
    return scheme == "http" and host in _LOOPBACK


def http_get(url: str) -> bytes:
    """``Fetch`` over the network: 2 seconds to connect and between bytes, one retry, 256 KiB at most."""
    import urllib3

    timeout = urllib3.Timeout(connect=_SECONDS, read=_SECONDS)
    with urllib3.PoolManager(timeout=timeout, retries=urllib3.Retry(1, redirect=False, backoff_factor=0.1)) as pool:
        try:
            answer = pool.request(
                "GET", url, headers={"Accept": "application/json"}, preload_content=False, redirect=False
            )
            body = answer.read(_MOST_BYTES + 1)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise StateUnavailable("the issuer of tokens does not answer") from error
    if answer.status != 200 or len(body) > _MOST_BYTES:
        raise StateUnavailable("the issuer of tokens does not answer as expected")
    return bytes(body)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise StateUnavailable("the issuer of tokens does not answer in JSON")
    return parsed
