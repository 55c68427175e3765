"""The page at the end of a consent: what happened, in one sentence. No script, nothing of the query but our own words."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from types import MappingProxyType

from shared.domain import errors
from shared.domain.errors import CallbackRefused, FarshoreError, GrantError

_STYLE = (
    "body{font:18px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem;color:#1b2733;background:#fff}"
    "h1{font-size:1.6rem;line-height:1.2}p{margin:.6rem 0}.well{color:#0b6b57}.ill{color:#a4262c}"
    "@media(prefers-color-scheme:dark){body{color:#e4eaef;background:#12181d}.well{color:#5fd0b4}.ill{color:#ff9a9e}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

CONNECTED = "connected"
INTERNAL = "internal"

_BACK = "You may close this window and go back to where you began."
_NEUTRAL = ("Nothing to see here", "This page tells how a consent ended.")


def _codes(root: type[FarshoreError]) -> Iterator[tuple[str, str]]:
    yield root.code, (root.__doc__ or "").splitlines()[0]
    for kind in root.__subclasses__():
        yield from _codes(kind)


_OTHERS = (errors.StateUnavailable, errors.NotFound, errors.VersionMismatch, errors.Conflict, errors.Forbidden)

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        **dict(_codes(CallbackRefused)),
        **dict(_codes(GrantError)),
        **{kind.code: (kind.__doc__ or "").splitlines()[0] for kind in _OTHERS},
        INTERNAL: "Something went wrong on our side.",
    }
)
"""What each outcome but ``connected`` means, by its stable code."""


def done(outcome: str) -> str:
    """The whole page. An outcome that is none of ours is not repeated."""
    if outcome == CONNECTED:
        return _page("well", "Connected", "The account is connected.")
    if outcome in OUTCOMES:
        return _page("ill", "Not connected", OUTCOMES[outcome])
    return _page("", *_NEUTRAL)


def _page(kind: str, title: str, told: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1 class="{escape(kind)}">{escape(title)}</h1><p>{escape(told)}</p><p>{escape(_BACK)}</p></main></body></html>'
    )
