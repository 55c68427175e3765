"""Fifty refreshes of one integration at once, each as a process of its own, on the real repositories and two emulators."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Semaphore
from time import monotonic

import pytest
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler

from infra.local.emulators import ministack
from shared.crypto.vault import EnvelopeVault
from shared.domain.grant import Grant
from shared.domain.integration import Integration, Tokens, access_context, refresh_context
from shared.domain.secret import Secret
from shared.ports.connections import Lease
from shared.state.tables import Tables
from shared.usecases.refresh import Refreshing, access_token, refresh_one
from tests.counts import note
from tests.security.crypto_fakes import HonestKeys
from tests.unit.state.conftest import MOTO, create, memory_of
from tests.unit.state.records import PROVIDER, event
from tests.unit.usecases.fakes import Metrics, Randomness

MANY = 50
PATIENCE = 30
PLACE = ("acme", "int_1")
NOW = datetime.now(UTC)


@pytest.fixture(params=["moto", "ministack"])
def tables(request, monkeypatch) -> Iterator[Tables]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    if request.param == "moto":
        one_at_a_time(monkeypatch)
        with mock_aws():
            create(MOTO)
            yield MOTO
    else:
        with ministack() as server:
            there = Tables("many", server.region, server.endpoint)
            create(there)
            yield there


def one_at_a_time(monkeypatch) -> None:
    """moto looks at a condition and writes in two steps, between which another thread's request may come: DynamoDB does not."""
    lock, call = Lock(), DynamoHandler.call_action

    def alone(self, *args, **named):
        with lock:
            return call(self, *args, **named)

    monkeypatch.setattr(DynamoHandler, "call_action", alone)


@dataclass
class House:
    """A strict provider that counts. It answers once all the others wait, so that none can come too late to matter."""

    others: int = MANY - 1
    calls: int = 0
    current: str = "refresh-0"
    waiting: Semaphore = field(default_factory=lambda: Semaphore(0))
    answered: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def of(self, provider, secret) -> "House":
        return self

    def refresh(self, token: Secret[str], scopes) -> Grant:
        with self.lock:
            self.calls += 1
            assert token.reveal() == self.current
            self.current = f"refresh-{self.calls}"
        for _ in range(self.others):
            assert self.waiting.acquire(timeout=PATIENCE)
        self.answered.set()
        return Grant(Secret(f"access-{self.calls}"), Secret(self.current), datetime.now(UTC) + timedelta(hours=1))


class Clock:
    """The real time; who sleeps is woken by the provider's answer."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.came = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if not self.came:
            self.came = True
            self.house.waiting.release()
        self.house.answered.wait(PATIENCE)


class Until:
    def __init__(self) -> None:
        self.end = monotonic() + PATIENCE

    def remaining(self) -> float:
        return max(0.0, self.end - monotonic())


def process(tables: Tables, house: House, number: int) -> Refreshing:
    """One more, with caches and secrets' keys of its own."""
    memory = memory_of(tables)
    return Refreshing(
        memory.integrations, memory.providers, memory.leases, vault(), house, Clock(house), Randomness(str(number)),
        Metrics(),
    )  # fmt: skip


KEYS = HonestKeys()


def vault() -> EnvelopeVault:
    return EnvelopeVault(lambda: KEYS)


def connect(tables: Tables) -> Integration:
    """A connection whose tokens are due."""
    memory, safe = memory_of(tables), vault()
    memory.providers.add(replace(PROVIDER, id="prv_1", slug="box", secret=None, version=1), event("*"))
    access = safe.seal(Secret("access-0"), access_context(*PLACE, 1))
    renew = safe.seal(Secret("refresh-0"), refresh_context(*PLACE, 1))
    end = NOW + timedelta(minutes=5)
    it = Integration(
        PLACE[1], PLACE[0], "Files", "box", "oauth2", "", NOW, NOW, provider_id="prv_1", generation=1,
        tokens=Tokens(1, access, renew, end), refresh_due_at=NOW - timedelta(minutes=1),
    )  # fmt: skip
    memory.integrations.add(it, event())
    return it


def ask(tables: Tables, house: House, number: int) -> str:
    """``asked``; whoever fails lets the others go on, so that its error is what the test shows."""
    try:
        return asked(process(tables, house, number), number)
    except BaseException:
        house.waiting.release(MANY)
        raise


def asked(world: Refreshing, number: int) -> str:
    """One process's refresh, by the ways there are; the access token that it has afterwards."""
    if number % 3 == 0:
        return access_token(*PLACE, world, Until(), refused=Secret("access-0")).reveal()
    it = refresh_one(*PLACE, world, Until(), force=number % 3 == 1)
    return world.vault.open(it.tokens.access, access_context(*PLACE, it.tokens.access.sequence)).reveal()


@pytest.mark.attack(33)
def test_fifty_refreshes_at_once_make_one_call_and_all_have_the_new_token(tables):
    connect(tables)
    house = House()
    with ThreadPoolExecutor(MANY) as pool:
        got = list(pool.map(lambda number: ask(tables, house, number), range(MANY)))
    assert house.calls == 1
    assert got == ["access-1"] * MANY
    stored = memory_of(tables).integrations.get(*PLACE, fresh=True)
    assert (stored.generation, stored.status, stored.failures) == (2, "active", 0)
    assert vault().open(stored.tokens.refresh, refresh_context(*PLACE, 2)).reveal() == house.current
    name = f"refresh/{PLACE[0]}/{PLACE[1]}/1"
    lease = memory_of(tables).leases.take(name, "next", until=NOW + timedelta(hours=1), now=datetime.now(UTC))
    assert lease == Lease(name, "next", NOW + timedelta(hours=1), doubtful=False)
    note("refresh", f"{MANY} at once on DynamoDB: {house.calls} call to the provider")
