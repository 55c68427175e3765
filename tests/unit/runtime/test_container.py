"""The composition root: everything a host asks for is there, made once, and nothing calls anybody on the way."""

import socket
import threading

import pytest

from shared.domain.errors import InvalidInput, Misconfigured
from shared.runtime import container as composition
from shared.runtime.container import Container
from shared.runtime.settings import Settings

WHOLE = Settings(
    region="eu-west-1",
    table_prefix="farshore",
    events_queue_url="https://events",
    events_dlq_url="https://dead-events",
    jobs_queue_url="https://jobs",
    jobs_dlq_url="https://dead-jobs",
    key_id="key",
    cursor_secret_id="cursor",
    public_url="https://farshore.example/",
    return_urls="https://app.example/clouds, https://app.example/",
    private_hosts="127.0.0.1:8080",
    former_key_ids="old-key",
    refresh_queue_url="https://refreshes",
    refresh_dlq_url="https://dead-refreshes",
    deliveries_queue_url="https://deliveries",
    deliveries_dlq_url="https://dead-deliveries",
    event_bus="farshore",
    issuer="https://issuer.example",
    audience="farshore",
)
PARTS = (
    "planning",
    "replicating",
    "sweeping",
    "provisioning",
    "administration",
    "tenancy",
    "managing",
    "connecting",
    "disconnecting",
    "refreshing",
    "timing",
    "checking",
    "hooks",
    "announcing",
    "delivering",
    "rewrapping",
    "recorded",
    "refresh_letters",
    "delivery_letters",
    "api",
    "verifier",
    "job_letters",
    "event_letters",
    "sqs",
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")

    def refused(*_):
        raise AssertionError("somebody was called")

    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_made_once_and_calls_nobody(part):
    host = Container(WHOLE)
    assert getattr(host, part) is getattr(host, part)


def test_the_parts_of_a_world_are_the_hosts_own():
    host = Container(WHOLE)
    assert host.replicating.ledger is host.planning.ledger is host.ledger
    assert host.replicating.stores is host.sweeping.stores is host.stores
    assert host.planning.queue is host.jobs
    assert host.planning.metrics is host.metrics
    assert host.checking.refreshing is host.refreshing
    assert host.connecting.vault is host.managing.vault is host.vault
    assert host.connecting.servers is host.disconnecting.servers is host.servers


def test_consents_begin_and_end_where_the_operator_says():
    world = Container(WHOLE).connecting
    assert world.public_url == "https://farshore.example"
    assert tuple(world.return_urls) == ("https://app.example/clouds", "https://app.example/")


def test_urls_that_people_set_are_checked_but_for_the_operators_own_hosts():
    check = Container(WHOLE).managing.check_url
    check("http://127.0.0.1:8080/token")
    for url in ("http://127.0.0.1:8081/token", "https://127.0.0.1:8081/token", "https://[::1]/"):
        with pytest.raises(InvalidInput):
            check(url)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("tables", "FARSHORE_TABLE_PREFIX"),
        ("jobs", None),
        ("job_letters", "FARSHORE_JOBS_QUEUE_URL"),
        ("event_letters", "FARSHORE_EVENTS_QUEUE_URL"),
        ("refresh_letters", "FARSHORE_REFRESH_QUEUE_URL"),
        ("delivery_letters", "FARSHORE_DELIVERIES_QUEUE_URL"),
        ("bus", "FARSHORE_EVENT_BUS"),
        ("sqs", "AWS_REGION"),
        ("api", "FARSHORE_CURSOR_SECRET_ID"),
    ],
)
def test_what_a_part_lacks_is_named_when_it_is_asked_for(part, name):
    host = Container(Settings())
    with pytest.raises(Misconfigured, match=name or "FARSHORE_JOBS_QUEUE_URL"):
        getattr(host, part)


def test_a_process_reads_its_environment_once(monkeypatch):
    composition.container.cache_clear()
    monkeypatch.setenv("FARSHORE_SERVICE", "first")
    try:
        first = composition.container()
        monkeypatch.setenv("FARSHORE_SERVICE", "second")
        assert composition.container() is first
        assert first.settings.service == "first"
    finally:
        composition.container.cache_clear()


def test_errors_of_the_api_are_logged_by_their_kind(capsys):
    host = Container(Settings(service="container-test"))
    host.report(ValueError("canary-secret"))
    told = capsys.readouterr().out
    assert "ValueError" in told
    assert "canary-secret" not in told


def test_threads_that_ask_at_once_share_one_world():
    host, together, found = Container(WHOLE), threading.Barrier(4), []

    def ask() -> None:
        together.wait()
        found.append((host.replicating, host.sqs))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(id(world), id(client)) for world, client in found}) == 1
    assert len(found) == 4
