"""No secret of a connection is ever said: the whole life of one, and where each secret goes because that is its purpose."""

import io
import logging
from collections.abc import Callable

import pytest

from functions import cli
from tests.security.leaks_town import API, HOME, RETURN_TO, TENANT, Town
from tests.security.leaks_trap import listening

LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR]

GOES = {
    # to the browser that begins, and back to it
    ("state", "body of POST start"),
    ("cookie", "cookies of POST start"),
    # to a command on the user's computer, which finishes what its browser cannot
    ("state", "headers of hand-over"),
    ("authorization code", "headers of hand-over"),
    # to whoever makes or renews a webhook, this once
    ("webhook secret", "body of POST webhooks"),
    ("webhook secret", "body of POST rotate"),
    # to the provider: its own, each where it is asked for
    ("authorization code", "request to token"),
    ("verifier", "request to token"),
    ("client secret", "request to token"),
    ("refresh token", "request to refresh"),
    ("client secret", "request to refresh"),
    ("access token", "request to api"),
    ("refresh token", "request to revoke"),
    ("client secret", "request to revoke"),
    # to the store that they open
    ("credential", "request to S3"),
}
"""Every place where a secret may be heard, by its kind. All else is a leak."""

ELSEWHERE = {
    "box": set(),
    "dropbox": {("access token", "request to revoke")},
    "microsoft": set(),
}
"""What some houses want beside."""

S3 = {"secretAccessKey": "s3-secret-canary/4f1c+9d2a77e05b", "sessionToken": "s3-session-canary//Qk9+e1d5c3b7a9f0"}
EXTERNAL = "external-id-canary-6f2d1b8a9c"


def life(town: Town) -> None:
    """Everything that becomes of a connection, each route and each function once."""
    town.farshore.tenant(TENANT)
    assert town.ask("GET", f"{API}/cloud-provider-presets", who="superadmin").status == 200
    assert town.add_provider().status == 201
    provider = f"{API}/cloud-providers/{town.provider}"
    changed = {"name": "Renamed", "clientSecret": town.house.client.secret}
    assert town.ask("PATCH", provider, who="superadmin", body=changed).status == 200
    assert town.ask("GET", f"{API}/cloud-providers", who="superadmin").status == 200
    hook = told_of_everything(town)
    path = consents(town)
    looked_after(town, path)
    credentials(town)
    delivered(town, hook)
    for trail in (f"{HOME}/audit-events", f"{API}/audit-events"):
        for part in ("", "/verify", "/export"):
            assert (
                town.ask("GET", trail + part, who="superadmin" if trail.startswith(f"{API}/a") else "owner").status
                == 200
            )
    assert town.ask("POST", f"{path}/disconnect").status == 200
    assert town.ask("DELETE", town.connected()).status == 204
    assert town.ask("DELETE", f"{HOME}/webhooks/{hook}").status == 204
    rewrapped(town)


def told_of_everything(town: Town) -> str:
    """A webhook, renewed and tried out; its id."""
    made = town.ask("POST", f"{HOME}/webhooks", body={"url": f"{town.hooks.url}/in"})
    assert made.status == 201, made
    one = f"{HOME}/webhooks/{made.body['id']}"
    rotated = town.ask("POST", f"{one}/rotate")
    for secret in (made, rotated):
        town.keep("webhook secret", secret.body["secret"])
    assert town.ask("PATCH", one, body={"kinds": []}).status == 200
    assert town.ask("POST", f"{one}/test").body["status"] == "delivered"
    return str(made.body["id"])


def consents(town: Town) -> str:
    """Consents of all kinds; the connection's path."""
    path = town.connected()
    begun = town.start(path, returnTo=RETURN_TO)
    assert "error" not in (denied := town.finish(town.agree(begun, allow=False), begun.cookie)).body
    assert denied.location.startswith(f"{RETURN_TO}?outcome=")
    begun = town.start(path, loopback="http://127.0.0.1:49152/farshore-1")
    sent = town.agree(begun)
    assert town.finish(sent, None).location.startswith("http://127.0.0.1:49152/")
    assert "outcome=connected" in town.finish(sent, begun.cookie, "owner").location
    own = town.add_connection()
    town.house.control(register=[f"https://farshore.example{own}/oauth/callback"])
    begun = town.start(own, callback="integration")
    assert "outcome=connected" in town.finish(town.agree(begun, person=1), begun.cookie).location
    assert town.ask("GET", f"{API}/oauth/done", query="outcome=connected", who=None).status == 200
    return path


def looked_after(town: Town, path: str) -> None:
    town.later(minutes=5)
    assert town.ask("POST", f"{path}/refresh").body["status"] == "active"
    assert town.ask("POST", f"{path}/test").body["tokenValid"] is True
    for part in ("", "/health"):
        assert town.ask("GET", path + part).status == 200
    assert town.ask("PATCH", path, body={"name": "Other"}).status == 200
    assert town.ask("GET", f"{HOME}/cloud-integrations").status == 200
    town.later(minutes=58)
    before = len(town.line.calls)
    assert not town.farshore.refresh()["back"]
    assert [endpoint for endpoint, _ in town.line.calls[before:]] == ["refresh", "refresh"]


def credentials(town: Town) -> None:
    """A store by keys, and one by a role."""
    for name in ("secretAccessKey", "sessionToken"):
        town.keep("credential", S3[name])
    town.keep("credential", EXTERNAL)
    assert town.ask("POST", f"{API}/cloud-providers", who="superadmin", body={"preset": "s3"}).status == 201
    settings = {"region": "us-east-1", "endpoint": town.aws.url}
    made = {
        "providerSlug": "s3",
        "name": "by key",
        "authType": "access_key",
        "container": town.farshore.buckets["backup"],
        "settings": settings,
        "credentials": {"accessKeyId": "000000000000", **S3},
    }
    one = town.ask("POST", f"{HOME}/cloud-integrations", body=made)
    assert one.status == 201, one
    path = f"{HOME}/cloud-integrations/{one.body['id']}"
    assert town.ask("POST", f"{path}/test").body["apiReachable"] is True
    assert town.ask("PATCH", path, body={"credentials": made["credentials"]}).status == 200
    by_role = {"name": "by role", "authType": "iam_role"}
    by_role |= {"settings": {**settings, "roleArn": "arn:aws:iam::000000000000:role/x"}}
    role = {**{name: value for name, value in made.items() if name != "credentials"}, **by_role}
    chosen = town.ask("POST", f"{HOME}/cloud-integrations", body={**role, "credentials": {"externalId": EXTERNAL}})
    assert chosen.status == 422, chosen
    other = town.ask("POST", f"{HOME}/cloud-integrations", body=role)
    assert other.status == 201, other
    town.ask("POST", f"{HOME}/cloud-integrations/{other.body['id']}/test")
    assert town.ask("DELETE", path).status == 204


def delivered(town: Town, hook: str) -> None:
    """What happened is told to the bus and the webhook."""
    assert town.farshore.notify() == {"batchItemFailures": []}
    posts = len(town.hooks.requests)
    assert not town.farshore.deliver()["back"]
    assert len(town.hooks.requests) > posts
    assert town.ask("GET", f"{HOME}/webhooks").status == 200
    assert town.ask("GET", f"{HOME}/webhooks/{hook}/deliveries").body["items"]


def rewrapped(town: Town) -> None:
    """The operator's command moves all seals to another key."""
    settings = town.farshore.host.settings
    newer = town.farshore.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARSHORE_KEY_ID", newer)
        patch.setenv("FARSHORE_FORMER_KEY_IDS", settings.key_id)
        assert cli.main(["rewrap", "--dry-run"], stdin=io.StringIO()) == 0
        assert cli.main(["rewrap"], stdin=io.StringIO()) == 0


@pytest.mark.parametrize("level", LEVELS, ids=logging.getLevelName)
def test_the_life_of_a_connection_says_nothing_secret(
    open_town: Callable[..., Town], level: int, capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    town.farshore.host.logger.setLevel(level)
    with listening(level, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        life(town)
        town.hear_the_rest()
    assert sorted(town.places() - GOES) == []
    assert sorted(GOES - town.places()) == [], "each secret was heard where it belongs, so the trap knows it"
    kinds = {name.rpartition(" ")[0] for name in town.secrets}
    assert {"nonce", "data key", "bearer token", "id token", "role's key", "cursors' key"} <= kinds


@pytest.mark.parametrize("house", sorted(ELSEWHERE))
def test_neither_does_one_at_another_house(
    open_town: Callable[..., Town], house: str, capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town(house)
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        town.farshore.tenant(TENANT)
        assert town.add_provider().status == 201
        path = consents(town)
        town.later(minutes=5)
        assert town.ask("POST", f"{path}/refresh").body["status"] == "active"
        assert town.ask("POST", f"{path}/test").body["tokenValid"] is True
        assert town.ask("POST", f"{path}/disconnect").status == 200
        town.hear_the_rest()
    assert sorted(town.places() - GOES - ELSEWHERE[house]) == []
    assert town.places() >= ELSEWHERE[house]
