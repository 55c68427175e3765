"""Parts that are made when they are first asked for."""

from functools import cached_property
from threading import RLock
from typing import Any, Self, cast, overload


class once[T](cached_property[T]):  # noqa: N801 # used as a decorator, named like the one it refines
    """A cached property that is made once, however many threads ask first: they wait for its object's ``lock`` (an RLock).

    The messages of a worker's first batch all ask at the same moment; without this each would make a world of its own, with
    its own connections and unsealed credentials.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | T:
        if instance is None:
            return self
        with cast(RLock, vars(instance)["lock"]):
            return super().__get__(instance, owner)
