"""Cases 53 to 60: what a store refuses becomes one of our errors, with its verdict, and costs a few requests at most."""

import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.domain.errors import (
    CredentialsRefused,
    FarshoreError,
    LengthMismatch,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    StoreUnavailable,
    Throttled,
)
from shared.domain.retry import AfterUser, Later
from tests.conformance.calls import CALLS, LARGE, Call
from tests.conformance.cases import case
from tests.conformance.contents import pattern
from tests.conformance.faults import held
from tests.conformance.proxy import Request, Response, anything
from tests.conformance.rigs import PART
from tests.conformance.store import Store

LANES = 3
"""Requests of one write that may be on their way at a time, each tried three times."""


def asks_the_store(request: Request) -> bool:
    """Rather than the token service, which the same proxy serves."""
    return b"Action=AssumeRole" not in request.body


every_call = pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
writes = pytest.mark.parametrize("call", [CALLS["create"], CALLS["large"]], ids=["small", "large"])


@pytest.fixture
def there(store: Store) -> Store:
    store.put("there", b"here already")
    return store


def fails(
    store: Store, call: Call, answer: Response, kind: type[StoreError], *, skip: int = 0
) -> tuple[StoreError, int]:
    """The call fails so against a server that answers only this: the error, and how many requests it took."""
    wire = store.wire()
    wire.when(anything, lambda request, forward: answer, times=None, skip=skip)
    with pytest.raises(kind) as failure:
        call(store.through(wire))
    assert store.get("there") == b"here already"
    assert store.connector.head("new") is None
    return failure.value, wire.count()


@case(53)
@every_call
def test_expired_credentials_are_refreshed_once_and_the_request_tried_once_more(
    there: Store, call: Call, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = there.wire()
    connector, refreshed = there.rig.expiring(there.root, wire, monkeypatch)
    with closing(connector):
        connector.head("there")
        assert refreshed() == 1
        wire.when(asks_the_store, lambda request, forward: there.rig.error("expired"))
        with suppress(PreconditionFailed):  # of "delete seen", which is right to fail so
            call(connector)
        assert refreshed() == 2


@case(53)
@every_call
def test_credentials_that_stay_expired_are_the_users_to_mend(
    there: Store, call: Call, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = there.wire()
    connector, refreshed = there.rig.expiring(there.root, wire, monkeypatch)
    with closing(connector):
        connector.head("there")
        before = wire.count(asks_the_store)
        wire.when(asks_the_store, lambda request, forward: there.rig.error("expired"), times=None)
        with pytest.raises(CredentialsRefused):
            call(connector)
        assert refreshed() == 2
        assert wire.count(asks_the_store) - before == 2
    assert there.get("there") == b"here already"


@case(53)
def test_expiry_in_midstream_costs_one_refresh(
    there: Store, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = there.wire()
    connector, refreshed = there.rig.expiring(there.root, wire, monkeypatch)
    with closing(connector):
        connector.head("there")
        wire.when(there.rig.part, lambda request, forward: there.rig.error("expired"), skip=3)
        there.put("new", pattern(8 * PART), by=connector)
        assert refreshed() == 2
    there.assert_still("new", pattern(8 * PART))


@case(53)
@every_call
def test_what_cannot_be_refreshed_is_refused_when_it_expires(there: Store, call: Call, naps: list[float]) -> None:
    error, requests = fails(there, call, there.rig.error("expired"), CredentialsRefused)
    assert error.retry == AfterUser()
    assert requests <= LANES


@case(54)
@every_call
def test_revoked_credentials_are_the_users_to_mend(there: Store, call: Call, naps: list[float]) -> None:
    error, requests = fails(there, call, there.rig.error("revoked"), CredentialsRefused)
    assert error.retry == AfterUser()
    assert requests <= LANES, "what is refused for good is not tried again and again"


@case(54)
@pytest.mark.parametrize("kind", ["expired", "revoked"])
def test_credentials_refused_in_midstream_leave_nothing(there: Store, kind: str, naps: list[float]) -> None:
    wire = there.wire()
    wire.when(there.rig.part, lambda request, forward: there.rig.error(kind), skip=2, times=None)
    with pytest.raises(CredentialsRefused):
        there.put("new", pattern(6 * PART), by=there.through(wire))
    there.assert_nothing_at("new")


@case(55)
@writes
def test_a_full_account_is_the_users_to_mend(there: Store, call: Call, naps: list[float]) -> None:
    error, requests = fails(there, call, there.rig.error("quota"), QuotaExceeded)
    assert error.retry == AfterUser()
    assert requests <= 3 * LANES


@case(55)
def test_an_account_full_in_midstream_leaves_nothing(there: Store, naps: list[float]) -> None:
    wire = there.wire()
    wire.when(there.rig.part, lambda request, forward: there.rig.error("quota"), skip=2, times=None)
    with pytest.raises(QuotaExceeded):
        there.put("new", pattern(6 * PART), by=there.through(wire))
    there.assert_nothing_at("new")


def slowed(store: Store, after: str | None, status: int | None = None) -> Response:
    answer = store.rig.error("slow")
    headers = (*answer.headers, *([("Retry-After", after)] if after else []))
    return Response(status or answer.status, headers, answer.body)


@case(56)
@every_call
@pytest.mark.parametrize("status", [429, None], ids=["429", "503"])
def test_asked_to_wait_it_says_how_many_seconds(
    there: Store, call: Call, status: int | None, naps: list[float]
) -> None:
    error, requests = fails(there, call, slowed(there, "7", status), Throttled)
    assert error.retry == Later(7.0)
    assert requests <= 3 * LANES
    assert sum(naps) < 60


@case(56)
@pytest.mark.parametrize("seconds", [40, 3600])
def test_asked_to_wait_until_a_date_it_says_how_long_that_is(there: Store, seconds: int, naps: list[float]) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    error, _ = fails(there, CALLS["create"], slowed(there, moment, 429), Throttled)
    assert isinstance(error.retry, Later)
    assert error.retry.after == pytest.approx(seconds, abs=10)


@case(56)
@every_call
def test_asked_to_wait_just_so_it_says_nothing_of_seconds(there: Store, call: Call, naps: list[float]) -> None:
    error, _ = fails(there, call, slowed(there, None, 429), Throttled)
    assert error.retry == Later(None)


@case(56)
@pytest.mark.parametrize("after", ["3600", "soon", "-5", "1e9"])
def test_a_long_wait_is_the_hosts_not_the_workers(there: Store, after: str, naps: list[float]) -> None:
    """A worker is billed while it sleeps, and its deadline runs."""
    error, _ = fails(there, CALLS["create"], slowed(there, after, 429), Throttled)
    assert isinstance(error.retry, Later)
    assert error.retry.after in (None, 3600.0)
    assert sum(naps) < 60


@case(57)
@every_call
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_tried_again_within_a_budget(
    there: Store, call: Call, status: int, naps: list[float]
) -> None:
    error, requests = fails(there, call, Response(status), StoreError)
    assert isinstance(error, StoreUnavailable | Throttled)
    assert isinstance(error.retry, Later)
    assert 2 <= requests <= 3 * LANES
    assert sum(naps) < 30


@case(57)
@pytest.mark.parametrize("name", ["head", "read", "create", "large", "delete", "list"])
def test_one_server_error_is_survived(there: Store, name: str, naps: list[float]) -> None:
    wire = there.wire()
    wire.when(anything, lambda request, forward: there.rig.error("broken"))
    CALLS[name](there.through(wire))
    assert len([nap for nap in naps if nap > 0]) <= 2


@case(58)
@every_call
def test_a_server_that_never_answers_is_given_up(there: Store, call: Call, naps: list[float]) -> None:
    wire, released = there.wire(), threading.Event()
    wire.when(anything, held(released), times=None)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as failure:
        call(there.through(wire, timeout=0.1))
    assert failure.value.retry == Later()
    assert time.monotonic() - began < 3
    released.set()
    assert there.connector.head("new") is None


@case(58)
@every_call
def test_a_server_that_is_not_there_is_given_up(there: Store, call: Call, naps: list[float]) -> None:
    wire = there.wire()
    connector = there.through(wire, timeout=1.0)
    wire.close()
    with pytest.raises(StoreUnavailable):
        call(connector)


PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome to the network of the hotel</body></html>"
)


def html(request: Request) -> Response:
    return Response(200, (("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))), PAGE)


@case(59)
@every_call
def test_a_page_for_people_is_no_answer(there: Store, call: Call, naps: list[float]) -> None:
    error, _ = fails(there, call, html(None), StoreError)
    assert "hotel" not in str(error)
    assert not isinstance(error.retry, AfterUser)


@case(59)
def test_a_page_in_place_of_the_bytes_is_no_bytes(there: Store, naps: list[float]) -> None:
    wire = there.wire()
    with there.through(wire).open("there") as opened:
        assert opened is not None
        wire.when(anything, lambda request, forward: html(request), times=None)
        with pytest.raises((StoreUnavailable, LengthMismatch)):
            opened.content.read(0, 12)


@case(59)
def test_a_page_in_place_of_a_commit_is_no_receipt(there: Store, naps: list[float]) -> None:
    wire = there.wire()
    wire.when(there.rig.commit, lambda request, forward: html(request), times=None)
    with pytest.raises(StoreError):
        there.put("new", pattern(LARGE), by=there.through(wire))
    there.assert_nothing_at("new")


@case(60)
@every_call
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_elsewhere_takes_no_credentials_along(
    there: Store, call: Call, status: int, naps: list[float]
) -> None:
    elsewhere = there.elsewhere()
    answer = Response(status, (("Location", f"{elsewhere.url}/there?x=1"), ("Content-Type", "application/xml")))
    error, _ = fails(there, call, answer, FarshoreError)
    assert "127.0.0.2" not in str(error)
    for request in elsewhere.requests:
        told = [name.lower() for name, _ in request.headers]
        assert "authorization" not in told
        assert "x-amz-security-token" not in told
        assert not {"sig", "X-Amz-Signature", "Signature"} & request.query.keys()
        assert request.body == b""
