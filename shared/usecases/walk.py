"""Walks several listings side by side, key by key, and can stop anywhere and go on another day."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

type Lines = Sequence[tuple[str, Any]]
type Fetch = Callable[[str | None], tuple[Lines, str | None]]
"""From a listing's token (None: from the beginning) to a page of (key, item), ascending, and the next page's token."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a walk stands.

    Attributes:
        past: the last key done; empty before the first.
        tokens: for each listing, the token of the page that comes next or is not done yet.
    """

    past: str = ""
    tokens: tuple[str | None, ...] = ()


class Listing:
    """One listing, a page in memory at a time."""

    def __init__(self, fetch: Fetch, token: str | None, past: str) -> None:
        self.token = token
        self._fetch, self._past = fetch, past
        self._page: Lines = ()
        self._next: str | None = token
        self._at, self._ended = 0, False

    def peek(self) -> str | None:
        """The key under the finger; None at the end."""
        while True:
            if self._at < len(self._page):
                if self._page[self._at][0] > self._past:
                    return self._page[self._at][0]
                self._at += 1
            elif self._ended:
                return None
            else:
                self._turn()

    def take(self, key: str) -> Any:
        """The item of that key, if it is under the finger, which then moves on; else None."""
        if self.peek() != key:
            return None
        self._at += 1
        return self._page[self._at - 1][1]

    def _turn(self) -> None:
        self.token = self._next
        self._page, self._next = self._fetch(self.token)
        self._at, self._ended = 0, self._next is None


class Walk:
    """A merge of listings. One whose order is not the keys' own gives some keys by themselves, out of turn."""

    def __init__(self, fetches: Sequence[Fetch], mark: Mark) -> None:
        tokens = mark.tokens or (None,) * len(fetches)
        self._past = mark.past
        self._listings = [Listing(fetch, token, mark.past) for fetch, token in zip(fetches, tokens, strict=True)]

    def __iter__(self) -> Iterator[tuple[str, list[Any]]]:
        """Each key with what every listing has of it (None: nothing), ascending where the listings are."""
        while keys := [key for key in (listing.peek() for listing in self._listings) if key is not None]:
            key = min(keys)
            items = [listing.take(key) for listing in self._listings]
            yield key, items
            self._past = max(self._past, key)

    def mark(self) -> Mark:
        """Where to go on: after the last key whose turn is over."""
        return Mark(self._past, tuple(listing.token for listing in self._listings))
