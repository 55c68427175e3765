"""The same routes on another host's resolver."""

import asyncio
import json

import pytest
from aws_lambda_powertools.event_handler.http_resolver import HttpResolverLocal

from shared.api.app import build
from tests.unit.api.fakes import Api

REPLICAS = "/api/v1/tenants/{}/replicas"
REQUESTS = [
    ("GET", "/api/v1/health", "", "anna"),
    ("POST", "/api/v1/health", "", "anna"),
    ("GET", "/api/v1/openapi.json", "", None),
    ("GET", "/api/v1/docs", "", None),
    ("GET", REPLICAS.format("acme"), "status=failed&keyPrefix=a%2Cb+c", "anna"),
    ("GET", REPLICAS.format("acme"), "limit=0", "anna"),
    ("GET", REPLICAS.format("acme"), "unknown=1", "anna"),
    ("GET", REPLICAS.format("acme"), "", None),
    ("GET", REPLICAS.format("beta"), "", "anna"),
    ("GET", "/nowhere", "", None),
    ("GET", "/api/v1/oauth/dropbox/callback", "state=x&code=y", None),
    ("GET", "/api/v1/oauth/dropbox/callback", "state=x&state=y", None),
    ("GET", "/api/v1/oauth/done", "outcome=connected", None),
    ("GET", "/api/v1/cloud-providers", "limit=2", "root"),
    ("GET", "/api/v1/audit-events/export", "", "root"),
    ("DELETE", "/api/v1/tenants/ghost", "", "root"),
]
TENANT = "/api/v1/tenants/acme"
BODIES = [
    ("POST", "/api/v1/cloud-providers", '{"preset": "s3"}', {}),
    ("POST", "/api/v1/cloud-providers", '{"preset": "s3", "version": 1}', {}),
    ("POST", "/api/v1/cloud-providers", "{", {}),
    ("PATCH", TENANT, '{"name": "New"}', {"content-type": "application/merge-patch+json", "if-match": '"1"'}),
    ("PATCH", TENANT, '{"name": "Newer"}', {"if-match": '"1"'}),
    ("PATCH", TENANT, '{"name": "Newer"}', {"content-type": "text/plain"}),
    ("PUT", f"{TENANT}/source", '{"bucket": "ünfit"}', {}),
    ("DELETE", TENANT, "", {}),
]


def over_asgi(app, method, path, query, token, body="", more=()):
    sent = []

    async def receive():
        return {"type": "http.request", "body": body.encode(), "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    headers += [(name.encode(), value.encode()) for name, value in dict(more).items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(app(scope, receive, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"].decode()


@pytest.fixture(scope="module")
def apis():
    here, there = Api(), Api()
    there.app = build(there.services(), HttpResolverLocal(enable_validation=True, debug=False))
    return here, there


@pytest.mark.parametrize(("method", "path", "query", "token"), REQUESTS)
def test_the_routes_answer_alike_on_either_resolver(apis, method, path, query, token):
    here, there = apis
    expected = here.get(path, token, query=query, method=method)
    status, headers, body = over_asgi(there.app, method, path, query, token)
    assert (status, headers) == (expected.status, {name.lower(): value for name, value in expected.headers.items()})
    assert told(body) == told(expected.text)
    assert here.ledger.asked == there.ledger.asked


@pytest.mark.parametrize(("method", "path", "body", "headers"), BODIES)
def test_bodies_are_read_alike_on_either_resolver(apis, method, path, body, headers):
    here, there = apis
    sent = ({"content-type": "application/json"} if body else {}) | headers
    expected = here.ask(method, path, "root", raw=body or None, headers=sent)
    status, answered, text = over_asgi(there.app, method, path, "", "root", body, sent)
    assert (status, answered) == (expected.status, {name.lower(): value for name, value in expected.headers.items()})
    assert told(text) == told(expected.text)


def told(body: str | None):
    """A body without its request's id."""
    try:
        document = json.loads(body or "")
    except ValueError:
        return body or ""
    document.pop("requestId", None)
    return document
