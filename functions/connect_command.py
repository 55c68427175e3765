"""``farshore connect``: connects a tenant's account at a provider from the user's own computer (RFC 8252).

It speaks to a deployment's API as a tenant's owner: it makes the integration if there is none of that name, opens the provider's
consent page in the user's browser, waits for the answer on a loopback port, and finishes as the one who began. The bearer
token comes from a file, standard input or the environment, never from an argument, which other users could see.
"""

import argparse
import os
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from hmac import compare_digest
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from functions.deployment_api import Api, ApiRefused
from functions.loopback import Handed, listening
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.secret import Secret

_CONSENT_SECONDS = 600.0
_PAGE_MOST = 100
_SCREEN = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_ENDED = MappingProxyType(
    {
        "oauth_access_denied": "consent was not given, and nothing was connected; run this again to give it",
        "oauth_account_mismatch": "another account was chosen than is connected; choose the same one, or add "
        "--confirm-account-change to replace it",
    }
)
_ENDED_OTHERWISE = "nothing was connected; docs/errors.md says what this code means"


def register(kinds: Any) -> None:
    """Adds ``connect`` to a command's verbs."""
    says = "connects a tenant's account at a provider, by its consent page"
    verb = kinds.add_parser("connect", help=says, description=says)
    verb.add_argument("provider", help="the provider's slug (dropbox, google-drive)")
    verb.add_argument(
        "--tenant", default=os.environ.get("FARSHORE_TENANT"), help="the tenant's id; else FARSHORE_TENANT"
    )
    verb.add_argument("--name", help="the integration's name; the slug unless told")
    verb.add_argument(
        "--api",
        default=os.environ.get("FARSHORE_PUBLIC_URL"),
        help="the deployment's public address; else FARSHORE_PUBLIC_URL",
    )
    verb.add_argument(
        "--token-file", metavar="FILE", help="a bearer token, or - for standard input; else FARSHORE_TOKEN"
    )
    verb.add_argument("--no-browser", action="store_true", help="only print the consent page's address")
    verb.add_argument(
        "--confirm-account-change", action="store_true", help="let another account replace the connected one"
    )
    verb.set_defaults(run=run)


def run(options: argparse.Namespace, _: object) -> Mapping[str, Any]:
    """The connected integration, as the API shows it.

    Raises:
        ApiRefused: the deployment said no; its code is the API's.
        InvalidInput, NotFound: the command cannot mean what it says.
    """
    if not options.tenant or not options.api:
        raise InvalidInput("--tenant and --api are needed, or FARSHORE_TENANT and FARSHORE_PUBLIC_URL")
    api = Api(options.api.rstrip("/"), _token(options))
    path = _integration(api, options)
    with listening() as loopback:
        asked = {"loopback": loopback.url, "confirmAccountChange": options.confirm_account_change}
        started = api.send("POST", f"{path}/oauth/start", asked)
        url = str(started.body["authorizationUrl"])
        state, callback = _expected(url, api)
        loopback.expect(lambda said: compare_digest(said.get("state", "").encode(), state.encode()))
        _show(url, browser=not options.no_browser)
        with loopback.answer(_CONSENT_SECONDS) as handed:
            outcome = _finish(api, callback, handed, started.cookie)
    if outcome.get("outcome") != "connected":
        code = outcome.get("outcome", "oauth_request_invalid")
        raise ApiRefused(code, _ENDED.get(code, _ENDED_OTHERWISE))
    shown: Mapping[str, Any] = api.send("GET", path).body
    if shown.get("reason"):
        print(f"Connected, but not as it should be: {shown['reason']} (docs/errors.md).", file=sys.stderr)
    return shown


def _token(options: argparse.Namespace) -> Secret[str]:
    if options.token_file is None:
        said = os.environ.get("FARSHORE_TOKEN", "")
    elif options.token_file == "-":  # noqa: S105 # standard input
        said = options.stdin.read()
    else:
        try:
            said = Path(options.token_file).read_text()
        except OSError:
            raise InvalidInput("the token file cannot be read") from None
    if not said.strip().isascii() or len(said.split()) != 1:
        raise InvalidInput("a bearer token is needed: --token-file or FARSHORE_TOKEN")
    return Secret(said.strip())


def _integration(api: Api, options: argparse.Namespace) -> str:
    """The path of the integration of that name, which is made if there is none."""
    tenant = f"tenants/{options.tenant}"
    provider = _provider(api, f"{tenant}/providers", options)
    if "oauth2" not in provider["authTypes"]:
        raise InvalidInput(f"{options.provider} is connected by credentials: POST {tenant}/cloud-integrations")
    name, integrations = options.name or options.provider, f"{tenant}/cloud-integrations"
    wanted = (name, provider["id"])
    known = next((it for it in _items(api, integrations) if (it.get("name"), it.get("providerId")) == wanted), None)
    made = {"providerId": provider["id"], "name": name, "authType": "oauth2"}
    integration = known or api.send("POST", integrations, made).body
    return f"{integrations}/{integration['id']}"


def _provider(api: Api, path: str, options: argparse.Namespace) -> Mapping[str, Any]:
    try:
        offered = {provider["slug"]: provider for provider in _items(api, path)}
    except ApiRefused as refused:
        if refused.code == NotFound.code:
            raise NotFound(f"this token knows no tenant {options.tenant}: see --tenant") from None
        raise
    if options.provider not in offered:
        others = ", ".join(sorted(offered)) or "none yet; a super-administrator adds them"
        raise NotFound(f"the tenant is offered no provider {options.provider}. Offered: {others}")
    return offered[options.provider]


def _items(api: Api, path: str) -> Iterator[Mapping[str, Any]]:
    """All that a list holds, page by page."""
    cursor = None
    while True:
        query = urlencode({"limit": _PAGE_MOST} | ({"cursor": cursor} if cursor else {}))
        page = api.send("GET", f"{path}?{query}").body
        yield from page["items"]
        cursor = page.get("nextCursor")
        if not cursor:
            return


def _show(url: str, *, browser: bool) -> None:
    print(f"Give your consent here:\n\n  {url}\n\nWaiting for it (Ctrl-C ends this) ...", file=sys.stderr, flush=True)
    # Without a screen some browsers would take the terminal over; and some keep their caller waiting until they are closed.
    if browser and (sys.platform != "linux" or any(os.environ.get(name) for name in _SCREEN)):
        Thread(target=webbrowser.open, args=[url], daemon=True).start()


def _expected(url: str, api: Api) -> tuple[str, str]:
    """The state that has to come back, and our callback: one of the deployment's own, whatever the address says."""
    said = parse_qs(urlsplit(url).query)
    state, callback = said.get("state", [""])[0], said.get("redirect_uri", [""])[0]
    if not state or not callback.startswith(f"{api.address}/api/v1/"):
        raise InvalidInput("the deployment's public address is not the one that it was asked by; see --api")
    return state, callback


def _finish(api: Api, callback: str, handed: Handed, cookie: Secret[str] | None) -> Mapping[str, str]:
    """Hands the provider's answer to the callback, as the browser and the user who began; then shows the browser the end."""
    location = api.callback(f"{callback}?{urlencode(handed.said)}", cookie)
    page = urlsplit(location)
    if location.startswith(f"{api.address}/"):
        handed.show(location)
    return {name: values[0] for name, values in parse_qs(page.query).items()}
