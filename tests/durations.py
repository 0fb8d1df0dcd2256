"""How long each file of tests took, kept in durations.json, so that workers side by side begin with the longest.

    python -m pytest -n 5 --note-durations      # write the file anew

Without it the last worker would begin with a file of a minute while the others are done.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

KEPT: Final = Path(__file__).with_suffix(".json")
UNKNOWN: Final = 10.0
"""Seconds of a file that was never timed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--note-durations", action="store_true", help=f"write {KEPT.name} anew, from this run")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--note-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(), "stopwatch")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Longest files first where workers share them; tests of one file stay together and in their order."""
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        longest_first(items, json.loads(KEPT.read_text()))


def longest_first(items: list[pytest.Item], seconds: dict[str, float]) -> None:
    """Sort in place, by the seconds of each test's file."""
    items.sort(key=lambda item: (-seconds.get(file_of(item.nodeid), UNKNOWN), file_of(item.nodeid)))


def file_of(test: str) -> str:
    return test.partition("::")[0]


class Stopwatch:
    """Sums up what each file's tests took, set-up and tear-down included."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[file_of(report.nodeid)] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        found = {file: round(seconds, 1) for file, seconds in sorted(self._seconds.items())}
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
