"""What a webhook's receiver gets, judged by Standard Webhooks' own library, and what we make of its answers."""

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks

from shared.domain.notice import Notice, Webhook, document
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.outbound.courier import WebhookCourier, message
from shared.outbound.session import Outbound
from tests.unit.outbound.server import bytes_of, loopback

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOTICE = Notice("evt_acme_7", "integration.failed", "acme", AT, "int_1", "error", "active", "scope_missing")
KEY = Secret("whsec_" + base64.b64encode(bytes(range(32))).decode())
OTHER = Secret("whsec_" + base64.b64encode(bytes(32)).decode())


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def webhook(url: str) -> Webhook:
    return Webhook("whk_1", "acme", url, (), Sealed(b"x"), "anna", AT, AT)


def sent(server, secrets=(KEY,), **limits):
    http = Outbound(frozenset({server.authority}), **limits)
    return WebhookCourier(lambda: http, Now()).deliver(NOTICE, webhook(server.url + "in?a=b"), secrets, 3)


def parts(asked: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = asked.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


# ---- what is sent --------------------------------------------------------------------------------------------------
def test_a_receiver_can_verify_it_with_a_library_that_nobody_here_wrote():
    with loopback(bytes_of("204 No Content")) as server:
        sent(server)
    first, headers, body = parts(server.asked[0])
    assert first == "POST /in?a=b HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "farshore"
    assert headers["webhook-id"] == NOTICE.id
    told = standardwebhooks.Webhook(KEY.reveal()).verify(body, headers)
    assert told == json.loads(json.dumps(document(NOTICE)))


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "key"])
def test_anything_altered_on_the_way_is_noticed(change):
    body, headers = message(NOTICE, [KEY], datetime.now(UTC))
    judge = standardwebhooks.Webhook((OTHER if change == "key" else KEY).reveal())
    match change:
        case "body":
            body = body.replace(b"error", b"fine!")
        case "webhook-id":
            headers["webhook-id"] = "evt_zeta_7"
        case "webhook-timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
        case "webhook-signature":
            headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        judge.verify(body, headers)


def test_an_old_message_sent_again_is_noticed():
    body, headers = message(NOTICE, [KEY], datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(KEY.reveal()).verify(body, headers)


def test_either_key_verifies_while_two_sign():
    body, headers = message(NOTICE, [OTHER, KEY], datetime.now(UTC))
    for key in (KEY, OTHER):
        standardwebhooks.Webhook(key.reveal()).verify(body, headers)


def test_the_signature_is_the_one_that_the_library_makes_of_the_same_message():
    body, headers = message(NOTICE, [KEY], AT)
    told = standardwebhooks.Webhook(KEY.reveal()).sign(NOTICE.id, AT, body.decode())
    assert headers["webhook-signature"] == told
    assert headers["webhook-timestamp"] == "1795176000"


def test_the_body_is_the_same_at_every_attempt():
    assert message(NOTICE, [KEY], AT)[0] == message(NOTICE, [KEY], AT + timedelta(hours=1))[0]


def test_the_key_itself_is_never_sent():
    with loopback(bytes_of("204 No Content")) as server:
        sent(server)
    raw = KEY.reveal().removeprefix("whsec_")
    for form in (raw.encode(), base64.b64decode(raw), base64.b64decode(raw).hex().encode()):
        assert form not in server.asked[0]


# ---- what comes back -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("200 OK", ("delivered", 200, None)),
        ("204 No Content", ("delivered", 204, None)),
        ("302 Found", ("retrying", 302, "refused")),
        ("410 Gone", ("retrying", 410, "refused")),
        ("500 Internal Server Error", ("retrying", 500, "refused")),
    ],
)
def test_only_2xx_is_delivered(status, verdict):
    with loopback(bytes_of(status)) as server:
        done = sent(server)
    assert (done.status, done.answer, done.error) == verdict
    assert (done.webhook_id, done.tenant_id, done.notice, done.attempt) == ("whk_1", "acme", NOTICE, 3)
    assert done.milliseconds >= 0


def test_a_redirect_is_not_followed_so_that_no_signature_reaches_another_host():
    with loopback(bytes_of("200 OK")) as other:
        away = bytes_of("307 Temporary Redirect", b"", f"Location: {other.url}")
        with loopback(away) as server:
            assert sent(server).answer == 307
        assert other.asked == []


def test_nothing_of_what_a_receiver_says_is_kept():
    with loopback(bytes_of("500 Secret Reason", b"canary <script>", "X-Canary: canary")) as server:
        done = sent(server)
    assert "anary" not in repr(done)
    assert "Secret" not in repr(done)


def test_no_answer_and_no_connection_are_told_apart():
    with loopback(lambda connection, over: connection.close()) as server:
        done = sent(server)
        assert (done.status, done.answer, done.error) == ("retrying", None, "no_answer")
    done = sent(server)
    assert (done.status, done.answer, done.error) == ("retrying", None, "unreachable")


def test_a_receiver_that_hangs_is_left_in_time():
    with loopback(lambda connection, over: over.wait(5)) as server:
        begun = time.monotonic()
        done = sent(server, seconds=0.3)
        assert time.monotonic() - begun < 3
    assert (done.status, done.error) == ("retrying", "no_answer")
    assert done.milliseconds >= 250


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "https://169.254.169.254/"])
def test_a_private_address_is_not_called_whatever_the_row_says(url):
    """The URL was checked when it was set; its name may lead elsewhere by now."""
    with loopback(bytes_of("200 OK")) as server:
        place = replace(webhook(server.url), url=url.format(port=server.port))
        done = WebhookCourier(Outbound, Now()).deliver(NOTICE, place, [KEY], 1)
        assert (done.status, done.error) == ("retrying", "unreachable")
        assert server.asked == []


def test_a_failure_of_ours_is_not_taken_for_theirs():
    class Broken:
        def post(self, *_, **__):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WebhookCourier(Broken, Now()).deliver(NOTICE, webhook("https://hooks.example"), [KEY], 1)


def test_the_session_is_made_when_it_is_needed():
    WebhookCourier(lambda: pytest.fail("a session was made"), Now())
