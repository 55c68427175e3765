"""``farshore audit``: checks an exported trail on any computer, without AWS and without settings: Python and this are enough.

``python -m functions.audit_command verify FILE`` does the same where nothing else is installed.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shared.domain.audit import GENESIS, digest_of
from shared.domain.errors import FarshoreError, InvalidInput

_UNKNOWN = "not known: without --head, entries cut off at the end leave no trace"


class Broken(FarshoreError):
    """The trail was altered.

    Attributes:
        at: the first sequence that does not follow.
    """

    code = "audit_broken"

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"the trail is broken at entry {at}: {why}")
        self.at = at


@dataclass(slots=True)
class _Walk:
    """Where the walk along a file stands."""

    begins: int = 0
    sequence: int = 0
    head: str = GENESIS
    tenant: str | None = None

    def step(self, told: Mapping[str, Any]) -> None:
        if not self.begins:
            self._begin(told)
        expected = self.sequence + 1
        if told.get("sequence") != expected:
            raise Broken(expected, "another entry stands in its place")
        if told.get("tenantId") != self.tenant:
            raise Broken(expected, "it is of another trail")
        if told.get("hash") != digest_of(told):
            raise Broken(expected, "its text is not what was hashed")
        if told.get("previous") != self.head:
            raise Broken(expected, "it does not follow from the entry before")
        self.sequence, self.head = expected, str(told["hash"])

    def _begin(self, told: Mapping[str, Any]) -> None:
        """An export may begin in mid-trail (``after``): then what its first entry says of the one before is taken as given."""
        first = told.get("sequence")
        if not isinstance(first, int) or isinstance(first, bool) or first < 1:
            raise Broken(1, "the first entry has no place in a trail")
        self.begins, self.sequence, self.tenant = first, first - 1, told.get("tenantId")
        self.head = GENESIS if first == 1 else str(told.get("previous"))


def verify(lines: Iterable[str], head: str | None = None) -> Mapping[str, Any]:
    """Follows an export line by line, in constant memory.

    Args:
        head: hash of its last entry as kept elsewhere.

    Raises:
        Broken: at the first entry that is not as it was.
    """
    walk = _Walk()
    for line in lines:
        walk.step(_read(line, walk.sequence + 1))
    if head is not None and head != walk.head:
        raise Broken(walk.sequence + 1, "the last entry is not the one of --head; entries are missing, or too many")
    return {
        "sound": True,
        "tenant": walk.tenant,
        "begins": walk.begins,
        "entries": walk.sequence - walk.begins + 1 if walk.begins else 0,
        "head": walk.head,
        "complete": _UNKNOWN if head is None else True,
    }


def _read(line: str, sequence: int) -> Mapping[str, Any]:
    try:
        told = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Broken(sequence, "the line is no JSON, or names a part twice") from None
    if not isinstance(told, dict):
        raise Broken(sequence, "the line is no entry")
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of two parts of one name."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def register(kinds: Any) -> None:
    """Adds ``audit verify`` to a command's verbs."""
    verbs = kinds.add_parser("audit", help="audit verify").add_subparsers(required=True, metavar="verb")
    says = "checks an exported audit trail (NDJSON) without asking anybody"
    made = verbs.add_parser("verify", help=says, description=says)
    made.add_argument("file", help="the export, or - for standard input")
    made.add_argument("--head", help="hash of the last entry, as told by audit-events/verify and kept elsewhere")
    made.set_defaults(run=_verify)


def _verify(options: argparse.Namespace, host: Callable[[], Any]) -> Mapping[str, Any]:
    return verify(_lines(options.file, getattr(options, "stdin", sys.stdin)), options.head)


def _lines(place: str, stdin: IO[str]) -> Iterator[str]:
    try:
        if place == "-":
            yield from stdin
            return
        with Path(place).open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            yield from file
    except (OSError, UnicodeDecodeError):
        raise InvalidInput("the file cannot be read") from None


def main(arguments: list[str] | None = None) -> int:
    """The command on its own; 0 if the trail is sound."""
    parser = argparse.ArgumentParser(prog="farshore audit", description=(__doc__ or "").splitlines()[0])
    register(parser.add_subparsers(required=True, metavar="command"))
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(["audit", *given])
    try:
        print(json.dumps(options.run(options, lambda: None), indent=2))
    except FarshoreError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
