"""One deployment with connections in which every secret is a canary: production handlers and container, MiniStack, a house."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra.local.emulators import Emulator
from infra.local.issuer import AUDIENCE, mint, serving, signing_key
from infra.local.processes import free_port
from infra.local.providers.clients import SLUGS
from infra.local.providers.house import Client
from infra.local.providers.settled import endpoints_at
from infra.local.providers.simulator import Simulator
from infra.local.providers.visitor import consent
from shared.domain.errors import FarshoreError
from tests.conformance.faults import answer
from tests.conformance.proxy import Proxy, anything, proxy
from tests.security.leaks_house import Line, listened
from tests.security.leaks_stage import LambdaContext, Stage, stage
from tests.security.leaks_trap import Trap
from tests.security.leaks_watch import Ahead, Said, Seen, Watched, calls, raised, re_encrypts, service

PUBLIC = "https://farshore.example"
API = "/api/v1"
TENANT = "acme"
HOME = f"{API}/tenants/{TENANT}"
RETURN_TO = "https://app.example/done"
CLIENT_SECRET = "client-secret-canary/7b+0f91d2c45e"
ROLE_SECRET = "role-secret-canary-0d9e8f7a6b5c"
CURSOR_SECRET = "cursor-secret-canary-5f7a9c1e3b-and-more"
PROVIDER_SAYS = "provider-text-canary-7711aa"
_DEPLOYMENTS = count(1)
_OPENERS = re.compile(r"/(oauth/\w+|refresh|test|disconnect|callback)$")


@dataclass
class Begun:
    """A consent under way, as the browser knows it."""

    url: str
    cookie: str


@dataclass(repr=False)
class Town:
    """What the tests play in.

    Attributes:
        aws: between Farshore and AWS.
        hooks: receives webhooks; answers 204.
        secrets: by kind and number.
        errors: every error of ours that was raised anywhere.
    """

    farshore: Stage
    aws: Proxy
    hooks: Proxy
    house: Simulator
    line: Line
    slug: str
    mint: Callable[..., str]
    secrets: dict[str, str | bytes] = field(default_factory=dict)
    errors: list[FarshoreError] = field(default_factory=list)
    trap: Trap = field(default_factory=Trap)
    provider: str = ""
    ahead: timedelta = timedelta()
    _known: set[str | bytes] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)
    _bearers: dict[str, str] = field(default_factory=dict, repr=False)

    # ---- secrets ---------------------------------------------------------------------------------------------------
    def keep(self, kind: str, value: str | bytes) -> None:
        """From now on this may be heard only where its kind may."""
        if value not in self._known and len(value) >= 8:
            self._known.add(value)
            self.secrets[f"{kind} {next(self._numbers)}"] = value

    def bearer(self, who: str) -> str:
        """A token of a ``superadmin``, or of the tenant's ``owner``."""
        if who not in self._bearers:
            role = {"superadmin": "superadmin"}.get(who, "owner")
            self._bearers[who] = self.mint(who, role)
            self.keep("bearer token", self._bearers[who].rpartition(".")[2])
        return self._bearers[who]

    # ---- HTTP ------------------------------------------------------------------------------------------------------
    def ask(
        self,
        method: str,
        path: str,
        *,
        who: str | None = "owner",
        body: Any = None,
        query: str = "",
        cookies: Sequence[str] = (),
        name: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        """One request before the function that its route leads to; what it answers is heard."""
        from functions.aws import api, connect

        sent = {"host": "farshore.example", **({"content-type": "application/json"} if body is not None else {})}
        sent |= {"authorization": f"Bearer {self.bearer(who)}"} if who else {}
        number = next(self._numbers)
        address = f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"  # its own each: callbacks are counted by it
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": sent | dict(headers or {}),
            "cookies": list(cookies),
            "requestContext": {
                "stage": "$default",
                "requestId": "r-1",
                "http": {"method": method, "path": path, "sourceIp": address, "protocol": "HTTP/1.1"},
            },
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        opens = _OPENERS.search(path) or (method == "DELETE" and "/cloud-integrations/" in path)
        said = (connect if opens else api).handler(event, LambdaContext())
        name = name or f"{method} {path.rpartition('/')[2]}"
        self.trap.hear(f"body of {name}", said["body"])
        self.trap.hear(f"headers of {name}", said["headers"])
        self.trap.hear(f"cookies of {name}", said.get("cookies"))
        told = said["body"] or ""
        return Said(
            said["statusCode"],
            said["headers"],
            json.loads(told) if told.startswith(("{", "[")) and "ndjson" not in str(said["headers"]) else told,
            said.get("cookies") or [],
        )

    # ---- things ------------------------------------------------------------------------------------------------------
    def add_provider(self) -> Said:
        """The house, by its preset, at this computer's addresses."""
        points, issuer = endpoints_at(self.slug, self.house.base)
        told = {
            "preset": self.slug,
            "clientId": self.house.client.id,
            "clientSecret": CLIENT_SECRET,
            "authUrl": points.authorize,
            "tokenUrl": points.token,
            "revokeUrl": points.revoke,
            "userInfoUrl": points.user_info,
            "issuer": issuer,
        }
        said = self.ask("POST", f"{API}/cloud-providers", who="superadmin", body=told)
        self.provider = said.body.get("id", "")
        return said

    def add_connection(self) -> str:
        """An integration that waits for consent; its path."""
        told = {"providerId": self.provider, "name": f"c{next(self._numbers)}", "authType": "oauth2"}
        said = self.ask("POST", f"{HOME}/cloud-integrations", body=told)
        assert said.status == 201, said
        return f"{HOME}/cloud-integrations/{said.body['id']}"

    def start(self, path: str, **body: Any) -> Begun:
        said = self.ask("POST", f"{path}/oauth/start", body=body)
        assert said.status == 200, said
        cookie = said.cookies[0].partition(";")[0]
        begun = Begun(said.body["authorizationUrl"], cookie)
        self.keep("state", dict(parse_qsl(urlsplit(begun.url).query))["state"])
        self.keep("cookie", cookie.partition("=")[2])
        return begun

    def agree(self, begun: Begun, **how: Any) -> str:
        """Where the browser is sent when the person has answered."""
        sent = consent(begun.url, **how)
        told = dict(parse_qsl(urlsplit(sent).query))
        if "code" in told:
            self.keep("authorization code", told["code"])
        return sent

    def finish(self, sent: str, cookie: str | None, who: str | None = None) -> Said:
        """The browser at our callback. Without a cookie the answer may be handed over."""
        address = urlsplit(sent)
        name = "callback" if cookie else "hand-over"
        cookies = [cookie] if cookie else []
        return self.ask("GET", address.path, query=address.query, cookies=cookies, who=who, name=name)

    def connect(self, path: str) -> Said:
        """The whole consent, by a browser."""
        begun = self.start(path)
        return self.finish(self.agree(begun), begun.cookie)

    def connected(self) -> str:
        """A new connection that is active; its path."""
        path = self.add_connection()
        assert "outcome=connected" in self.connect(path).location
        return path

    def outcome(self, path: str) -> str:
        """A consent's end, in its code."""
        return dict(parse_qsl(urlsplit(self.connect(path).location).query))["outcome"]

    def later(self, minutes: float) -> None:
        self.ahead += timedelta(minutes=minutes)
        self.house.control(advance=minutes * 60)

    # ---- the end -----------------------------------------------------------------------------------------------------
    def hear_the_rest(self) -> None:
        """Everything that lies about when all is done: rows, queues, requests, errors, and what objects say of themselves."""
        trap, host = self.trap, self.farshore.host
        for kind, value in self.line.secrets():
            self.keep(kind, value)
        trap.hear("stored row", *self.farshore.rows())
        for queue in ("refresh", "refresh-dlq", "deliveries", "deliveries-dlq"):
            trap.hear(f"message in {queue}", *self.farshore.messages(queue))
        for request in self.aws.requests:
            trap.hear(f"request to {service(request)}", request.target, request.headers, request.body)
        for request in self.hooks.requests:
            trap.hear("request to the webhook", request.target, request.headers, request.body)
        for endpoint, call in self.line.calls:
            said = (call.path, call.query, call.form, call.headers, call.body.decode())
            trap.hear(f"request to {endpoint}", *said)
        for error in self.errors:
            trap.hear("exception", error, error.args, vars(error))
        trap.hear("repr", *vars(host).values(), *self._objects())

    def _objects(self) -> Iterator[object]:
        host = self.farshore.host
        yield from host.providers.page()
        yield from host.integrations.of(TENANT)
        yield from host.webhooks.of(TENANT)
        yield from host.audit.page(TENANT)

    def places(self) -> set[tuple[str, str]]:
        """Which kind of secret was heard where; once the trap is closed."""
        return {(name.rpartition(" ")[0], where) for name, where in self.trap.found()}


@contextmanager
def town(emulator: Emulator, keys: Path, monkeypatch: pytest.MonkeyPatch, house: str = "google") -> Iterator[Town]:
    """A fresh one, with a tenant and a provider. ``keys``: the folder of the issuer's key."""
    slug = SLUGS[house][0]
    client = Client("farshore-client", CLIENT_SECRET, (f"{PUBLIC}{API}/oauth/{slug}/callback",))
    monkeypatch.setattr("shared.runtime.world.SystemRandomness.fraction", lambda self: 0.0)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with ExitStack() as stack:
        aws = stack.enter_context(proxy(emulator.endpoint))
        hooks = stack.enter_context(proxy(None))
        hooks.when(anything, answer(204), times=None)
        simulated, line = stack.enter_context(listened(house, client, monkeypatch))
        key = signing_key(keys / "issuer.pem")
        issuer = stack.enter_context(serving(key, free_port()))
        hosts = (urlsplit(url).netloc for url in (aws.url, hooks.url, simulated.base))
        farshore = stack.enter_context(
            stage(
                emulator,
                monkeypatch,
                AWS_ENDPOINT_URL=aws.url,
                AWS_SECRET_ACCESS_KEY=ROLE_SECRET,
                FARSHORE_ISSUER=issuer,
                FARSHORE_AUDIENCE=AUDIENCE,
                FARSHORE_PUBLIC_URL=PUBLIC,
                FARSHORE_RETURN_URLS=RETURN_TO,
                FARSHORE_PRIVATE_HOSTS=",".join(hosts),
                FARSHORE_CURSOR_SECRET_ID=f"cursors-{next(_DEPLOYMENTS)}",
            )
        )
        made = Town(farshore, aws, hooks, simulated, line, slug, partial(_minted, key, issuer))
        _watch(made)
        aws.when(calls("KMS", "ReEncrypt"), re_encrypts(farshore.aws("kms")), times=None)
        stack.enter_context(raised(made.errors))
        yield made


def _watch(made: Town) -> None:
    host = made.farshore.host
    made.farshore.aws("secretsmanager").create_secret(Name=host.settings.cursor_secret_id, SecretString=CURSOR_SECRET)
    host.__dict__["keys"] = Watched(host.keys, made.keep)
    host.__dict__["vault"] = Seen(host.vault, made.keep)
    host.clock = Ahead(lambda: made.ahead)
    constants = {"client secret": CLIENT_SECRET, "role's key": ROLE_SECRET, "cursors' key": CURSOR_SECRET}
    for kind, value in (constants | {"what the provider said": PROVIDER_SAYS}).items():
        made.keep(kind, value)


def _minted(key: Any, issuer: str, subject: str, role: str) -> str:
    return mint(key, issuer, subject, {"farshore/role": role, "farshore/tenants": TENANT})
