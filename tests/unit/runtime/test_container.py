"""The composition root: everything a host asks for is there, made once, and nothing calls anybody on the way."""

import socket
import threading

import pytest

from shared.domain.errors import Misconfigured
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
    issuer="https://issuer.example",
    audience="farshore",
)
PARTS = (
    "planning",
    "replicating",
    "sweeping",
    "provisioning",
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


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("tables", "FARSHORE_TABLE_PREFIX"),
        ("jobs", None),
        ("job_letters", "FARSHORE_JOBS_QUEUE_URL"),
        ("event_letters", "FARSHORE_EVENTS_QUEUE_URL"),
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
