"""What the service has to reach, as far as a run can tell."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from benchmarks.results import Goal, Result, ratios


class AtLeast(NamedTuple):
    """The rate of `part` has to be `times` that of `other`."""

    part: str
    times: float
    other: str


class AtMost(NamedTuple):
    """What `part` has found under `facts`, one within the other, has to be within `most`."""

    part: str
    facts: tuple[str, ...]
    most: float
    unit: str


RATIOS = (
    AtLeast("(c)", 0.5, "(b)"),
    AtLeast("(c)", 0.85, "(c) empty"),
    AtLeast("mixed (c)", 0.5, "mixed (b)"),
    AtLeast("stock (c)", 0.55, "stock (b)"),
    AtLeast("zipf (c)", 0.5, "mixed (c)"),
    AtLeast("merchant (c)", 0.5, "mixed (c)"),
    AtLeast("refused (c)", 0.9, "mixed (c)"),
    AtLeast("deployed (c)", 0.5, "deployed (b)"),
    AtLeast("deployed, 2 shards (c)", 0.5, "deployed, 2 shards (b)"),
)
OF_OLD_WAY = {"MariaDB": AtLeast("(c)", 10, "(a)"), "MySQL": AtLeast("(c)", 100, "(a)")}
MOSTS = (
    AtMost("(c)", ("seconds from start to first commit",), 12, "s"),
    AtMost("driver", ("ms a batch", "worst"), 50, "ms"),
    AtMost("memory", ("peak MiB", "driver"), 400, "MiB"),
    AtMost("memory", ("peak MiB", "worker"), 400, "MiB"),
    AtMost("memory", ("peak MiB", "JVM"), 1024, "MiB"),  # resident, of which the heap is a part
    AtMost("memory", ("growth MiB", "driver"), 16, "MiB"),  # what may come and go between two thirds of a run
    AtMost("memory", ("growth MiB", "worker"), 16, "MiB"),
)
PROMPT = {(1_000, 0.5): {"p50": 0.6, "p99": 1.5}}
"""(messages a second, BATCH_LENGTH) → the longest latency in seconds; elsewhere p99 has two batches and one second."""


def judge(results: list[Result], database: str) -> list[Goal]:
    """The goals whose parts have run. `database`: MariaDB or MySQL."""
    named = {result.name: result for result in results}
    return [
        *(
            _ratio(named[goal.part], named[goal.other], goal)
            for goal in (*RATIOS, OF_OLD_WAY[database])
            if goal.part in named and goal.other in named
        ),
        *(_most(named[goal.part].facts, goal) for goal in MOSTS if goal.part in named),
        *(goal for result in results if result.name.startswith("(d)") for goal in _latency(result.facts)),
    ]


def _ratio(result: Result, other: Result, goal: AtLeast) -> Goal:
    each = ratios(result, other)
    ratio = statistics.median_low(each)
    found = f"{ratio:.2f} × {goal.other} (" + ", ".join(f"{one:.2f}" for one in each) + ")"
    return Goal(f"{goal.part} at least {goal.times:g} × {goal.other}", found, ratio >= goal.times)


def _most(facts: Any, goal: AtMost) -> Goal:
    for name in goal.facts:
        facts = facts[name]
    what = f"{goal.part}, {', '.join(goal.facts)}: at most {goal.most:g} {goal.unit}"
    return Goal(what, f"{facts:.1f} {goal.unit}", facts <= goal.most)


def _latency(facts: Any) -> list[Goal]:
    rate, length = facts["rate"], facts["batch length"]
    most = PROMPT.get((rate, length), {"p99": 2 * length + 1})
    found = {name: facts["until the locks"][name] + facts["until seen"][name] for name in most}
    return [
        Goal(f"{name} at {rate:,} messages/s at most {limit:g} s", f"{found[name]:.2f} s", found[name] <= limit)
        for name, limit in most.items()
    ]
