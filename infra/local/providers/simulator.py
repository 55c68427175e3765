"""One house's simulator: its doors, its switches, and the server on loopback."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from re import Match, fullmatch
from threading import Lock
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from infra.local import issuer
from infra.local.providers import faults, wire
from infra.local.providers.book import Book
from infra.local.providers.box import Box
from infra.local.providers.consent import ConsentDesk
from infra.local.providers.dropbox import Dropbox
from infra.local.providers.exchange import Answer, Endpoint, Malformed, Request, says
from infra.local.providers.google import Google
from infra.local.providers.house import Client, House, Office
from infra.local.providers.microsoft import Microsoft
from infra.local.providers.trade import trade

HOUSES: Mapping[str, Callable[[], House]] = {"dropbox": Dropbox, "google": Google, "microsoft": Microsoft, "box": Box}
_REVOCATIONS = ("/2/auth/token/revoke", "/revoke", "/oauth2/revoke")


@dataclass(slots=True)
class Simulator:
    """A house at work. ``POST /_control`` does what ``control`` does, for tests in another process."""

    house: House
    office: Office
    desk: ConsentDesk
    planned: faults.Faults = field(default_factory=faults.Faults)
    _lock: Lock = field(default_factory=Lock)

    @property
    def base(self) -> str:
        return self.office.base

    @property
    def client(self) -> Client:
        return self.office.client

    def handle(self, request: Request) -> Answer | None:
        """The answer; None: close the connection without one."""
        if request.path == "/_control":
            return self._controlled(request)
        endpoint = self._endpoint(request)
        fault = self.planned.next(endpoint) or faults.Fault()
        time.sleep(fault.slow)
        if fault.drop == "before":
            return None
        answer = faults.instead(fault, self.house) or self._dispatch(request)
        return None if fault.drop == "after" else answer

    def control(self, **said: Any) -> Mapping[str, Any]:
        """Turns switches, and tells how things stand (without secrets).

        ``next``: faults, see ``Faults``. ``expire``: ``access`` or ``refresh``. ``revoke``: a person's id, or true for all.
        ``advance``: seconds by which the house's clock goes on. ``adminConsent``: whether an administrator has to agree
        first. ``register``: redirect URIs that the client may use too. ``accessSeconds``: the life of new access tokens; null:
        the house's own.

        Raises:
            Malformed: there is no such switch, or not that way.
        """
        for name, value in said.items():
            if name not in _SWITCHES:
                raise Malformed(f"There is no switch {name}.")
            with self._lock:
                _SWITCHES[name](self, value)
        book = self.office.book
        return {
            "house": self.house.name,
            "calls": self.planned.calls(),
            "adminConsent": self.desk.admin_consent,
            "redirectUris": list(self.client.redirect_uris),
            "grants": [
                {"person": grant.person, "scopes": list(grant.scopes), "revoked": grant.revoked}
                for grant in list(book.grants.values())
            ],
            "live": {"access": len(book.live("access")), "refresh": len(book.live("refresh"))},
        }

    def _controlled(self, request: Request) -> Answer:
        if request.method == "GET":
            return says(200, self.control())
        # A page from elsewhere cannot send this type without asking first, which nobody here grants.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return says(415, {"error": "JSON is asked for"})
        try:
            return says(200, self.control(**json.loads(request.body)))
        except (Malformed, ValueError, TypeError) as wrong:
            return says(400, {"error": str(wrong)})

    def _dispatch(self, request: Request) -> Answer:
        if asked := fullmatch(self.house.authorize, request.path):
            return self._authorize(request, _tenant(asked))
        if fullmatch(self.house.token, request.path) and request.method == "POST":
            return trade(self.house, self.office, request)
        return self.house.api(request, self.office) or says(404, {"error": "not_found"})

    def _authorize(self, request: Request, tenant: str) -> Answer:
        if request.method == "GET":
            return self.desk.show(request, tenant)
        said = request.form
        return self.desk.answer(
            said.get("ticket", ""), said.get("answer", ""), said.get("person", ""), said.get("scope", "").split()
        )

    def _endpoint(self, request: Request) -> Endpoint:
        if fullmatch(self.house.authorize, request.path):
            return "authorize"
        if fullmatch(self.house.token, request.path):
            return "refresh" if request.form.get("grant_type") == "refresh_token" else "token"
        if request.path in _REVOCATIONS:
            return "revoke"
        return "api" if request.bearer else "other"

    def register(self, uris: list[str]) -> None:
        """Lets the client use these redirect URIs too."""
        client = replace(self.client, redirect_uris=tuple(dict.fromkeys((*self.client.redirect_uris, *uris))))
        self.office = self.desk.office = replace(self.office, client=client)


def _admin(simulator: Simulator, value: bool) -> None:
    simulator.desk.admin_consent = value


def _advance(simulator: Simulator, seconds: float) -> None:
    simulator.office.book.offset += seconds


def _access_seconds(simulator: Simulator, seconds: float | None) -> None:
    own = simulator.house.rules
    simulator.office.book.rules = own if seconds is None else replace(own, access=seconds)


_SWITCHES: Mapping[str, Callable[[Simulator, Any], None]] = {
    "next": lambda simulator, said: simulator.planned.plan(said),
    "expire": lambda simulator, kind: simulator.office.book.expire(kind),
    "revoke": lambda simulator, who: simulator.office.book.revoke_all(who if isinstance(who, str) else None),
    "advance": _advance,
    "adminConsent": _admin,
    "register": Simulator.register,
    "accessSeconds": _access_seconds,
}


@contextmanager
def simulator(
    name: str, *, port: int = 0, client: Client | None = None, folder: Path | None = None
) -> Iterator[Simulator]:
    """Runs a house on a loopback port (any free one, unless told) until the block ends.

    Args:
        client: made up, if it is left out; ``register`` adds its redirect URIs.
        folder: where it keeps its book and its key; nowhere, if it is left out.
    """
    house = HOUSES[name]()
    file = folder / f"{name}.json" if folder else None
    book = Book(house.rules, file, house.name_token)
    client = client or Client(f"client-{secrets.token_hex(8)}", secrets.token_urlsafe(24), ())
    with wire.listening(port) as server:
        office = Office(book, client, server.base, _key(folder / f"{name}.pem" if folder else None))
        made = Simulator(house, office, ConsentDesk(house, office))
        server.serve(made.handle)
        yield made


def _key(file: Path | None) -> Callable[[], RSAPrivateKey]:
    """Made when it is first asked for: most tests sign nothing."""
    return cache(
        lambda: issuer.signing_key(file) if file else generate_private_key(public_exponent=65537, key_size=2048)
    )


def _tenant(found: Match[str]) -> str:
    return found.groupdict().get("tenant") or ""
