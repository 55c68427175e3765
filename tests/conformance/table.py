"""The table of cases by connector, which ends a run of most of the suite. A plugin: it sees the reports of all processes."""

from collections import defaultdict

import pytest

from tests.conformance.cases import CASES

COLUMNS = ("s3", "azure_blob", "model")


class Table:
    """Collects what became of each case."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[int, str], set[str]] = defaultdict(set)
        self.reasons: dict[tuple[int, str], str] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):
        """Puts on each report which cases its test proves."""
        outcome = yield
        outcome.get_result().cases = [mark.args[0] for mark in item.iter_markers("case")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not (report.when == "call" or report.outcome != "passed"):
            return
        name = next((name for name in COLUMNS if name in report.nodeid.partition("::")[2]), "")
        for number in getattr(report, "cases", ()):
            self.outcomes[number, name].add(report.outcome)
            if report.skipped and isinstance(report.longrepr, tuple | list):
                self.reasons[number, name] = str(report.longrepr[2]).removeprefix("Skipped: ")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len({number for number, _ in self.outcomes}) < len(CASES) // 2:
            return  # a few tests were picked: no table
        names = [name for name in COLUMNS if any(name == seen for _, seen in self.outcomes)]
        terminalreporter.section("conformance: case by connector")
        for number, promise in CASES.items():
            cells = "  ".join(f"{self._cell(number, name):10}" for name in names)
            terminalreporter.write_line(f"{number:3}  {promise:62.62}  {cells}")
        for (number, name), reason in sorted(self.reasons.items()):
            terminalreporter.write_line(f"skipped in part: {number} {name}: {reason}")

    def _cell(self, number: int, name: str) -> str:
        seen = self.outcomes[number, name]
        return next((word for word in ("failed", "passed", "skipped") if word in seen), "-")
