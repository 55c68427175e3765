"""The resolver as a WSGI app, for tools that speak that: each request becomes a payload 2.0 event."""

import base64
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import SimpleNamespace
from urllib.parse import unquote


def wsgi(resolve: Callable[[dict, object], dict]) -> Callable:
    def app(environ: dict, start: Callable) -> Iterable[bytes]:
        path = unquote(environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"))
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        cookies = [one.strip() for one in headers.pop("cookie", "").split(";") if one.strip()]
        http = {"method": environ["REQUEST_METHOD"], "path": path, "sourceIp": "192.0.2.7"}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": environ.get("QUERY_STRING", ""),
            "headers": headers,
            "cookies": cookies,
            "requestContext": {"stage": "$default", "http": http},
            "isBase64Encoded": True,
        }
        if body := environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)):
            event["body"] = base64.b64encode(body).decode()
        answer = resolve(event, SimpleNamespace(aws_request_id="r-1"))
        status = HTTPStatus(answer["statusCode"])
        told = [*answer["headers"].items(), *(("Set-Cookie", cookie) for cookie in answer.get("cookies", []))]
        start(f"{status.value} {status.phrase}", [(name, str(value)) for name, value in told])
        return [(answer["body"] or "").encode()]

    return app
