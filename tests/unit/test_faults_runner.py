"""The runner of faults: what it says of a round that went wrong, and the table that it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.faults import __main__ as runner
from tests.faults import results
from tests.faults.catalogue import FAULTS
from tests.faults.round import Round


def played(seed: int, *violations: str) -> Round:
    return Round(seed, False, True, ["database killed"], {"database killed": 2}, 1_500, list(violations), 3.26)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], Round]], None]:
    """Rounds that are made up, on no servers."""

    @contextmanager
    def nowhere(folder: Path) -> Iterator[None]:
        yield

    def let(play: Callable[[int], Round]) -> None:
        def instead(ground: object, folder: Path, seed: int, *_: Any, **__: Any) -> Round:
            return play(seed)

        monkeypatch.setattr(runner, "ground", nowhere)
        monkeypatch.setattr(runner, "play", instead)
        monkeypatch.setattr(runner, "forget_surroundings", lambda: None)

    return let


def test_a_violation_is_told_with_the_seed_and_the_commit_that_repeat_it(
    rounds: Callable[[Callable[[int], Round]], None],
) -> None:
    rounds(lambda seed: played(seed, *["I4: lost"] * (seed == 8)))
    result = CliRunner().invoke(runner.app, ["--seed", "7", "--rounds", "3"])
    assert result.exit_code == 1
    assert "I4: lost" in result.output
    assert f"again, at commit {runner._commit()}: python -m tests.faults --seed 8 --rounds 1\n" in result.output
    assert "3 rounds, 4,500 messages, 1 violations" in result.output


def test_a_round_that_gets_stuck_is_a_violation(rounds: Callable[[Callable[[int], Round]], None]) -> None:
    def stuck(seed: int) -> Round:
        raise AssertionError("not within 240 s: the lag goes back to zero")

    rounds(stuck)
    result = CliRunner().invoke(runner.app, ["each", "disk full", "--rounds", "1", "--long"])
    assert result.exit_code == 1
    assert "stuck: not within 240 s" in result.output
    assert 'python -m tests.faults each "disk full" --seed 1 --rounds 1 --long\n' in result.output


def test_rounds_without_a_violation_end_well(rounds: Callable[[Callable[[int], Round]], None]) -> None:
    rounds(played)
    result = CliRunner().invoke(runner.app, ["--minutes", "0"])
    assert result.exit_code == 0
    assert "0 rounds, 0 messages, 0 violations" in result.output
    assert CliRunner().invoke(runner.app, ["each", "--rounds", "1"]).exit_code == 0


def test_every_fault_is_listed() -> None:
    said = CliRunner().invoke(runner.app, ["list"]).output
    assert not [name for name in FAULTS if name not in said]


def test_a_result_takes_the_place_of_an_older_one_of_its_fault(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    results.keep(results.summed("disk full", [played(1)]), path)
    results.keep(results.summed("database killed", [played(1, "I1: less")]), path)
    results.keep(results.summed("database killed", [played(4), played(5)]), path)
    first, second = results.kept(path)
    assert (first.fault, first.rounds, first.fired, first.messages, first.violations) == (
        "database killed",
        2,
        4,
        3_000,
        0,
    )
    assert first.again == "python -m tests.faults each 'database killed' --rounds 2 --seed 4 --long"
    assert second.fault == "disk full"


def test_a_result_on_mysql_stands_beside_that_on_mariadb_and_says_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.json"
    results.keep(results.summed("disk full", [played(1)]), path)
    monkeypatch.setenv("TEST_DATABASE", "mysql")
    results.keep(results.summed("disk full", [played(1)]), path)
    _, second = results.kept(path)
    assert second.again == "TEST_DATABASE=mysql python -m tests.faults each 'disk full' --rounds 1 --seed 1 --long"
    assert "| disk full (MySQL) |" in results.table([second])


def test_the_page_has_the_table_of_what_was_kept() -> None:
    page = results.PAGE.read_text()
    assert results.written(page, results.kept()) == page, "python -m tests.faults table"
