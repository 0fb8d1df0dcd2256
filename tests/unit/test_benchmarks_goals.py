"""What counts as reached."""

from __future__ import annotations

import pytest

from benchmarks.goals import judge
from benchmarks.machine import Use
from benchmarks.results import Result


def _result(name: str, *rates: float, **facts: object) -> Result:
    return Result(name, "", "", Use(1.0, {}, 0.0), 1, rates[0] if rates else None, {"rates": list(rates), **facts})


def _verdicts(*results: Result, database: str = "MariaDB") -> dict[str, bool]:
    return {goal.what: goal.reached for goal in judge(list(results), database)}


def _path(*rates: float, name: str = "(c)", first: float = 11.0) -> Result:
    return _result(name, *rates, **{"seconds from start to first commit": first})


def test_the_whole_path_is_held_against_the_ceiling_run_by_run() -> None:
    what = "(c) at least 0.5 × (b)"
    assert _verdicts(_path(51.0, 10.0, 110.0), _result("(b)", 100.0, 100.0, 200.0))[what]
    assert not _verdicts(_path(49.0, 60.0, 90.0), _result("(b)", 100.0, 100.0, 200.0))[what]


@pytest.mark.parametrize(("database", "times"), [("MariaDB", 10), ("MySQL", 100)])
def test_the_old_way_is_to_be_left_further_behind_on_mysql(database: str, times: int) -> None:
    what = f"(c) at least {times} × (a)"
    assert _verdicts(_path(2.0 * times), _result("(a)", 2.0), database=database)[what]
    assert not _verdicts(_path(2.0 * times - 1), _result("(a)", 2.0), database=database)[what]


def test_kinds_of_traffic_are_held_against_the_usual_one_and_old_tables_against_empty_ones() -> None:
    names = ("zipf (c)", "merchant (c)", "refused (c)", "stock (b)", "mixed (b)")
    others = [_result(name, 100.0) for name in names]
    usual = [_result("mixed (c)", 110.0), _result("stock (c)", 54.0), _path(84.0), _result("(c) empty", 100.0)]
    assert _verdicts(*others, *usual) == {
        "(c) at least 0.85 × (c) empty": False,
        "mixed (c) at least 0.5 × mixed (b)": True,
        "stock (c) at least 0.55 × stock (b)": False,
        "zipf (c) at least 0.5 × mixed (c)": True,
        "merchant (c) at least 0.5 × mixed (c)": True,
        "refused (c) at least 0.9 × mixed (c)": True,
        "(c), seconds from start to first commit: at most 12 s": True,
    }


def test_memory_and_the_first_commit_have_their_limits() -> None:
    peaks, growth = {"driver": 401.0, "worker": 399.0, "JVM": 1025.0}, {"driver": 15.0, "worker": 17.0}
    memory = _result("memory", 1.0, **{"peak MiB": peaks, "growth MiB": growth})
    verdicts = _verdicts(memory, _path(1.0, first=12.5))
    assert list(verdicts.values()) == [False, False, True, False, True, False]


def test_latency_is_judged_by_its_rate() -> None:
    until = {"p50": 0.55, "p95": 1.0, "p99": 1.5}
    facts = {"until the locks": until, "until seen": dict.fromkeys(until, 0.1), "batch length": 0.5}
    steady, fast = (_result(f"(d) {rate}", rate=rate, **facts) for rate in (1_000, 5_000))
    assert _verdicts(steady, fast) == {
        "p50 at 1,000 messages/s at most 0.6 s": False,
        "p99 at 1,000 messages/s at most 1.5 s": False,
        "p99 at 5,000 messages/s at most 2 s": True,
    }
