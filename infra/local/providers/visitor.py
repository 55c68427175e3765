"""A person at a consent page, for scripts and tests: reads the page's form, and answers it."""

from collections.abc import Sequence
from html.parser import HTMLParser
from http.client import HTTPConnection
from urllib.parse import urlencode, urljoin, urlsplit

_REDIRECTS_MOST = 10


class NoPage(Exception):
    """What came was no consent page. The text is what the page said."""


def consent(url: str, *, allow: bool = True, person: int = 0, without: Sequence[str] = ()) -> str:
    """Opens a consent page and answers it; where the browser is sent then.

    Args:
        person: which of the accounts on the page.
        without: scopes whose box is unticked.

    Raises:
        NoPage: the house showed an error in place of the page, or does not know the answer.
    """
    status, location, page = _send("GET", url)
    if location:
        return location
    form = _Form()
    form.feed(page)
    if status != 200 or not form.ticket:
        raise NoPage(page)
    said: list[tuple[str, str]] = [("ticket", form.ticket), ("answer", "allow" if allow else "deny")]
    said += [("person", form.people[person])] if form.people else []
    said += [("scope", scope) for scope in form.scopes if scope not in without]
    _, location, page = _send("POST", url, urlencode(said))
    if location is None:
        raise NoPage(page)
    return location


def follow(url: str) -> str:
    """Goes where redirects lead; the address of the page at the end.

    Raises:
        NoPage: the page at the end is an error.
    """
    for _ in range(_REDIRECTS_MOST):
        status, location, page = _send("GET", url)
        if location is None:
            if status >= 400:
                raise NoPage(page)
            return url
        url = location
    raise NoPage("the redirects have no end")


def _send(method: str, url: str, body: str | None = None) -> tuple[int, str | None, str]:
    """Status, where it redirects to, and body."""
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port or 80, timeout=60)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        target = f"{address.path or '/'}?{address.query}" if address.query else address.path or "/"
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        location = answer.getheader("Location")
        return answer.status, urljoin(url, location) if location else None, answer.read().decode()
    finally:
        connection.close()


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ticket = ""
        self.people: list[str] = []
        self.scopes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        value = said.get("value") or ""
        if said.get("name") == "ticket":
            self.ticket = value
        elif said.get("name") == "person":
            self.people.append(value)
        elif said.get("name") == "scope":
            self.scopes.append(value)
