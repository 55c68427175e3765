"""What `sam build` makes is whole: each function answers its sample event from its package alone."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.local.emulators import Azurite, Emulator, azurite, ministack
from infra.local.processes import caller_environment
from infra.local.providers.settled import endpoints_at
from infra.local.providers.simulator import Simulator, simulator
from infra.local.providers.visitor import consent
from infra.package.assemble import LOCKS
from shared.domain.audit import Actor
from shared.domain.integration import Integration
from shared.domain.secret import Secret
from shared.runtime.container import Container
from shared.runtime.errands import encode_due
from shared.runtime.queues import decode
from shared.usecases import connect
from shared.usecases.connect import StartRequest
from shared.usecases.integrations import NewIntegration, add_integration
from shared.usecases.providers import ProviderChanges, add_provider
from tests.hosts.runtime_api import Outcome, invoke
from tests.security.leaks_stage import Stage, container_of, stage

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "events"
API = ("ApiFunction", "ConnectFunction")
OUTWARDS = ("ConnectFunction", "RefreshFunction", "DeliverFunction")
FUNCTIONS = ("PlanFunction", "ReplicateFunction", "SweepFunction", "NotifyFunction", "ApiFunction", *OUTWARDS)
KEY = "acme/a+b c%2Bd ünïcode/日本.txt"
ADMIN = Actor("admin")
LIMIT_MIB = 250  # unpacked (AWS Lambda quotas)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as built for this computer, so that they can be run here."""
    home = tmp_path_factory.mktemp("packages")
    environment = caller_environment(
        {
            "ARCHITECTURE": "host",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(home / "sam"),
        }
    )
    command = [str(ROOT / ".tools/sam/bin/sam"), "build", "--build-dir", str(home / "build")]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr[-2000:]
    return home / "build"


@pytest.fixture(scope="module")
def clouds() -> Iterator[tuple[Emulator, Azurite]]:
    with ministack() as aws, azurite() as azure:
        yield aws, azure


@pytest.fixture
def farshore(clouds: tuple[Emulator, Azurite], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Acme, with one backup in Azure, behind the settings that functions get."""
    aws, azure = clouds
    with stage(aws, monkeypatch, FARSHORE_CURSOR_SECRET_ID="cursor", FARSHORE_TRACING="on") as made:
        made.tenant("acme", prefix="acme/")
        container = container_of(azure, f"{made.prefix}-backup")
        secret = {"connectionString": azure.connection_string}
        made.target("acme", "azure-backup", "azure_blob", container, "connection_string", settings={}, secret=secret)
        yield made


def ran(packages: Path, function: str, module: str, event: Mapping, folder: Path) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "FARSHORE_"))}
    return invoke(packages / function, f"functions.aws.{module}.handler", event, environment, folder)


def sample(name: str, **replaced: str) -> dict:
    text = (EVENTS / name).read_text()
    for old, new in replaced.items():
        text = text.replace(old.replace("_", "-"), new)
    return json.loads(text)


def test_the_planner_plans_its_sample(packages, farshore, tmp_path):
    event = sample("sqs-events.json", primary_example=farshore.buckets["primary"])
    outcome = ran(packages, "PlanFunction", "plan", event, tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer == {"batchItemFailures": []}
    jobs = [decode(message["Body"]) for message in farshore.messages("jobs")]
    assert sorted(job.key for job in jobs) == sorted([KEY, KEY, KEY, "acme/old.txt"])
    causes = {message["MessageAttributes"]["cause"]["StringValue"] for message in farshore.messages("events-dlq")}
    assert causes == {"foreign_event", "malformed_event"}


def test_the_worker_does_its_sample(packages, farshore, tmp_path):
    farshore.put(KEY, b"hello")
    event = sample("sqs-jobs.json")
    body = json.loads(event["Records"][0]["body"]) | {"rule": "to-azure-backup"}
    event["Records"][0]["body"] = json.dumps(body)
    outcome = ran(packages, "ReplicateFunction", "replicate", event, tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer == {"batchItemFailures": []}
    assert "segment" not in outcome.log  # X-Ray's complaint where a thread is not traced
    (row,) = farshore.host.ledger.copies("acme", KEY)
    assert (row.status, row.size, row.failure) == ("replicated", 5, None), outcome.log


def test_the_sweep_runs_at_its_time(packages, farshore, tmp_path):
    farshore.put("acme/forgotten", b"hello")
    outcome = ran(packages, "SweepFunction", "sweep", sample("schedule.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert [decode(message["Body"]).key for message in farshore.messages("jobs")] == ["acme/forgotten"]


def test_the_api_answers_its_sample(packages, farshore, tmp_path):
    outcome = ran(packages, "ApiFunction", "api", sample("api-v2.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer["statusCode"] == 200, outcome.log


def test_the_function_of_consents_answers_its_samples(packages, farshore, tmp_path):
    """A start without a good token, and an answer to a consent that nobody began: both are turned away, in their ways."""
    outcome = ran(packages, "ConnectFunction", "connect", sample("api-oauth-start.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer["statusCode"] == 401, outcome.log
    outcome = ran(packages, "ConnectFunction", "connect", sample("api-oauth-callback.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer["statusCode"] == 303, outcome.log
    assert outcome.answer["headers"]["Location"].endswith("/api/v1/oauth/done?outcome=oauth_state_invalid")


def test_the_refresher_runs_at_its_time_and_takes_its_batch(packages, farshore, tmp_path):
    outcome = ran(packages, "RefreshFunction", "refresh", sample("refresh-schedule.json"), tmp_path)
    assert outcome.error is None, outcome.log
    outcome = ran(packages, "RefreshFunction", "refresh", sample("sqs-refreshes.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer == {"batchItemFailures": []}
    (buried,) = farshore.messages("refresh-dlq")
    assert buried["MessageAttributes"]["cause"]["StringValue"] == "malformed_event"


def test_the_notifier_tells_its_sample(packages, farshore, tmp_path):
    outcome = ran(packages, "NotifyFunction", "notify", sample("audit-stream.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer == {"batchItemFailures": []}, outcome.log


def test_the_function_that_tells_webhooks_takes_its_batch(packages, farshore, tmp_path):
    outcome = ran(packages, "DeliverFunction", "deliver", sample("sqs-deliveries.json"), tmp_path)
    assert outcome.error is None, outcome.log
    assert outcome.answer == {"batchItemFailures": []}, outcome.log


HOUSES = {"dropbox": "dropbox", "google-drive": "google", "onedrive": "microsoft", "box": "box"}


@pytest.fixture(params=HOUSES)
def house(request, monkeypatch) -> Iterator[tuple[str, Simulator]]:
    with simulator(HOUSES[request.param]) as made:
        monkeypatch.setenv("FARSHORE_PRIVATE_HOSTS", urlsplit(made.base).netloc)
        yield request.param, made


def test_a_consent_is_followed_and_its_tokens_refreshed_by_the_packages_clients(packages, house, farshore, tmp_path):
    """Each house's client library (Authlib, google-auth, msal) is whole in there."""
    slug, made = house
    host = farshore.host
    integration = offered(slug, made, host)
    began = connect.start("acme", integration.id, StartRequest(), ADMIN, host.connecting)
    event = sample("api-oauth-callback.json")
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/api/v1/oauth/{slug}/callback"
    event["rawQueryString"] = urlsplit(consent(began.url)).query
    event["cookies"] = [f"{began.cookie_name}={began.browser.reveal()}"]
    outcome = ran(packages, "ConnectFunction", "connect", event, tmp_path)
    assert outcome.error is None, outcome.log
    assert "outcome=connected" in outcome.answer["headers"]["Location"], outcome.log

    connected = host.integrations.get("acme", integration.id, fresh=True)
    due = replace(connected, refresh_due_at=datetime.now(UTC), version=connected.version + 1)
    host.integrations.change(due)
    event = sample("sqs-refreshes.json")
    event["Records"][0]["body"] = encode_due("acme", integration.id)
    outcome = ran(packages, "RefreshFunction", "refresh", event, tmp_path)
    assert outcome.error is None, outcome.log
    refreshed = host.integrations.get("acme", integration.id, fresh=True)
    assert (refreshed.status, refreshed.reason, refreshed.generation) == ("active", None, 2), outcome.log


def offered(slug: str, made: Simulator, host: Container) -> Integration:
    """An integration with the house, which waits for consent."""
    endpoints, issuer = endpoints_at(slug, made.base)
    changes = ProviderChanges(
        client_id=made.client.id,
        auth_url=endpoints.authorize,
        token_url=endpoints.token,
        revoke_url=endpoints.revoke,
        user_info_url=endpoints.user_info,
        issuer=issuer,
    )
    add_provider(changes, Secret(made.client.secret), ADMIN, host.administration, slug)
    made.register([f"https://farshore.example/api/v1/oauth/{slug}/callback"])
    return add_integration("acme", NewIntegration(slug, "oauth2", provider_slug=slug), None, ADMIN, host.managing)


def test_functions_of_one_lock_have_the_same_package(packages):
    """To the byte: one upload does for all, and building twice deploys nothing."""
    made = {function: _digest(packages / function) for function in FUNCTIONS}
    assert LOCKS.keys() == made.keys()
    for one, other in combinations(made, 2):
        assert (made[one] == made[other]) is (LOCKS[one] == LOCKS[other]), (one, other)


def _digest(package: Path) -> str:
    digest = sha256()
    for file in sorted(it for it in package.rglob("*") if it.is_file()):
        digest.update(f"{file.relative_to(package)}\0".encode() + sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def test_no_package_says_where_it_was_built(packages):
    for compiled in packages.glob("ConnectFunction/**/*.pyc"):
        assert str(ROOT).encode() not in compiled.read_bytes(), compiled.name


def test_each_package_fits_and_holds_what_it_needs_alone(packages):
    for function in FUNCTIONS:
        package = packages / function
        size = sum(file.stat().st_size for file in package.rglob("*") if file.is_file()) / 2**20
        assert size < LIMIT_MIB, function
        assert not [name for name in ("tests", "infra", "events", "moto", "pytest") if (package / name).exists()], (
            function
        )
        has_api = (package / "pydantic").exists() and (package / "jwt").exists()
        assert has_api is (function in (*API, *OUTWARDS)), function
        clients = [(package / name).exists() for name in ("authlib", "google/auth", "msal", "requests_hardened")]
        assert clients == [function in OUTWARDS] * 4, function
