"""Which rules speak for a key."""

from collections.abc import Iterable

from shared.domain.ids import TargetName
from shared.domain.rule import Rule


def chosen(rules: Iterable[Rule], key: str) -> list[Rule]:
    """The rules to follow for a key: of those that match and are not paused, one for each target.

    Where several name one target, the greatest priority wins, and among equals the smallest id, so that every process
    chooses alike. Ordered by target, so that equal rules make equal jobs.
    """
    best: dict[TargetName, Rule] = {}
    for rule in sorted(rules, key=lambda rule: (-rule.priority, rule.id)):
        if not rule.paused and rule.matches(key):
            best.setdefault(rule.target.name, rule)
    return [best[name] for name in sorted(best)]
