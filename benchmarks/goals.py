"""What the service has to reach, as far as a run can tell."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.results import Goal, Result, ratios

OF_CEILING = 0.4
OF_OLD_WAY = 10
PROMPT = {(1_000, 0.5): {"p50": 0.6, "p99": 1.5}}
"""(messages a second, BATCH_LENGTH) → the longest latency in seconds; elsewhere p99 has two batches and one second."""
MOST_MIB = 400
FLAT_MIB = 16
"""What may come and go between two thirds of a run without being growth."""


def judge(results: list[Result]) -> list[Goal]:
    """The goals whose parts have run."""
    named = {result.name: result for result in results}
    goals = []
    for other, factor in (("(b)", OF_CEILING), ("(a)", OF_OLD_WAY)):
        if "(c)" in named and other in named:
            each = ratios(named["(c)"], named[other])
            ratio = statistics.median_low(each)
            found = f"{ratio:.2f} × {other} (" + ", ".join(f"{one:.2f}" for one in each) + ")"
            goals.append(Goal(f"(c) at least {factor} × {other}", found, ratio >= factor))
    for result in results:
        if result.name.startswith("(d)"):
            goals += _latency(result.facts)
    if "memory" in named:
        goals += _memory(named["memory"].facts)
    return goals


def _latency(facts: Any) -> list[Goal]:
    rate, length = facts["rate"], facts["batch length"]
    most = PROMPT.get((rate, length), {"p99": 2 * length + 1})
    found = {name: facts["until the locks"][name] + facts["until seen"][name] for name in most}
    return [
        Goal(f"{name} at {rate:,} messages/s at most {limit:g} s", f"{found[name]:.2f} s", found[name] <= limit)
        for name, limit in most.items()
    ]


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
