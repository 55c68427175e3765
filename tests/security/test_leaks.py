"""No secret is ever said: not in logs, output, errors, reprs, metrics, dead letters or the ledger."""

import base64
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import functions.aws.replicate as host_of_jobs
import shared.runtime.container as composition
from infra.local.emulators import AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Emulator, azurite, ministack
from infra.local.issuer import AUDIENCE, mint, serving, signing_key
from infra.local.processes import free_port
from shared.crypto.envelope import seal
from shared.domain.ids import TenantId
from shared.domain.integration import AuthType, Integration, credentials_context
from shared.ports.world import Keys
from shared.runtime.logs import LOUD
from tests.conformance.faults import answer, reset_after, reset_before
from tests.conformance.proxy import Fault, Proxy, Request, proxy
from tests.security.leaks_events import created
from tests.security.leaks_stage import ATTEMPTS, LambdaContext, Stage, container_of, stage
from tests.security.leaks_trap import Trap, listening

S3_SECRET = "s3-secret-canary/4f1c+9d2a77e05b"
S3_TOKEN = "s3-session-canary//Qk9+e1d5c3b7a9f0"
WRONG_KEY = base64.b64encode(b"azure-account-key-canary-8c2e6a1f").decode()
CONTENT = b"file-content-canary-51d0c7a9-and-what-follows-it"
PROVIDER = "provider-text-canary-7711aa"
ROLE_SECRET = "role-secret-canary-0d9e8f7a6b5c"


# ---- the trap can be sprung ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("secret", [S3_SECRET, CONTENT, 'quoted"\\canary-é-日本', bytes(range(200, 232))], ids=repr)
def test_the_trap_knows_every_spelling(secret: str | bytes) -> None:
    raw = secret.encode() if isinstance(secret, str) else secret
    spelt = [raw.hex(), repr(raw), f"x{raw[:-3].hex()}"]
    spelt += [base64.b64encode(b"p" * n + raw + b"s" * m).decode() for n in range(4) for m in range(4)]
    spelt += [base64.urlsafe_b64encode(raw).decode()]
    if isinstance(secret, str):
        from urllib.parse import quote, quote_plus

        spelt += [secret, json.dumps(secret), quote(secret), quote_plus(secret), repr([secret]), f"...{secret[:-2]}"]
    for text in spelt:
        assert Trap({"it": secret}, [("here", text)]).leaks() == ["it in here"], text
    assert Trap({"it": secret}, [("here", "nothing of the kind")]).leaks() == []


# ---- the stage -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with ministack() as running:
        yield running


@pytest.fixture(scope="module")
def azure() -> Iterator[Azurite]:
    with azurite() as running:
        yield running


class Watched:
    """Keys that tell the trap every data key they give out."""

    def __init__(self, keys: Keys, secrets: dict[str, str | bytes]) -> None:
        self._keys = keys
        self._secrets = secrets

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        plain, wrapped = self._keys.data_key(context)
        self._secrets[f"data key {len(self._secrets)}"] = plain
        return plain, wrapped

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return self._keys.unwrap(wrapped, context)


@dataclass
class Scene:
    """A deployment whose every secret is a canary, behind proxies that can misbehave."""

    farshore: Stage
    s3: Proxy
    blobs: Proxy
    secrets: dict[str, str | bytes]
    errors: list[BaseException] = field(default_factory=list)
    heard: int = 0

    def run(self, trap: Trap, target: str, *, final: bool = True) -> str:
        """One object on its way to one target; everything that was said is heard. What became of it: ``done`` or the cause."""
        self.farshore.put(f"{target}/x", CONTENT)
        self.farshore.plan(created(self.farshore.buckets["primary"], f"{target}/x"))
        letters = [f"job {message['Body']}" for message in self.farshore.messages("events-dlq")]
        outcome = self.farshore.replicate(receives=ATTEMPTS if final else 1)
        self._learn_signatures()
        dead = self.farshore.messages("jobs-dlq")
        trap.hear("dead letter", *letters, *dead)
        trap.hear("handler's answer", outcome)
        trap.hear("stored row", *self.farshore.rows())
        trap.hear("exception", *self.errors[self.heard :])
        self.heard = len(self.errors)
        trap.hear(
            "repr", self.farshore.host, self.farshore.host.settings, self.farshore.host.stores, self.farshore.host.keys
        )
        trap.hear("repr of a store", *self.farshore.host.stores._open.values())
        return (
            str(dead[0]["MessageAttributes"]["cause"]["StringValue"]) if dead else "back" if outcome["back"] else "done"
        )

    def _learn_signatures(self) -> None:
        """Signed URLs of the source, as Azure was offered them to fetch from, and signatures of requests."""
        for request in (*self.s3.requests, *self.blobs.requests):
            for found in SIGNATURE.findall(f"{request.header('x-ms-copy-source')} {request.header('authorization')}"):
                self.secrets[f"signature {hash(found)}"] = found.strip()


SIGNATURE = re.compile(r"[Ss]ig(?:nature)?=([^&]{16,})")


def _sas(endpoint: str) -> str:
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    permissions = AccountSasPermissions(read=True, write=True, create=True, delete=True, list=True, add=True)
    everything = ResourceTypes(service=True, container=True, object=True)
    until = datetime.now(UTC) + timedelta(hours=1)
    made: str = generate_account_sas(AZURITE_ACCOUNT, AZURITE_KEY, everything, permissions, until)
    return made


MISTAKEN = ("azure-wrong-key", "azure-bad-string", "azure-no-string", "azure-bad-field")
TARGETS = ("s3-keys", "azure-string", "azure-key", "azure-sas")


@pytest.fixture
def scene(emulator: Emulator, azure: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with (
        proxy(emulator.endpoint) as s3,
        proxy(azure.blob_endpoint) as blobs,
        stage(emulator, monkeypatch, AWS_SECRET_ACCESS_KEY=ROLE_SECRET) as farshore,
    ):
        blob_url = f"{blobs.url}/{AZURITE_ACCOUNT}"
        sas = _sas(blob_url)
        secrets: dict[str, str | bytes] = {
            "S3 secret key": S3_SECRET,
            "S3 session token": S3_TOKEN,
            "account key": AZURITE_KEY,
            "account key, decoded": base64.b64decode(AZURITE_KEY),
            "wrong account key": WRONG_KEY,
            "SAS signature": sas.partition("sig=")[2].partition("&")[0],
            "content": CONTENT,
            "what the provider said": PROVIDER,
            "role's secret key": ROLE_SECRET,
        }
        made = Scene(farshore, s3, blobs, secrets)
        _watch(made, monkeypatch)
        string = f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};BlobEndpoint={blob_url};"
        s3_login = {"accessKeyId": "000000000000", "secretAccessKey": S3_SECRET, "sessionToken": S3_TOKEN}
        logins: dict[str, tuple[str, AuthType, Mapping[str, str], Mapping[str, str]]] = {
            "s3-keys": ("s3", "access_key", {"endpoint": s3.url, "region": "us-east-1"}, s3_login),
            "azure-string": ("azure_blob", "connection_string", {}, {"connectionString": string}),
            "azure-key": ("azure_blob", "account_key", {"accountUrl": blob_url}, {"accountKey": AZURITE_KEY}),
            "azure-sas": ("azure_blob", "sas_token", {"accountUrl": blob_url}, {"sasToken": sas}),
            "azure-wrong-key": ("azure_blob", "account_key", {"accountUrl": blob_url}, {"accountKey": WRONG_KEY}),
            "azure-bad-string": (
                "azure_blob",
                "connection_string",
                {},
                {"connectionString": f"AccountKey={WRONG_KEY}"},
            ),
            "azure-no-string": ("azure_blob", "connection_string", {}, {"connectionStrin": f"AccountKey={WRONG_KEY}"}),
            "azure-bad-field": ("azure_blob", "connection_string", {}, {"connectionString": string, "odd": WRONG_KEY}),
        }
        for name, (connector, way, settings, secret) in logins.items():
            tenant = farshore.tenant(name, prefix=f"{name}/")
            place = (
                farshore.buckets["backup"] if connector == "s3" else container_of(azure, f"{farshore.prefix}-{name}")
            )
            farshore.target(tenant, name, connector, place, way, settings=settings, secret=secret)
        yield made


def _watch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data keys become canaries, and what replication raises is kept for a look at it."""
    host = scene.farshore.host
    host.__dict__["keys"] = Watched(host.keys, scene.secrets)
    inner = host_of_jobs.usecase.replicate

    def kept(*arguments: Any) -> Any:
        try:
            return inner(*arguments)
        except Exception as error:
            scene.errors.append(error)
            raise

    monkeypatch.setattr(host_of_jobs.usecase, "replicate", kept)


# ---- success -----------------------------------------------------------------------------------------------------------
LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR]


@pytest.mark.parametrize("level", LEVELS, ids=logging.getLevelName)
def test_success_says_nothing_secret(scene: Scene, level: int, capfd: pytest.CaptureFixture[str]) -> None:
    scene.farshore.host.logger.setLevel(level)
    with listening(level, capfd) as trap:
        trap.secrets = scene.secrets
        assert {target: scene.run(trap, target) for target in TARGETS} == dict.fromkeys(TARGETS, "done")
    assert trap.leaks() == []
    assert len(trap.said) > 100
    assert any(request.header("x-ms-copy-source") for request in scene.blobs.requests), (
        "signed URLs were among the secrets"
    )


def test_the_pins_are_what_keeps_the_libraries_quiet(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    """Without them the same walk says the data key: botocore logs KMS's answer. So the trap hears what there is to hear."""
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = scene.secrets
        scene.farshore.host.logger.debug("it is made, and with it the last pin is set")
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.DEBUG)
        assert scene.run(trap, "s3-keys") == "done"
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    assert any("data key" in leak and "botocore" in leak for leak in trap.leaks())


# ---- errors ------------------------------------------------------------------------------------------------------------
def _echo(status: int, code: str) -> Fault:
    """An error in both stores' spelling that repeats all the request said, as providers' messages do."""

    def fault(request: Request, _: Any) -> Any:
        told = " ".join(f"{name}={value}" for name, value in request.headers if name.lower() != "host")
        text = f"{PROVIDER} {request.target} {told} {request.body[:200]!r}".replace("&", "+").replace("<", "(")
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        return answer(status, body, Content_Type="application/xml", x_ms_error_code=code)(request, _)

    return fault


def _writes(request: Request) -> bool:
    return request.method == "PUT"


def _always(request: Request) -> bool:
    return True


FAULTS: dict[str, tuple[Callable[[Request], bool], Fault]] = {
    "refused with an echo": (_always, _echo(403, "AuthenticationFailed")),
    "refused on write": (_writes, _echo(403, "AuthenticationFailed")),
    "a bad request": (_always, _echo(400, "InvalidHeaderValue")),
    "broken": (_always, _echo(500, "InternalError")),
    "throttled": (_writes, _echo(429, "SlowDown")),
    "a page instead of an answer": (
        _always,
        answer(200, f"<html>{PROVIDER}</html>".encode(), Content_Type="text/html"),
    ),
    "a redirect": (_always, answer(307, b"", Location=f"http://127.0.0.1:9/{PROVIDER}")),
    "hung up": (_always, reset_before),
    "hung up after it was done": (_writes, reset_after),
}


@pytest.mark.parametrize("target", ["s3-keys", "azure-string", "azure-sas"])
def test_no_error_of_a_store_says_anything_secret(
    scene: Scene, target: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("botocore.endpoint.time.sleep", "azure.core.pipeline.transport._base.time.sleep"):
        monkeypatch.setattr(module, lambda seconds: None)
    store = scene.s3 if target == "s3-keys" else scene.blobs
    outcomes = {}
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = scene.secrets
        for name, (matches, fault) in FAULTS.items():
            store.when(matches, fault, times=None)
            outcomes[name] = scene.run(trap, target)
            store.heal()
        store.when(_always, reset_before, times=None)
        outcomes["may be tried again"] = scene.run(trap, target, final=False)
    assert trap.leaks() == []
    assert outcomes["refused with an echo"] == "credentials_refused"
    assert outcomes["broken"] == "store_unavailable"
    assert outcomes["may be tried again"] == "back"
    assert "internal" not in outcomes.values(), outcomes
    assert scene.errors, "errors were raised and looked at"


@pytest.mark.parametrize("level", LEVELS, ids=logging.getLevelName)
def test_wrong_and_malformed_credentials_are_not_repeated(
    scene: Scene, level: int, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.farshore.host.logger.setLevel(level)
    with listening(level, capfd) as trap:
        trap.secrets = scene.secrets
        outcomes = [scene.run(trap, target) for target in MISTAKEN]
    assert outcomes == ["credentials_refused", "misconfigured", "misconfigured", "misconfigured"]
    assert trap.leaks() == []


def _resealed(scene: Scene, target: str, change: Callable[[Integration, Keys], bytes]) -> None:
    """Replaces an integration's sealed credentials behind the application's back, as somebody with the table's rights could."""
    host = scene.farshore.host
    held = host.integrations.get(target, target)
    assert held is not None
    scene.farshore.aws("dynamodb").update_item(
        TableName=f"{scene.farshore.prefix}-integrations",
        Key={"tenant": {"S": target}, "id": {"S": target}},
        UpdateExpression="SET credentials = :s",
        ExpressionAttributeValues={":s": {"B": change(held, host.keys)}},
    )
    host.__dict__.pop("integrations")
    host.__dict__.pop("replicating", None)


def _flipped(held: Integration, _: Keys) -> bytes:
    assert held.credentials is not None
    box = held.credentials.box
    return box[:-1] + bytes([box[-1] ^ 1])


def _moved(held: Integration, keys: Keys) -> bytes:
    return seal(
        json.dumps({"accountKey": WRONG_KEY}).encode(), credentials_context(TenantId("azure-key"), held.id, 1), keys
    )


def _plain(_: Integration, __: Keys) -> bytes:
    return json.dumps({"accountKey": WRONG_KEY}).encode()


def _no_json(held: Integration, keys: Keys) -> bytes:
    return seal(f"{{'accountKey': {WRONG_KEY}".encode(), credentials_context(held.tenant_id, held.id, 1), keys)


def _no_object(held: Integration, keys: Keys) -> bytes:
    return seal(json.dumps([WRONG_KEY]).encode(), credentials_context(held.tenant_id, held.id, 1), keys)


@pytest.mark.parametrize("change", [_flipped, _moved, _plain, _no_json, _no_object])
def test_a_broken_seal_is_refused_without_a_word_of_what_was_in_it(
    scene: Scene, change: Callable[[Integration, Keys], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = dict(scene.secrets)
        _resealed(scene, "azure-sas", change)
        assert scene.run(trap, "azure-sas") == "seal_broken"
        trap.secrets |= scene.secrets
        trap.said = [(where, text) for where, text in trap.said if where != "stored row" or change is not _plain]
    assert trap.leaks() == []


def test_who_can_write_to_the_table_cannot_have_a_credential_sent_elsewhere(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    """The endpoint beside the seal is altered; a SAS token sent there would be in full."""
    with proxy(None) as elsewhere, listening(logging.DEBUG, capfd) as trap:
        for target, name in (("azure-sas", "accountUrl"), ("s3-keys", "endpoint")):
            scene.farshore.aws("dynamodb").update_item(
                TableName=f"{scene.farshore.prefix}-integrations",
                Key={"tenant": {"S": target}, "id": {"S": target}},
                UpdateExpression="SET settings = :s",
                ExpressionAttributeValues={":s": {"S": json.dumps({name: f"{elsewhere.url}/{AZURITE_ACCOUNT}"})}},
            )
            assert scene.run(trap, target) == "done"
        assert elsewhere.requests == []


def test_a_disabled_key_is_the_operators_matter_and_says_nothing(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    scene.farshore.aws("kms").disable_key(KeyId=scene.farshore.host.settings.key_id)
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = scene.secrets
        assert scene.run(trap, "azure-key") == "misconfigured"
    assert trap.leaks() == []


# ---- things that hold secrets --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("target", TARGETS)
def test_what_holds_a_secret_does_not_show_it(scene: Scene, target: str, capfd: pytest.CaptureFixture[str]) -> None:
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = scene.secrets
        assert scene.run(trap, target) == "done"
        host = scene.farshore.host
        held = host.integrations.get(target, target)
        assert held is not None
        store = host.stores.target(held)
        with store.open(f"{target}/x") as opened:
            assert opened is not None
            way = opened.content.fetchable()
            if way is not None:
                scene.secrets["signed URL"] = way.url.rpartition("ignature=" if target == "s3-keys" else "sig=")[
                    2
                ].partition("&")[0]
            trap.hear("repr", held, store, opened, opened.content, opened.head, way, opened.content.inside())
    assert trap.leaks() == []


# ---- the sweep and the operator's command ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "fault", [None, _echo(403, "AuthenticationFailed"), reset_before], ids=["healthy", "refused", "hung up"]
)
def test_a_sweep_says_nothing_secret(
    scene: Scene, fault: Fault | None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.aws import sweep

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    scene.farshore.put("azure-sas/lost", CONTENT)
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = scene.secrets
        for store in (scene.s3, scene.blobs) if fault else ():
            store.when(_always, fault, times=None)
        try:
            sweep.handler({}, LambdaContext())
        except Exception as error:
            trap.hear("exception", error)
        queued = scene.farshore.messages("jobs")
        trap.hear("job", *queued)
    assert trap.leaks() == []
    assert any("azure-sas/lost" in message["Body"] for message in queued) == (fault is None)


SECRET = {"accessKeyId": "000000000001", "secretAccessKey": "cli-secret-canary-9b1d3f5a7c"}
ADDING = [
    "integration",
    "add",
    "cli",
    "cli-target",
    "--connector",
    "s3",
    "--auth",
    "access_key",
    "--container",
    "any-bucket",
]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (json.dumps(SECRET), 0),
        (json.dumps(SECRET | {"unknown": SECRET["secretAccessKey"]}), 1),
        (json.dumps({"secretAccessKey": SECRET["secretAccessKey"]}), 1),
        (json.dumps([SECRET]), 1),
        (json.dumps(SECRET)[:-1], 1),
        (json.dumps(SECRET | {"accessKeyId": 7}), 1),
    ],
    ids=["right", "too much", "too little", "a list", "not JSON", "of another kind"],
)
def test_the_operators_command_never_repeats_a_credential(
    scene: Scene, given: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    from functions import cli

    scene.farshore.tenant("cli", prefix="cli/")
    with listening(logging.DEBUG, capfd) as trap:
        trap.secrets = {"credential": SECRET["secretAccessKey"]}
        assert cli.main([*ADDING, "--credentials", "-"], stdin=io.StringIO(given)) == code
        if code == 0:
            assert cli.main([*ADDING, "--credentials", "-"], stdin=io.StringIO(given)) == 1, "a second time it exists"
        trap.hear("stored row", *scene.farshore.rows())
    assert trap.leaks() == []
    assert len(trap.said) > 2


# ---- the API -------------------------------------------------------------------------------------------------------------
ASKED = "asked-canary-3c5e7a9b1d"
"""Stands for whatever a caller puts into a request: none of it may come back or be logged."""


def _request(
    path: str, *, token: str | None = None, query: str = "", method: str = "GET", body: str | None = None
) -> dict[str, Any]:
    headers = {"host": "api.example", "cookie": f"session={ASKED}"} | (
        {"authorization": f"Bearer {token}"} if token else {}
    )
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ASKED}
    context = {
        "http": http,
        "requestId": "r-1",
        "stage": "$default",
        "routeKey": "$default",
        "domainName": "api.example",
    }
    event = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers}
    return event | {"requestContext": context, "isBase64Encoded": False, "body": body}


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Mints tokens of an issuer that the API trusts."""
    key = signing_key(tmp_path / "issuer.pem")
    with serving(key, free_port()) as url:
        monkeypatch.setenv("FARSHORE_ISSUER", url)
        monkeypatch.setenv("FARSHORE_AUDIENCE", AUDIENCE)
        yield lambda roles="owner", tenants="azure-sas", **more: mint(
            key, url, "person", {"farshore/role": roles, "farshore/tenants": tenants}, **more
        )


@pytest.mark.parametrize("level", LEVELS, ids=logging.getLevelName)
def test_the_api_repeats_neither_tokens_nor_questions(
    issuer: Callable[..., str],
    scene: Scene,
    level: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from functions.aws import api

    secret_id = scene.farshore.aws("secretsmanager").create_secret(
        Name=f"{scene.farshore.prefix}-cursors", SecretString="cursor-secret-canary-5f7a9c1e3b-and-more"
    )["ARN"]
    monkeypatch.setenv("FARSHORE_CURSOR_SECRET_ID", secret_id)
    monkeypatch.setenv("FARSHORE_LOG_LEVEL", logging.getLevelName(level))
    composition.container.cache_clear()
    composition.container().__dict__["keys"] = scene.farshore.host.keys
    tokens = {
        "an owner's token": issuer(),
        "an expired token": issuer(seconds=-3600),
        "another tenant's token": issuer(tenants="zeta"),
        "a forged token": issuer()[:-20] + "A" * 20,
        "a member's token": issuer(roles="member"),
    }
    home = "/api/v1/tenants/azure-sas/replicas"
    expected: dict[int, list[dict[str, Any]]] = {
        200: [
            _request(home, token=tokens["an owner's token"]),
            _request("/api/v1/health"),
            _request("/api/v1/openapi.json"),
        ],
        401: [_request(home), *(_request(home, token=tokens[name]) for name in ("an expired token", "a forged token"))],
        403: [_request(home, token=tokens["a member's token"])],
        404: [
            _request(home, token=tokens["another tenant's token"]),
            _request(f"/api/v1/tenants/{ASKED}/replicas", token=tokens["an owner's token"]),
            _request(f"/api/v1/{ASKED}", token=tokens["an owner's token"]),
        ],
        405: [_request(home, token=tokens["an owner's token"], method="POST", body=ASKED)],
        422: [
            _request(home, token=tokens["an owner's token"], query=query)
            for query in (f"cursor={ASKED}", f"{ASKED}=1", f"status={ASKED}", f"limit={ASKED}", f"target={ASKED}!")
        ],
    }
    with listening(level, capfd) as trap:
        trap.secrets = {"what was asked": ASKED, "the cursors' key": "cursor-secret-canary-5f7a9c1e3b-and-more"}
        trap.secrets |= {name: token.rpartition(".")[2] for name, token in tokens.items()}
        for status, requests in expected.items():
            for request in requests:
                answered = api.handler(request, LambdaContext())
                assert answered["statusCode"] == status, (status, request["rawPath"], request["rawQueryString"])
                trap.hear("answer", answered)
        composition.container().__dict__["tenants"] = None  # a fault nobody foresaw
        composition.container().__dict__.pop("api")
        answered = api.handler(_request(home, token=tokens["an owner's token"]), LambdaContext())
        assert answered["statusCode"] == 500
        trap.hear("answer", answered)
        trap.hear("repr", composition.container().api)
    assert trap.leaks() == []
