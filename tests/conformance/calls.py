"""One call of each kind, for what must hold for all of them. ``there`` is an object, ``new`` is none."""

from collections.abc import Callable

from shared.domain.objects import Tag
from shared.domain.precondition import Absent, Match
from shared.domain.precondition import Any as Anyhow
from shared.ports.stores import TargetStore
from tests.conformance.contents import Bytes, pattern
from tests.conformance.rigs import PART

LARGE = 3 * PART + 1


def _read(connector: TargetStore) -> object:
    with connector.open("there") as opened:
        assert opened is not None
        return opened.content.read(0, 4)


type Call = Callable[[TargetStore], object]

CALLS: dict[str, Call] = {
    "head": lambda connector: connector.head("there"),
    "read": _read,
    "create": lambda connector: connector.write("new", Bytes(b"data"), precondition=Absent()),
    "replace": lambda connector: connector.write("there", Bytes(b"data"), precondition=Anyhow()),
    "large": lambda connector: connector.write("new", Bytes(pattern(LARGE)), precondition=Absent()),
    "delete": lambda connector: connector.delete("there", precondition=Anyhow()),
    "delete seen": lambda connector: connector.delete("there", precondition=Match(Tag("0" * 32))),
    "list": lambda connector: connector.list(),
}
