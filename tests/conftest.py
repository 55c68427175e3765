"""For all tests: how they are dealt out to processes, and the counts that end a run."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.conformance.table import Table
from tests.counts import note, noted

ATTACKS = 36
_ATTACK = "attack"
_CRYPTO = ("test_crypto_", "test_secret", "test_rewrap")
_HOSTS = "tests/hosts/"
_LONGEST_FIRST = (_HOSTS, "tests/model/", "tests/security/", "tests/conformance/", "tests/oauth/")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Table(), "conformance-table")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest begin first, so that no process is left with them at the end. Tests are dealt out by name: of two that shared
    one, one would not run, and nobody would notice.
    """
    twice = [name for name, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"tests of one name: {', '.join(twice)}")
    items.sort(key=lambda item: _turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """A file's tests stay in one process and in order; so do all that share the one local stack. (xdist's own groups go by a
    private name of items, which pytest 9.2 no longer heeds.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return _HOSTS if file.startswith(_HOSTS) else file

    return Rooms(config, log)


def _turn(name: str) -> int:
    return next((turn for turn, folder in enumerate(_LONGEST_FIRST) if name.startswith(folder)), len(_LONGEST_FIRST))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Puts on each report which attacks its test proves."""
    outcome = yield
    outcome.get_result().attacks = [mark.args[0] for mark in item.iter_markers(_ATTACK)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs a part of the tests hands its counts to the one that tells them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["noted"] = noted()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    for suite, told in getattr(node, "workeroutput", {}).get("noted", {}).items():
        note(suite, told)


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
