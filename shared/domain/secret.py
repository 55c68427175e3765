"""A value that hides itself."""

import hmac
from typing import Never, Self


class Secret[T]:
    """Holds a secret so that it cannot be shown by accident; ``reveal`` is the one way to it, and easy to search for.

    repr, str, format, logging, f-strings, exceptions that hold it, ``dataclasses.asdict`` and ``json.dumps(default=str)``
    all show ``Secret(...)``. ``json.dumps``, pickling and iteration refuse. Copies, shallow or deep, are the same object.
    """

    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        self.__value = value

    def reveal(self) -> T:
        """The secret itself. Pass it on at once; never keep, format or log it."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Equal to another Secret of the same value only; in constant time for bytes of one length."""
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self.__value, other.reveal()
        if isinstance(mine, bytes) and isinstance(theirs, bytes):
            return hmac.compare_digest(mine, theirs)
        return bool(mine == theirs)

    __hash__ = None  # type: ignore[assignment]  # a set or dict of secrets would compare them in variable time

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> Never:
        raise TypeError("a Secret is not pickled")

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a Secret is not pickled")
