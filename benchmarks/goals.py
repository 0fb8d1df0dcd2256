"""What the service has to reach, as far as a run can tell."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.results import Goal, Result, ratios

OF_CEILING = 0.4
OF_OLD_WAY = 10
MOST_MIB = 400
FLAT_MIB = 16
"""What may come and go between two thirds of a run without being growth."""


def judge(results: list[Result], batch_length: float) -> list[Goal]:
    """The goals whose parts have run."""
    named = {result.name: result for result in results}
    goals = []
    for other, factor in (("(b)", OF_CEILING), ("(a)", OF_OLD_WAY)):
        if "(c)" in named and other in named:
            each = ratios(named["(c)"], named[other])
            ratio = statistics.median_low(each)
            found = f"{ratio:.2f} × {other} (" + ", ".join(f"{one:.2f}" for one in each) + ")"
            goals.append(Goal(f"(c) at least {factor} × {other}", found, ratio >= factor))
    if "(d)" in named:
        goals.append(_latency(named["(d)"], 2 * batch_length + 1))
    if "memory" in named:
        goals += _memory(named["memory"].facts)
    return goals


def _latency(result: Result, most: float) -> Goal:
    facts: Any = result.facts
    found = facts["until the locks"]["p99"] + facts["until seen"]["p99"]
    return Goal(f"p99 below two batch intervals and one second, {most:g} s", f"{found:.2f} s", found < most)


def _memory(facts: Any) -> list[Goal]:
    peaks = {kind: facts["peak MiB"].get(kind, 0.0) for kind in ("driver", "worker", "JVM")}
    growth = {kind: facts["growth MiB"].get(kind, 0.0) for kind in ("driver", "worker")}
    return [
        Goal(
            f"driver and each Python worker below {MOST_MIB} MiB",
            ", ".join(f"{kind} {peak:.0f} MiB" for kind, peak in peaks.items()),
            max(peaks["driver"], peaks["worker"]) < MOST_MIB,
        ),
        Goal(
            "and flat",
            ", ".join(f"{kind} {more:+.0f} MiB" for kind, more in growth.items()),
            max(growth.values()) < FLAT_MIB,
        ),
    ]
