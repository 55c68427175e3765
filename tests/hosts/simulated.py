"""A person, and an application that is nobody's, at the simulated houses."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from infra.local.providers.simulator import Simulator, simulator
from infra.local.providers.visitor import consent

CALLBACK = "http://127.0.0.1:9/callback"
HTTP = httpx.Client(timeout=10)
PATHS = {
    "dropbox": ("/oauth2/authorize", "/oauth2/token"),
    "google": ("/o/oauth2/v2/auth", "/token"),
    "microsoft": ("/common/oauth2/v2.0/authorize", "/common/oauth2/v2.0/token"),
    "box": ("/api/oauth2/authorize", "/oauth2/token"),
}
OFFLINE: Mapping[str, Mapping[str, str]] = {
    "dropbox": {"token_access_type": "offline", "scope": "account_info.read files.content.write"},
    "google": {
        "access_type": "offline",
        "prompt": "consent",
        "scope": "openid email https://www.googleapis.com/auth/drive.file",
    },
    "microsoft": {"scope": "openid profile offline_access Files.ReadWrite"},
    "box": {"scope": "root_readwrite"},
}


def url_of(at: Simulator, **more: str) -> tuple[str, str]:
    """An authorization URL, and the verifier of its challenge."""
    verifier = secrets.token_urlsafe(32)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    said = {
        "response_type": "code",
        "client_id": at.client.id,
        "redirect_uri": CALLBACK,
        "state": "the state",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **OFFLINE[at.house.name],
        **more,
    }
    return f"{at.base}{PATHS[at.house.name][0]}?{urlencode(said)}", verifier


def back(location: str) -> dict[str, str]:
    """What came back, each parameter once."""
    assert location.startswith(f"{CALLBACK}?")
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def allowed(at: Simulator, *, person: int = 0, **more: str) -> dict[str, str]:
    """Goes through the consent page; the form of the code's trade."""
    url, verifier = url_of(at, **more)
    said = back(consent(url, person=person))
    assert said["state"] == "the state"
    return {
        "grant_type": "authorization_code",
        "code": said["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
        "client_id": at.client.id,
        "client_secret": at.client.secret,
    }


def trade(at: Simulator, form: Mapping[str, str], **more: Any) -> httpx.Response:
    return HTTP.post(at.base + PATHS[at.house.name][1], data=dict(form), **more)


def tokens(at: Simulator, *, person: int = 0, **more: str) -> dict[str, Any]:
    answer = trade(at, allowed(at, person=person, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(at: Simulator, token: str, **more: str) -> httpx.Response:
    proof = {"client_id": at.client.id, "client_secret": at.client.secret}
    return trade(at, {"grant_type": "refresh_token", "refresh_token": token, **proof, **more})


def who(at: Simulator, access: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access}"}
    match at.house.name:
        case "dropbox":
            return HTTP.post(f"{at.base}/2/users/get_current_account", headers=headers)
        case "google":
            return HTTP.get(f"{at.base}/v1/userinfo", headers=headers)
        case "microsoft":
            return HTTP.get(f"{at.base}/v1.0/me", headers=headers)
    return HTTP.get(f"{at.base}/2.0/users/me", headers=headers)


@contextmanager
def at_house(name: str) -> Iterator[Simulator]:
    """A house of its own, where our application is registered."""
    with simulator(name) as made:
        made.control(register=[CALLBACK])
        yield made
