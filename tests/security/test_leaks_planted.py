"""Leaks that are planted, one of each kind, are found: the tests that find none can fail."""

import base64
import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.provider import Provider
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from tests.security.leaks_town import TENANT, Town
from tests.security.leaks_trap import listening
from tests.security.test_leaks_connections import GOES


def _logged(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugging line that somebody forgot."""
    inner = type(town.farshore.host.vault).open

    def loud(self: Any, *rest: Any) -> Secret[str]:
        secret = inner(self, *rest)
        logging.getLogger("farshore.vault").warning("opened %s", base64.b64encode(secret.reveal().encode()))
        return secret

    monkeypatch.setattr(type(town.farshore.host.vault), "open", loud)


def _shown(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is told the whole answer."""
    from shared.api import oauth

    inner = oauth._told
    monkeypatch.setattr(
        oauth, "_told", lambda *rest, **told: inner(*rest, **told, seen=town.line.calls[-1][1].form["code"])
    )


def _stored(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault that does not seal."""
    monkeypatch.setattr(
        type(town.farshore.host.vault),
        "seal",
        lambda self, secret, place: Sealed(secret.reveal().encode(), place.sequence),
    )
    monkeypatch.setattr(type(town.farshore.host.vault), "open", lambda self, sealed, place: Secret(sealed.box.decode()))


def _talking(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries at their loudest."""
    import http.client

    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)


def _measured(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement by something secret."""
    from shared.runtime.metrics import EmfMetrics

    inner = EmfMetrics.flush

    def flush(self: EmfMetrics) -> None:
        self.count("Codes", code=town.line.calls[-1][1].form.get("code", "none") if town.line.calls else "none")
        inner(self)

    monkeypatch.setattr(EmfMetrics, "flush", flush)


def _repr(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that does not hide."""
    monkeypatch.setattr(Provider, "__repr__", lambda self: f"Provider({town.house.client.secret!r})")


PLANTED = {
    _logged: ("access token", "log of farshore.vault"),
    _shown: ("authorization code", "headers of callback"),
    _stored: ("refresh token", "stored row"),
    _talking: ("client secret", "standard output"),
    _measured: ("authorization code", "standard output"),
    _repr: ("client secret", "repr"),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_leak_that_is_planted_is_found(
    open_town: Callable[..., Town],
    plant: Callable[[Town, pytest.MonkeyPatch], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = open_town()
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        town.farshore.tenant(TENANT)
        plant(town, monkeypatch)
        town.add_provider()
        path = town.connected()
        town.ask("POST", f"{path}/test")
        town.hear_the_rest()
    assert PLANTED[plant] in town.places() - GOES
