"""What nobody foresaw is not quoted either: errors that say secrets, providers that never answer, messages that are none."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from infra.local.providers.exchange import Answer, Request
from shared.outbound.session import Outbound
from tests.security.leaks_house import Real
from tests.security.leaks_stage import LambdaContext
from tests.security.leaks_town import API, HOME, TENANT, Town
from tests.security.leaks_trap import Trap, listening
from tests.security.test_leaks_connections import GOES

WORDS = "asked-canary-3c5e7a9b1d-and-more"


@contextmanager
def heard(town: Town, capfd: pytest.CaptureFixture[str], *goes: str) -> Iterator[Trap]:
    """Listens, and hears nothing but what is due. ``goes``: where else the words may be."""
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        town.keep("words", WORDS)
        town.farshore.tenant(TENANT)
        town.add_provider()
        yield trap
        town.hear_the_rest()
    assert sorted(town.places() - GOES - {("words", place) for place in goes}) == []


class Careless:
    """A part that, in the place of any answer, says all it was given, and a secret."""

    def __init__(self) -> None:
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        def raising(*given: object, **named: object) -> None:
            self.asked += 1
            raise RuntimeError(WORDS, [getattr(one, "reveal", lambda: None)() for one in given]) from ValueError(WORDS)

        return raising


def test_a_fault_that_nobody_foresaw_is_logged_without_its_words(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    host = town.farshore.host
    with heard(town, capfd) as trap:
        path = town.connected()
        hook = town.ask("POST", f"{HOME}/webhooks", body={"url": town.hooks.url}).body["id"]
        town.ask("POST", f"{HOME}/webhooks/{hook}/test")
        town.farshore.notify()
        begun = town.start(path)
        sent = town.agree(begun)
        worlds = ("connecting", "refreshing", "checking", "disconnecting", "managing", "administration", "hooks")
        for name in (*worlds, "timing", "delivering", "announcing"):
            vars(host).pop(name, None)  # made anew, of what is careless now
        careless = host.__dict__["vault"] = host.__dict__["servers"] = host.__dict__["courier"] = Careless()
        box = {"preset": "box", "clientId": "box", "clientSecret": WORDS}
        for said in (
            town.ask("POST", f"{API}/cloud-providers", who="superadmin", body=box),
            town.ask("POST", f"{path}/oauth/start", body={}),
            town.ask("POST", f"{HOME}/webhooks", body={"url": town.hooks.url}),
        ):
            assert (said.status, said.body["code"]) == (500, "internal"), said
        assert "outcome=internal" in town.finish(sent, begun.cookie).location
        town.later(minutes=70)
        for name in ("refresh", "test", "disconnect"):
            town.ask("POST", f"{path}/{name}")
        asked = careless.asked
        assert town.farshore.deliver()["back"]
        assert careless.asked > asked > 5
        host.__dict__["bus"] = host.__dict__["integrations"] = Careless()
        for name in (*worlds, "timing", "announcing"):
            vars(host).pop(name, None)
        for function in (town.farshore.refresh, town.farshore.notify):
            with pytest.raises(Exception, match=r"^$") as stopped:
                function()
            trap.hear("exception of a handler", stopped.value)
        for name in ("bus", "integrations", "vault", "servers", "courier"):
            vars(host).pop(name)


def test_a_provider_that_never_answers_is_given_up_without_a_word(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    over = Event()

    def silent(_: Request, __: Real) -> Answer | None:
        over.wait(20)
        return None

    with heard(town, capfd):
        path, host = town.connected(), town.farshore.host
        pending = town.add_connection()
        for name in ("servers", "courier", "connecting", "refreshing", "checking", "disconnecting"):
            vars(host).pop(name, None)
        host.__dict__["outbound"] = Outbound(host._private_hosts, seconds=0.2)
        town.line.faults = dict.fromkeys(("token", "refresh", "api", "revoke"), silent)
        assert town.outcome(pending) == "provider_unavailable"
        assert town.ask("POST", f"{path}/test").body["code"] == "provider_unavailable"
        town.later(minutes=5)
        assert town.ask("POST", f"{path}/refresh").body["code"] == "provider_unavailable"
        assert town.ask("POST", f"{path}/disconnect").body["status"] == "revoked"
        assert town.line.hits == 4
        over.set()


def test_a_message_that_is_none_is_buried_and_not_quoted(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    """A dead letter is a copy of its message, for the operator; nothing else tells of it."""
    from functions.aws import notify

    town = open_town()
    odd = [
        WORDS,
        json.dumps({WORDS: WORDS}),
        json.dumps({"v": 1, "tenant": WORDS, "integration": [WORDS]}),
        f'["{WORDS}"',
    ]
    odd += [
        json.dumps({"v": 1, "tenant": TENANT, "webhook": "whk_1", "notice": {"id": WORDS, "kind": WORDS, "at": WORDS}})
    ]
    places = [f"message in {queue}-dlq" for queue in ("refresh", "deliveries")]
    with heard(town, capfd, *places, "request to SQS") as trap:
        sqs = town.farshore.aws("sqs")
        for queue in ("refresh", "deliveries"):
            for body in odd:
                sqs.send_message(QueueUrl=town.farshore.queues[queue], MessageBody=body)
        assert not town.farshore.refresh()["back"]
        assert not town.farshore.deliver()["back"]
        image = {"id": {"S": "e#000000000001"}, "tenant": {"S": TENANT}, "action": {"S": WORDS}, "v": {"N": "1"}}
        for number, one in enumerate(
            (image, {**image, "v": {"S": WORDS}}, {WORDS: {"S": WORDS}}, {"id": {"S": WORDS}})
        ):
            record = {"dynamodb": {"NewImage": one, "SequenceNumber": str(number), "Keys": {"id": {"S": "e#1"}}}}
            trap.hear("handler's answer", notify.handler({"Records": [record]}, LambdaContext()))
        for queue in ("refresh", "deliveries"):
            letters = town.farshore.messages(f"{queue}-dlq")
            trap.hear(f"message in {queue}-dlq", *(letter["Body"] for letter in letters))
            trap.hear("cause of a dead letter", *(letter.get("MessageAttributes") for letter in letters))
            assert len(letters) >= len(odd)
