"""For all tests: the counts that end a run."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.counts import note, noted

ATTACKS = 36
_ATTACK = "attack"
_CRYPTO = ("test_crypto_", "test_secret", "test_rewrap")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Puts on each report which attacks its test proves."""
    outcome = yield
    outcome.get_result().attacks = [mark.args[0] for mark in item.iter_markers(_ATTACK)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.stats.get("passed", [])
    failed = terminalreporter.stats.get("failed", [])
    _count_attacks(passed, failed)
    _count_files("crypto", passed, lambda name: name.startswith(_CRYPTO))
    _count_files("leaks", passed, lambda name: name.startswith("test_leaks"))
    if noted():
        terminalreporter.section("counts")
        for suite, told in noted().items():
            terminalreporter.write_line(f"{suite}: {told}")


def _count_attacks(passed, failed) -> None:
    proofs: dict[int, int] = defaultdict(int)
    for report in passed:
        for number in getattr(report, "attacks", ()):
            proofs[number] += 1
    broken = {number for report in failed for number in getattr(report, "attacks", ())}
    if proofs or broken:
        held = sorted(proofs.keys() - broken)
        note("OAuth attacks", f"{len(held)} of {ATTACKS} held, by {sum(proofs.values())} tests")


def _count_files(suite, passed, chosen) -> None:
    files = Counter(Path(report.fspath).name for report in passed if report.when == "call")
    number = sum(count for name, count in files.items() if chosen(name))
    if number:
        note(suite, f"{number} cases passed")
