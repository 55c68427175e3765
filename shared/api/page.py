"""The OpenAPI document as one static page: no script, no font, no address but its own."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2733;background:#fff}"
    "h1,h2,h3{line-height:1.2}code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f2f5f7;padding:1rem;overflow:auto}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.35rem .6rem;"
    "border-bottom:1px solid #d8e0e6}section{margin-top:2.5rem}.method{color:#fff;background:#0b6b57;padding:.1rem .5rem;"
    "border-radius:.25rem}@media(prefers-color-scheme:dark){body{color:#e4eaef;background:#12181d}pre{background:#1c252c}"
    "td,th{border-color:#33414c}a{color:#7cc7ff}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def page(document: Mapping[str, Any]) -> str:
    """The whole page; everything from the document is escaped."""
    info = document["info"]
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))}</p>",
            '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>',
            *_operations(document),
            "<section><h2>Shapes</h2>",
            *_shapes(document),
            "</section></main></body></html>",
        ]
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f'<section id="{escape(operation["operationId"])}"><h2>{escape(operation["summary"])}</h2>'
            yield f'<p><span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code></p>'
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            yield "<p>Send <code>Authorization: Bearer &lt;token&gt;</code>.</p>" if operation.get("security") else ""
            yield _table("Parameters", _parameters(operation))
            yield _table("Body", _body(operation))
            yield _table("Answers", ((status, told["description"]) for status, told in operation["responses"].items()))
            yield "</section>"


def _parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in operation.get("parameters", []):
        needed = "required" if one.get("required") else "optional"
        yield one["name"], f"{one['in']}, {needed}. {one.get('description', '')} {_limits(one['schema'])}"


def _body(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for media, told in operation.get("requestBody", {}).get("content", {}).items():
        yield media, str(told["schema"].get("$ref", "")).rpartition("/")[2]


def _limits(schema: Mapping[str, Any]) -> str:
    told = [part for part in (schema, *schema.get("anyOf", [])) if part.get("type") != "null"]
    names = ("enum", "minimum", "maximum", "maxLength", "pattern", "default")
    return "; ".join(
        f"{name}: {json.dumps(part[name])}" for part in told for name in names if part.get(name) not in (None, "")
    )


def _shapes(document: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield f"<h3>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
        for example in schema.get("examples", []):
            yield f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"


def _table(title: str, rows: Iterator[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td><code>{escape(str(name))}</code></td><td>{escape(told)}</td></tr>" for name, told in rows)
    return f"<h3>{title}</h3><table>{body}</table>" if body else ""
