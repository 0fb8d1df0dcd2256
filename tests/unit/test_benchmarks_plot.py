"""The picture of kept results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.plot import draw, merged

PNG = b"\x89PNG\r\n"


def _result(name: str, rate: float | None, **facts: object) -> dict[str, Any]:
    used = {"worker": 2.0, "database": 1.0}
    return {"name": name, "rate": rate, "messages": 100_000, "use": {"used": used}, "facts": facts}


def _found(*results: dict[str, Any], **options: object) -> dict[str, Any]:
    machine = {"cores": 2, "processor": "a processor"}
    return {"commit": "abc", "machine": machine, "options": options, "results": list(results)}


def _labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_the_picture_has_a_row_for_each_rate_with_the_ceiling_beside_its_costs_and_every_latency(
    tmp_path: Path,
) -> None:
    until = {"p50": 0.4, "p95": 0.6, "p99": 0.7}
    latency = _result("(d) 1,000/s", None, **{"until the locks": until, "until seen": dict.fromkeys(until, 0.1)})
    path = tmp_path / "picture.png"
    results = [_result("(b)", 60_000.0), _result("(c)", 20_000.0, rates=[18_000.0, 20_000.0]), _result("zipf (c)", 9.0)]
    rates, costs, waits = draw([_found(*results, latency)], path).axes
    assert path.read_bytes().startswith(PNG)
    assert _labels(rates) == ["(c) whole path", "zipf"]
    assert sorted(bar.get_width() for bar in rates.patches) == [9.0, 20_000.0, 60_000.0]  # type: ignore[attr-defined]
    assert {round(bar.get_width()) for bar in costs.patches} == {0, 10, 20}  # type: ignore[attr-defined]
    assert _labels(waits) == ["(d) 1,000/s"]
    assert [text.get_text() for text in waits.texts] == ["0.50", "0.70", "0.80"]


def test_results_of_several_files_stand_together_and_those_of_one_name_as_the_last_has_them() -> None:
    usual, later = _found(_result("(c)", 1.0)), _found(_result("(c)", 2.0))
    old = _found(_result("(c) empty", 3.0), _result("(c)", 4.0), rows=2_000_000, database="MySQL")
    shown = {name.label: result["rate"] for name, result in merged([usual, old, later]).items()}
    assert shown == {
        "(c) whole path": 2.0,
        "(c) whole path, empty tables, MySQL": 3.0,
        "(c) whole path, MySQL, 2,000,000 older rows": 4.0,
    }


def test_where_nothing_has_a_rate_or_latency_there_is_still_a_picture(tmp_path: Path) -> None:
    assert draw([_found(_result("driver", None))], tmp_path / "empty.png").axes == []
