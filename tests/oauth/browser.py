"""A person at a browser, for authorization servers whose pages are plain forms."""

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_MOST_STEPS = 12


def consent(url: str, redirect_uri: str, person: str = "ada", *, deny: bool = False) -> Mapping[str, str]:
    """Goes to the consent page, signs in, agrees (or not), and tells what the browser was sent back with."""
    with httpx.Client(trust_env=False) as browser:
        page = browser.get(url)
        for _ in range(_MOST_STEPS):
            if page.is_redirect:
                target = urljoin(str(page.request.url), page.headers["location"])
                if target.startswith(redirect_uri):
                    return dict(parse_qsl(urlsplit(target).query, strict_parsing=True))
                page = browser.get(target)
            elif deny and (abort := re.search(r'href="([^"]*/abort)"', page.text)):
                page = browser.get(urljoin(str(page.request.url), unescape(abort[1])))
            else:
                page = _submit(browser, page, person)
        raise AssertionError("the consent never came to an end")


def _submit(browser: httpx.Client, page: httpx.Response, person: str) -> httpx.Response:
    assert page.status_code == 200, f"the page says {page.status_code}"
    form = _FORM.search(page.text)
    assert form, "the page asks for nothing"
    attributes = dict(_ATTRIBUTE.findall(form[0].split(">", 1)[0]))
    fields = [dict(_ATTRIBUTE.findall(each)) for each in re.findall(r"<input[^>]*>", form[0])]
    values = {each["name"]: unescape(each.get("value", "")) for each in fields if "name" in each}
    values |= {name: person for name in ("login", "password") if name in values}
    return browser.post(urljoin(str(page.request.url), unescape(attributes["action"])), data=values)
