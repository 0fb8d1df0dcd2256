"""One round: traffic, one or more faults, everything back to normal, the check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults.checker import check
from tests.faults.fault import Fault, picked
from tests.faults.scene import Ground, Scene

MOST_AT_ONCE = 3
"""Faults of one round of chaos, one after the other."""
MORE_STRIKES = 4
"""Of a fault that nobody noticed: it may have fallen between two transactions."""


class Round(msgspec.Struct, frozen=True):
    """What a round has shown. `back`: seconds from the healing of the last fault until the lag was zero again.

    `left`: how often a shard was left to the next batch.
    """

    seed: int
    spark: bool
    long: bool
    faults: list[str]
    hits: dict[str, int]
    messages: int
    violations: list[str]
    back: float
    left: int = 0


def play(
    ground: Ground,
    folder: Path,
    seed: int,
    faults: Sequence[Fault],
    *,
    chaos: bool = False,
    spark: bool = False,
    long: bool = False,
) -> Round:
    """Let each of `faults` strike, or, in `chaos`, those that the seed picks. AssertionError where a round is stuck."""
    folder.mkdir(parents=True, exist_ok=True)
    with Scene(ground, folder, seed, spark=spark, long=long) as scene:
        chosen = picked(faults, scene, MOST_AT_ONCE) if chaos else faults
        scene.hits.update(dict.fromkeys((fault.name for fault in chosen), 0))
        with scene.traffic():
            for fault in chosen:
                fault.strike(scene, fault.name)
            # where there are several, one may kill the job before it can tell of the one before
            unseen = _strike_until_seen(scene, chosen[0]) if len(chosen) == 1 else []
        back = scene.back_to_zero()
        scene.end()
        report = check(scene.run())
    violations = [f"{violation.invariant}: {violation.text}" for violation in report.violations]
    violations += [f'nobody could see it: {metric}{{{label}="{value}"}}' for metric, label, value in unseen]
    names = [fault.name for fault in chosen]
    left = sum(line["shards_left"] for job in scene.jobs for line in job.lines("batch"))
    hits, messages = dict(scene.hits), report.outcomes.total()
    return Round(seed, spark, long, names, hits, messages, violations, round(back, 1), left)


def _strike_until_seen(scene: Scene, fault: Fault) -> list[tuple[str, str, str]]:
    """After its first strike; the metrics that do not tell of it at all."""
    for _ in range(MORE_STRIKES):
        if not _unseen(scene, fault):
            return []
        fault.strike(scene, fault.name)
    return _unseen(scene, fault)


def _unseen(scene: Scene, fault: Fault) -> list[tuple[str, str, str]]:
    if not fault.shown:
        return []
    scene.hear()
    return [shown for shown in fault.shown if not scene.shows(*shown)]
