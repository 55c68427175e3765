"""Scopes as asked for and as granted: the same thing under two names must not look like two."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a house spells scopes in its answers.

    Attributes:
        aliases: its long name -> the short one.
        prefix: what it may put before a scope's name (Microsoft: the resource).
        any_case: whether case says nothing.
        silent: what it grants without a word.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    any_case: bool = False
    silent: frozenset[str] = frozenset()

    def granted(self, told: tuple[str, ...] | None, asked: tuple[str, ...]) -> frozenset[str] | None:
        """What was granted, in the spelling it was asked for; what was not asked for stays as it came."""
        if told is None:
            return None
        wanted = {self._plain(scope): scope for scope in asked}
        silent = {scope for scope in asked if scope in self.silent}
        return frozenset(wanted.get(self._plain(scope), scope) for scope in told) | silent

    def _plain(self, scope: str) -> str:
        short = self.aliases.get(scope, scope)
        if self.prefix and short.lower().startswith(self.prefix.lower()):
            short = short[len(self.prefix) :]
        return short.lower() if self.any_case else short
