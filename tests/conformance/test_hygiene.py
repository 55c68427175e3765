"""Cases 61 to 66: nothing leaks, neither across roots nor into logs, nor connections, nor time."""

import base64
import gc
import io
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from urllib.parse import quote, quote_plus

import pytest

from shared.domain.errors import DeadlineExceeded, FarshoreError, InvalidName, PreconditionFailed
from shared.domain.objects import Attributes
from shared.domain.precondition import Absent
from shared.domain.precondition import Any as Anyhow
from shared.ports.stores import TargetStore
from shared.runtime.logs import quiet_libraries
from tests.conformance.calls import CALLS
from tests.conformance.cases import also_model, case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.faults import reset_before
from tests.conformance.proxy import Proxy, Response, anything
from tests.conformance.rigs import PART
from tests.conformance.store import Store, eventually

LARGE = 5 * PART + 1
CONTENT = b"canary-of-the-content-7d41"


@also_model
@case(61)
def test_two_roots_do_not_see_each_other(store: Store) -> None:
    other = store.sibling()
    store.put("both", b"mine")
    store.put("mine", b"mine")
    other.put("both", b"theirs")
    assert (store.get("both"), other.get("both")) == (b"mine", b"theirs")
    assert other.connector.head("mine") is None
    assert other.paths() == ["both"]
    other.connector.delete("both", precondition=Anyhow())
    other.connector.delete("mine", precondition=Anyhow())
    assert sorted(store.paths()) == ["both", "mine"]
    assert store.connector.service == other.connector.service
    assert store.connector.container != other.connector.container


@case(61)
def test_no_name_leads_into_another_root(store: Store) -> None:
    other = store.sibling()
    other.put("secret", b"theirs")
    for path in (
        f"../{other.root}/secret",
        f"/{other.root}/secret",
        f"x/../../{other.root}/secret",
        f"..\\{other.root}\\secret",
    ):
        with suppress(InvalidName):
            assert store.connector.head(path) is None
        with suppress(InvalidName):
            assert store.get(path) is None
        with suppress(InvalidName):
            store.connector.delete(path, precondition=Anyhow())
        assert store.paths(path) == []
    assert other.get("secret") == b"theirs"


def spellings(secret: str) -> list[str]:
    raw = secret.encode()
    plain = base64.b64encode(raw).decode().rstrip("=")
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        plain,
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
    ]


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers write at DEBUG, in a process that set its logging up as ours do."""
    before = {
        logger: logger.level
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger)
    }
    quiet_libraries()
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.setLevel(before.get(logger, logging.NOTSET))


def say_all(store: Store, connector: TargetStore, wire: Proxy) -> Iterator[str]:
    """Every operation, well and in every way badly: all that is ever said of it."""
    answers = [Response(status) for status in (302, 400, 401, 403, 404, 409, 412, 500)]
    answers += [store.rig.error(kind) for kind in ("expired", "revoked", "quota", "slow", "broken")]
    faults = [None, reset_before] + [lambda request, forward, one=one: one for one in answers]
    for fault in faults:
        wire.heal()
        if fault:
            wire.when(anything, fault, times=None)
        for call in CALLS.values():
            try:
                yield repr(call(connector))
            except (FarshoreError, AssertionError) as error:
                yield "".join(traceback.format_exception(error))
                yield f"{error!r} {error.args!r} {vars(error)!r}"
    wire.heal()
    store.put("there", CONTENT)
    with connector.open("there") as opened:
        assert opened is not None
        yield f"{opened!r} {opened.content!r} {opened.content.fetchable()!r} {opened.content.inside()!r}"
    yield f"{connector!r} {connector} {[str(value) for value in vars(connector).values()]}"


@case(62)
@pytest.mark.parametrize("login", ["key", "token"])
def test_no_secret_is_ever_said(store: Store, login: str, everything_logged: io.StringIO, naps: list[float]) -> None:
    logging.getLogger("conformance").debug("the log is on")
    store.put("there", CONTENT)
    wire = store.wire()
    options, secrets = store.rig.logins(store.root)[login]
    said = list(say_all(store, store.through(wire, **options), wire))
    assert len(said) > 60
    logged = everything_logged.getvalue()
    assert "the log is on" in logged
    everything = logged + "\n".join(said)
    for secret in (*secrets, CONTENT.decode()):
        for spelling in spellings(secret):
            assert spelling not in everything
    with store.connector.open("there") as opened:
        link = opened.content.fetchable() if opened else None
    assert link is None or link.url not in f"{link!r} {link}"
    assert "Signature=" not in everything
    assert "sig=" not in everything


@case(62)
def test_wrong_credentials_are_not_quoted(store: Store) -> None:
    said = "nothing was refused"
    try:
        wrong = store.rig.wrong("not a key \u00fc wrong-canary-53", store.root)
        with closing(wrong):
            said = repr(wrong)
            wrong.head("object")
    except FarshoreError as error:
        said += "".join(traceback.format_exception(error))
    assert said
    assert "canary-53" not in said


@case(63)
@pytest.mark.parametrize("busy", [False, True], ids=["after success", "after failure"])
def test_connections_are_closed(store: Store, busy: bool, naps: list[float]) -> None:
    wire = store.wire()
    connector = store.rig.connect(store.root, endpoint=wire.url)
    store.put("object", pattern(LARGE), by=connector)
    if busy:
        wire.when(anything, lambda request, forward: store.rig.error("broken"), times=None)
        with pytest.raises(FarshoreError):
            store.put("object", pattern(LARGE), by=connector)
        with pytest.raises(FarshoreError):
            store.get("object", by=connector)
        wire.heal()
    assert store.get("object", by=connector) == pattern(LARGE)
    assert wire.live, "connections are kept for the next request"
    connector.close()
    connector.close()
    gc.collect()  # botocore closes its idle connections when nothing refers to their pool any more
    with eventually() as until:
        until(lambda: not wire.live)


@case(63)
def test_connections_are_used_again(store: Store) -> None:
    wire = store.wire()
    connector = store.through(wire)
    for number in range(10):
        store.put(f"object{number}", b"data", by=connector)
        assert store.get(f"object{number}", by=connector) == b"data"
        connector.head("nothing")
        connector.list()
    assert wire.accepted <= 2


@case(63)
def test_reading_half_an_object_blocks_no_connection(store: Store) -> None:
    wire = store.wire()
    connector = store.through(wire)
    store.put("object", pattern(LARGE), by=connector)
    for _ in range(40):
        with connector.open("object") as opened:
            assert opened is not None
            next(opened.content.stream(1024))
    assert len(wire.live) <= 16


@case(64)
@pytest.mark.parametrize("ranged", [True, False], ids=["ranged", "streamed"])
def test_a_deadline_in_midstream_ends_the_write_and_its_session(store: Store, ranged: bool) -> None:
    """Deadlines reach a connector through the content it reads, which raises when time is up."""
    late = threading.Event()

    def before(offset: int, length: int) -> None:
        if offset >= 2 * PART:
            late.set()
            raise DeadlineExceeded

    wire = store.wire()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        store.put("object", Bytes(pattern(8 * PART), ranged=ranged, before=before), by=store.through(wire))
    assert late.is_set()
    assert time.monotonic() - began < 5
    assert wire.count(store.rig.commit) == 0
    assert wire.count(store.rig.part) < 8, "the rest is not sent in vain"
    store.assert_nothing_at("object")


@case(65)
def test_eight_parallel_writes_arrive(store: Store) -> None:
    def write(number: int) -> None:
        store.put(f"object{number}", Bytes(pattern(LARGE, number), attributes=Attributes(f"text/x-{number}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    for number in range(8):
        store.assert_still(f"object{number}", pattern(LARGE, number))
        head = store.connector.head(f"object{number}")
        assert head is not None
        assert head.attributes.content_type == f"text/x-{number}"


@case(65)
def test_of_eight_parallel_creations_one_wins(store: Store) -> None:
    def write(number: int) -> bool:
        try:
            store.put("object", pattern(LARGE if number % 2 else 100, number), Absent())
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert sum(won) == 1
    number = won.index(True)
    store.assert_still("object", pattern(LARGE if number % 2 else 100, number))
