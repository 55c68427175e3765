"""The switches by which tests make a simulated house fail, age and forget; and who may turn them."""

import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.providers.house import Client
from infra.local.providers.simulator import HOUSES, Simulator, simulator
from tests.hosts.simulated import CALLBACK, HTTP, allowed, at_house, refresh, tokens, trade, who


@pytest.fixture(params=sorted(HOUSES))
def house(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with at_house(request.param) as made:
        yield made


@pytest.fixture
def google() -> Iterator[Simulator]:
    with at_house("google") as made:
        yield made


@pytest.fixture
def microsoft() -> Iterator[Simulator]:
    with at_house("microsoft") as made:
        yield made


def test_planned_faults_come_in_order_and_then_all_is_well(house: Simulator) -> None:
    token = tokens(house)["refresh_token"]
    faults = [
        {"status": 503, "retry_after": 7},
        {"status": 429, "retry_after": 9},
        {"html": True},
        {"refuse": "grant_revoked"},
        {"drop": "before"},
    ]
    told = HTTP.post(f"{house.base}/_control", json={"next": {"refresh": faults}})
    assert told.status_code == 200
    broken, busy, page, refused = (refresh(house, token) for _ in range(4))
    assert (broken.status_code, broken.headers["Retry-After"]) == (503, "7")
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "9")
    assert page.headers["Content-Type"] == "text/html"
    assert refused.json()["error"] == "invalid_grant"
    with pytest.raises(httpx.RemoteProtocolError):
        refresh(house, token)
    assert refresh(house, token).status_code == 200


def test_a_connection_dropped_after_the_deed_leaves_the_deed_done() -> None:
    with at_house("box") as box:
        token = tokens(box)["refresh_token"]
        box.control(next={"refresh": {"drop": "after"}})
        with pytest.raises(httpx.RemoteProtocolError):
            refresh(box, token)
        assert refresh(box, token).json()["error"] == "invalid_grant"


def test_access_tokens_can_be_made_to_live_shortly(house: Simulator) -> None:
    house.control(accessSeconds=20)
    short = tokens(house)
    assert short["expires_in"] == 20
    house.control(accessSeconds=None, advance=21)
    assert who(house, short["access_token"]).status_code == 401
    assert tokens(house)["expires_in"] > 20


@pytest.mark.parametrize("wrong", [{"next": {"nowhere": {}}}, {"next": {"token": {"explode": True}}}, {"unknown": 1}])
def test_a_switch_that_does_not_exist_is_refused(google: Simulator, wrong: dict[str, Any]) -> None:
    assert HTTP.post(f"{google.base}/_control", json=wrong).status_code == 400


def test_pages_from_elsewhere_cannot_turn_switches(google: Simulator) -> None:
    form = HTTP.post(f"{google.base}/_control", content=b'{"revoke": true}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    rebound = HTTP.post(f"{google.base}/_control", json={"revoke": True}, headers={"Host": "evil.example"})
    assert rebound.status_code == 421


def test_the_state_of_things_tells_no_secret(google: Simulator) -> None:
    given = tokens(google)
    told = HTTP.get(f"{google.base}/_control").text
    assert json.loads(told)["live"] == {"access": 1, "refresh": 1}
    for secret in (given["access_token"], given["refresh_token"], google.client.secret):
        assert secret not in told


def test_a_restarted_house_honours_what_it_gave(tmp_path: Path) -> None:
    client = Client("a client", secrets.token_urlsafe(24), (CALLBACK,))
    with simulator("google", client=client, folder=tmp_path) as first:
        given = tokens(first)
    with simulator("google", client=client, folder=tmp_path) as second:
        assert who(second, given["access_token"]).status_code == 200
        assert refresh(second, given["refresh_token"]).status_code == 200
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def test_client_info_names_the_account_as_msal_reads_it(microsoft: Simulator) -> None:
    given = trade(microsoft, {**allowed(microsoft), "client_info": "1"}).json()
    padded = given["client_info"] + "=" * (-len(given["client_info"]) % 4)
    assert json.loads(urlsafe_b64decode(padded))["utid"] == microsoft.house.people[0].tenant
