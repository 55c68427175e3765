"""Catches everything a program says, and looks in it for secrets in every usual spelling."""

import base64
import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import pytest

_SHORTEST = 8
_BLOCK = 1 << 16


def _grams(text: str) -> set[str]:
    """Every run of that many letters."""
    found: set[str] = set()
    for start in range(0, len(text), _BLOCK):
        block = text[start : start + _BLOCK + _SHORTEST - 1]
        found |= {block[at : at + _SHORTEST] for at in range(len(block) - _SHORTEST + 1)}
    return found


def spellings(secret: str | bytes) -> set[str]:
    """The secret raw, in JSON, URL-encoded, in hex and in base64 at each of the three alignments; whole and by halves.

    Halves, because a log that cuts long lines shows a part; base64 by alignment, because it may be part of something longer.
    What is too short to be told from chance is left out.
    """
    raw = secret.encode() if isinstance(secret, str) else secret
    parts = [raw] if len(raw) < 24 else [raw, raw[: len(raw) // 2], raw[len(raw) // 2 :]]
    return {spelt for part in parts for spelt in _spelt(part) if len(spelt) >= _SHORTEST}


def _spelt(raw: bytes) -> Iterator[str]:
    yield raw.hex()
    yield raw.hex().upper()
    for text in _texts(raw):
        yield from (text, quote(text), quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1])
    yield repr(raw)[2:-1]
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = whole[4 if shift else 0 : len(whole) // 4 * 4 - (4 if len(whole) % 4 else 0)]
        yield from (inner, inner.replace("+", "-").replace("/", "_"), quote(inner, safe=""))


def _texts(raw: bytes) -> Iterator[str]:
    with contextlib.suppress(UnicodeDecodeError):
        yield raw.decode()


@dataclass
class Trap:
    """What was said while it was open.

    Attributes:
        said: (where, text) of everything heard so far.
        secrets: by name; what may not be in any of it.
    """

    secrets: dict[str, str | bytes] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, where: str, *things: object) -> None:
        """Takes down repr and str of things, and of an exception its whole printed chain."""
        for thing in things:
            self.said += [(where, repr(thing)), (where, str(thing))]
            if isinstance(thing, BaseException):
                self.said.append((where, "".join(traceback.format_exception(thing))))

    @property
    def output(self) -> str:
        """Standard output, once the trap is closed."""
        return "".join(text for where, text in self.said if where == "standard output")

    def leaks(self) -> list[str]:
        """Which secret was heard where; never the secret itself."""
        return sorted(f"{name} in {where}" for name, where in self.found())

    def found(self) -> set[tuple[str, str]]:
        """The same as pairs of a secret's name and a place."""
        wanted = self._wanted()
        places: dict[str, set[str]] = {}
        for where, text in self.said:
            places.setdefault(text, set()).add(where)
        return {
            (name, where)
            for text, wheres in places.items()
            for gram in _grams(text) & wanted.keys()
            for spelt, name in wanted[gram]
            if spelt in text
            for where in wheres
        }

    def _wanted(self) -> dict[str, list[tuple[str, str]]]:
        """Every spelling with its secret's name, by its first letters."""
        wanted: dict[str, list[tuple[str, str]]] = {}
        for name, secret in self.secrets.items():
            spelt = spellings(secret)
            assert spelt, f"{name} is too short to be told from chance"
            for one in spelt:
                wanted.setdefault(one[:_SHORTEST], []).append((one, name))
        return wanted


class _Ear(logging.Handler):
    def __init__(self, trap: Trap) -> None:
        super().__init__(logging.NOTSET)
        self._trap = trap
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._trap.said.append((f"log of {record.name}", self.format(record)))
        self._trap.said.append((f"log record of {record.name}", repr(record.__dict__)))


def _speak_here() -> None:
    """Loggers live as long as the process: lets those of an earlier test speak to this one's standard output."""
    loggers = [known for known in logging.Logger.manager.loggerDict.values() if isinstance(known, logging.Logger)]
    for handler in [handler for logger in loggers for handler in logger.handlers]:
        if type(handler) is logging.StreamHandler:
            handler.stream = sys.stdout


@contextlib.contextmanager
def listening(level: int, capfd: pytest.CaptureFixture[str]) -> Iterator[Trap]:
    """A trap on every logger there is, with the root at ``level``, and on the process's standard output and error."""
    trap, root = Trap(), logging.getLogger()
    ear, before = _Ear(trap), root.level
    apart = [
        known
        for known in logging.Logger.manager.loggerDict.values()
        if isinstance(known, logging.Logger) and not known.propagate
    ]
    _speak_here()
    capfd.readouterr()
    root.setLevel(level)
    for logger in (root, *apart):
        logger.addHandler(ear)
    try:
        yield trap
    finally:
        for logger in (root, *apart):
            logger.removeHandler(ear)
        root.setLevel(before)
        written = capfd.readouterr()
        trap.said += [("standard output", written.out), ("standard error", written.err)]
