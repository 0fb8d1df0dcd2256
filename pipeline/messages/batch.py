"""What the reports of one batch say together: how far each shard may be committed, and what became of the messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from pipeline.messages.records import START, Range, Reached, Report
from pipeline.runtime.errors import Fatal, Halted, LeaseLost, PipelineError, Transient

FATES: tuple[type[PipelineError], ...] = (Fatal, LeaseLost, Halted, Transient)
"""What stops a batch, the gravest first."""


class Batch(msgspec.Struct):
    """One batch that every partition has finished.

    `progress`: per shard, what may be committed. `unread`, `deferred`: of all reports; they stay where they are.
    `outcomes`: type → outcome → messages. `seconds`: stage → seconds of the slowest partition.
    """

    progress: dict[str, Reached]
    unread: dict[str, tuple[str, str]]
    outcomes: dict[str, dict[str, int]]
    seconds: dict[str, float]
    retries: int
    deferred: set[str] = set()

    @property
    def messages(self) -> int:
        return sum(sum(counts.values()) for counts in self.outcomes.values())

    @property
    def applied(self) -> int:
        """Messages that became rows: their outcome is a status."""
        return sum(
            number for counts in self.outcomes.values() for outcome, number in counts.items() if _is_status(outcome)
        )

    @property
    def moved(self) -> bool:
        """Whether there is anything to tell: a message, or a position that moved."""
        return bool(self.outcomes) or any(reached.through != START for reached in self.progress.values())

    @property
    def behind_ms(self) -> int:
        """How far the worst of the shards that were read is behind its tip."""
        return max((reached.behind_ms for reached in self.progress.values()), default=0)


def gathered(ranges: Sequence[Range], reports: Sequence[Report], partitions: int) -> Batch:
    """The batch of these ranges. Raises what stopped it, or `Halted` where a partition does not tell of a shard, or two
    tell of one that each has read alone.

    A stage that Spark computed twice may have read further, or not at all, the second time: what counts is what every
    partition has finished, so the smallest position.
    """
    _raise_failure(reports)
    if len(reports) != partitions:
        raise Halted(f"{len(reports)} of {partitions} partitions have reported")
    unread = {shard: why for report in reports for shard, why in report.unread.items()}
    left = {shard for report in reports for shard in report.deferred}
    read = [wanted.shard for wanted in ranges if wanted.shard not in unread and wanted.shard not in left]
    told = {shard: [report for report in reports if shard in report.reads] for shard in read}
    for shard, by in told.items():
        owed = 1 if any(report.alone for report in by) else partitions
        if len(by) != owed:
            raise Halted(f"shard {shard}: reports of {len(by)} partitions, not of {owed}")
    return Batch(
        {shard: _smallest([report.reads[shard] for report in by]) for shard, by in told.items()},
        unread,
        _outcomes(reports),
        _slowest(reports),
        sum(report.retries for report in reports),
        left,
    )


def error_of(fate: str, why: str) -> PipelineError:
    """The error that a task named by its class; an unknown name is `Halted`."""
    return next((kind for kind in FATES if kind.__name__ == fate), Halted)(why)


def _raise_failure(reports: Sequence[Report]) -> None:
    errors = []
    for report in reports:
        if report.failure is not None:
            errors.append(error_of(report.fate, report.failure))
            errors[-1].waits_for = report.waits_for
    if errors:
        raise min(errors, key=lambda error: FATES.index(type(error)))


def _smallest(progress: Sequence[Reached]) -> Reached:
    return Reached(
        min(one.through for one in progress),
        all(one.at_tip for one in progress),
        max(one.behind_ms for one in progress),
    )


def _outcomes(reports: Sequence[Report]) -> dict[str, dict[str, int]]:
    total: Counter[tuple[str, str]] = Counter()
    for report in reports:
        total.update(report.outcomes)
    nested: dict[str, dict[str, int]] = {}
    for (type_, outcome), number in sorted(total.items()):
        nested.setdefault(type_, {})[outcome] = number
    return nested


def _slowest(reports: Sequence[Report]) -> dict[str, float]:
    stages = {stage for report in reports for stage in report.seconds}
    return {stage: max(report.seconds.get(stage, 0.0) for report in reports) for stage in sorted(stages)}


def _is_status(outcome: str) -> bool:
    return outcome.removeprefix("-").isdigit()
