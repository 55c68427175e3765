"""The authorization endpoint (RFC 6749 4.1.1): checks what the application asks, asks the person, sends the browser back."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import urlencode

from infra.local.providers import pages
from infra.local.providers.exchange import Answer, Malformed, Request
from infra.local.providers.grants import Consent
from infra.local.providers.house import Ask, House, Office

_MOST_WAITING = 1000


@dataclass(slots=True)
class ConsentDesk:
    """Holds the requests that wait for a person, each under a ticket that only its page has."""

    house: House
    office: Office
    admin_consent: bool = False
    _waiting: dict[str, Ask] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def show(self, request: Request, tenant: str) -> Answer:
        """The consent page, or an error: on a page while the redirect URI is in doubt, by redirect afterwards."""
        try:
            ask = self._ask(request, tenant)
        except Malformed as wrong:
            return pages.failed(self.house, str(wrong))
        if problem := _problem(ask):
            return _back(ask, {"error": problem})
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._waiting[ticket] = ask
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.pop(next(iter(self._waiting)))
        if self.admin_consent:
            return pages.approval(self.house, ticket, way_back=self.house.admin_denial() is not None)
        return pages.consent(self.house, ask, ticket)

    def answer(self, ticket: str, answer: str, person_id: str, scopes: Sequence[str]) -> Answer:
        """What the person said, once for each page."""
        with self._lock:
            ask = self._waiting.pop(ticket, None)
        if ask is None:
            return pages.failed(self.house, "This page was answered already, or is too old.")
        if self.admin_consent:
            return _back(ask, self.house.admin_denial() or {"error": "access_denied"})
        if answer != "allow":
            return _back(ask, self.house.denial())
        people = {person.id: person for person in self.house.people_of(ask.tenant)}
        if person_id not in people:
            return pages.failed(self.house, "Nobody of that name may sign in here.")
        ticked = tuple(scope for scope in ask.scopes if scope in scopes)
        return self._allow(ask, person_id, ticked)

    def _allow(self, ask: Ask, person: str, ticked: tuple[str, ...]) -> Answer:
        book, client = self.office.book, ask.client.id
        granted = self.house.granted(ask, ticked, book.scopes_of(client, person))
        if not granted:
            return _back(ask, self.house.denial())
        consent = Consent(
            client=client,
            person=person,
            scopes=granted,
            redirect_uri=ask.redirect_uri,
            offline=self.house.offline(ask, known=book.knows(client, person)),
            challenge=ask.parameters.get("code_challenge", ""),
            method=ask.parameters.get("code_challenge_method", "plain"),
            nonce=ask.parameters.get("nonce", ""),
            tenant=ask.tenant,
        )
        return _back(ask, {"code": book.write_code(consent), **self.house.with_code(ask, granted)})

    def _ask(self, request: Request, tenant: str) -> Ask:
        said, client = request.query, self.office.client
        if said.get("client_id") != client.id:
            raise Malformed("No application has this client_id.")
        if said.get("redirect_uri") not in client.redirect_uris:
            raise Malformed("The redirect_uri is not one of the application's.")
        scopes = self.house.scopes_of(said.get("scope"))
        if not scopes:
            raise Malformed("A scope is unknown, or none was asked for.")
        if not self.house.people_of(tenant):
            raise Malformed("There is no such directory.")
        return Ask(client, said["redirect_uri"], said.get("state", ""), scopes, said, tenant, request.base)


def _problem(ask: Ask) -> str | None:
    """What is told to the application (RFC 6749 4.1.2.1, RFC 7636 4.4.1)."""
    said = ask.parameters
    if said.get("response_type") != "code":
        return "unsupported_response_type"
    if said.get("response_mode", "query") != "query" or said.get("code_challenge_method", "plain") not in (
        "plain",
        "S256",
    ):
        return "invalid_request"
    return "interaction_required" if said.get("prompt") == "none" else None


def _back(ask: Ask, said: Mapping[str, str]) -> Answer:
    """Sends the browser back; by GET, whatever it came with (RFC 9700 4.12)."""
    state = {"state": ask.state} if ask.state else {}
    joint = "&" if "?" in ask.redirect_uri else "?"
    location = f"{ask.redirect_uri}{joint}{urlencode({**said, **state})}"
    return Answer(
        303, headers=(("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
    )
