"""The API on real state (moto) with real tokens: two tenants that have one of everything, and every write that state saw."""

import json
import time
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from shared.api.app import build
from shared.api.cursor import CursorCodec
from shared.api.services import Services
from shared.domain.audit import Actor, AuditEvent
from shared.domain.event import Job
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.rule import Rule, Target
from shared.oauth.bearer import BearerVerifier, Expected
from shared.runtime.world import After, SystemClock
from shared.state.audit import DynamoAudit
from shared.state.flows import DynamoFlows
from shared.state.integrations import DynamoIntegrations
from shared.state.leases import DynamoLeases
from shared.state.ledger import DynamoLedger
from shared.state.limits import DynamoLimits
from shared.state.models import MODELS
from shared.state.providers import DynamoProviders
from shared.state.rules import DynamoRules
from shared.state.tables import Tables, bound
from shared.state.tenants import DynamoTenants
from shared.state.webhooks import DynamoWebhooks
from tests.unit.api.fakes import PUBLIC, Worlds
from tests.unit.usecases.authorization import Servers
from tests.unit.usecases.fakes import Metrics, Randomness, Vault

ISSUER = "https://issuer.example"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
API = "/api/v1"
READS = {"GetItem", "Query", "BatchGetItem"}

S3 = {
    "providerSlug": "s3",
    "name": "by key",
    "authType": "access_key",
    "container": "backup-bucket",
    "settings": {"region": "eu-central-1"},
    "credentials": {"accessKeyId": "AK", "secretAccessKey": "SK"},
}


def token(subject="someone", role=None, tenants=(), key=KEY, **claims) -> str:
    standard = {"iss": ISSUER, "aud": "farshore", "sub": subject, "exp": int(time.time()) + 3600}
    said = standard | {"farshore/role": role, "farshore/tenants": list(tenants)} | claims
    return jwt.encode(said, key, algorithm="ES256", headers={"kid": "k"})


ROOT = token("root", "superadmin")


@dataclass
class Belongings:
    """What one tenant has: the ids that may stand in a path, a body or a query, and the words that only it may see."""

    tenant: str
    provider: str = ""
    integration: str = ""
    webhook: str = ""
    second_webhook: str = ""
    canary: str = ""

    def path(self, route: str) -> str:
        named = {"tenant": self.tenant, "provider": self.provider, "integration": self.integration}
        for name, value in (named | {"webhook": self.webhook}).items():
            route = route.replace(f"<{name}_id>", value)
        return route.replace("<slug>", "dropbox")


GHOST = Belongings("ghost", "prv_ghost", "int_ghost", "whk_ghost", "whk_ghost")


class House:
    """The API, its state, and what was done to it."""

    def __init__(self, tables: Tables, *, remembers: bool = True) -> None:
        """Without ``remembers``, repositories read everything afresh: tests put other rows under them."""
        keys = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k"}]}
        about = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        verifier = BearerVerifier(
            Expected(ISSUER, "farshore"), fetch=lambda url: json.dumps(keys if url.endswith("jwks") else about).encode()
        )
        clock, ticks = SystemClock(), count(step=3600)
        memory = {} if remembers else {"clock": lambda: float(next(ticks))}
        self.ports = SimpleNamespace(
            tenants=DynamoTenants(tables, **memory),
            rules=DynamoRules(tables, **memory),
            providers=DynamoProviders(tables, **memory),
            integrations=DynamoIntegrations(tables, **memory),
            webhooks=DynamoWebhooks(tables),
            flows=DynamoFlows(tables),
            leases=DynamoLeases(tables),
            audit=DynamoAudit(tables),
            clock=clock,
            randomness=Randomness(),
            metrics=Metrics(),
            vault=Vault(),
            servers=Servers(clock),
        )
        self.ledger = DynamoLedger(tables)
        self.codec = CursorCodec(lambda: [b"k" * 32])
        self.reported: list[BaseException] = []
        self.calls: list[tuple[str, str]] = []
        self.cookies: list[str] = []
        self.addresses = count(1)
        self.limits = DynamoLimits(tables)
        services = Services(
            tenants=self.ports.tenants,
            providers=self.ports.providers,
            integrations=self.ports.integrations,
            ledger=self.ledger,
            audit=self.ports.audit,
            webhooks=self.ports.webhooks,
            limits=self.limits,
            worlds=Worlds(self.ports),
            verifier=verifier,
            cursors=self.codec,
            clock=clock,
            report=self.reported.append,
            deadline=lambda context: After(60),
            public_url=PUBLIC,
        )
        self.app = build(services)
        client = bound(MODELS[0], tables)._get_connection().connection.client
        client.meta.events.register("before-call.dynamodb", self._heard)

    def _heard(self, model, params, **_) -> None:
        said = json.loads(params["body"])
        places = [said] + [next(iter(one.values())) for one in said.get("TransactItems", [])]
        tables = [place["TableName"] for place in places if "TableName" in place]
        self.calls += [(model.name, name.rpartition("-")[2]) for name in tables or list(said.get("RequestItems", {}))]

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] not in READS]

    def ask(self, method, path, bearer=None, *, query="", body=None, headers=None, cookies=()):
        """Status, headers and body, without the request's id."""
        address = f"2001:db8::{next(self.addresses):x}"  # its own for each request: callbacks are limited by it
        sent = {"authorization": f"Bearer {bearer}"} if bearer else {}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": sent | ({"content-type": "application/json"} if body is not None else {}) | (headers or {}),
            "cookies": list(cookies),
            "requestContext": {"stage": "$default", "http": {"method": method, "path": path, "sourceIp": address}},
        }
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        answer = self.app.resolve(event, SimpleNamespace(aws_request_id=None))
        self.cookies = answer.get("cookies", [])
        return answer["statusCode"], answer["headers"], answer["body"]

    def made(self, path, bearer, body) -> dict:
        status, _, told = self.ask("POST", path, bearer, body=body)
        assert status == 201, told
        return json.loads(told)

    def furnish(self) -> None:
        """What belongs to no tenant."""
        client = {"clientId": "client", "clientSecret": "secret"}
        self.made(f"{API}/cloud-providers", ROOT, {"preset": "dropbox"} | client)
        self.made(f"{API}/cloud-providers", ROOT, {"preset": "s3"})
        self.made(f"{API}/cloud-providers", ROOT, {"preset": "box", "enabled": False} | client)

    def settle(self, name: str, owners=(), members=()) -> Belongings:
        """A tenant with one of everything, its canary in every text that only it may see."""
        canary = f"canary-of-{name}"
        owner = token(f"settler-of-{name}", "owner", [name])
        body = {"id": name, "name": canary, "owners": list(owners), "members": list(members)}
        self.made(f"{API}/tenants", ROOT, body | {"source": {"bucket": "main", "prefix": f"{name}/"}})
        mine = f"{API}/tenants/{name}"
        consent = {"providerSlug": "dropbox", "name": canary, "authType": "oauth2"}
        integration = self.made(f"{mine}/cloud-integrations", owner, consent)
        self.made(f"{mine}/cloud-integrations", owner, S3 | {"name": f"{canary}-2"})
        webhook = self.made(f"{mine}/webhooks", owner, {"url": f"https://{canary}.example/"})
        second = self.made(f"{mine}/webhooks", owner, {"url": f"https://{canary}.example/2"})
        there = Belongings(name, integration["providerId"], integration["id"], webhook["id"], second["id"], canary)
        self._connect(there, owner)
        self._replicate(there)
        for hook in (webhook, webhook, second, second):
            self.ask("POST", f"{mine}/webhooks/{hook['id']}/test", owner)
        return there

    def _connect(self, it: Belongings, owner: str) -> None:
        one = f"{API}/tenants/{it.tenant}/cloud-integrations/{it.integration}"
        _, _, told = self.ask("POST", f"{one}/oauth/start", owner, body={})
        url, cookies = json.loads(told)["authorizationUrl"], [self.cookies[0].partition(";")[0]]
        answer = self.ports.servers.house(it.provider).approve(url, it.canary)
        query = "&".join(f"{name}={value}" for name, value in answer.items())
        _, headers, _ = self.ask("GET", f"{API}/oauth/dropbox/callback", query=query, cookies=cookies)
        assert "outcome=connected" in headers["Location"], headers

    def _replicate(self, it: Belongings) -> None:
        at = self.ports.clock.now()
        tenant, key = TenantId(it.tenant), f"{it.tenant}/{it.canary}"
        self.ledger.expect([Job(tenant, RuleId("r1"), TargetName("t1"), key, at)], at)
        self.ledger.expect([Job(tenant, RuleId("r1"), TargetName("t1"), f"{key}-2", at)], at)
        rule = Rule(RuleId("r1"), tenant, Target(TargetName("t1"), IntegrationId(it.integration)), at)
        self.ports.rules.add(rule, AuditEvent(it.tenant, at, Actor("test"), "rule.added", f"rule/{it.canary}"))
