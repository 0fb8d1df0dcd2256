"""(c) The whole path: the real job works off a backlog, from the first plan to the last commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.job import Job, job
from benchmarks.machine import Use, Watch
from benchmarks.stand_in import stand_in, tally
from benchmarks.workload import Workload
from tests.schema import Schema
from tests.servers import Endpoint


class Passed(NamedTuple):
    """`seconds`: from the first plan to the last batch's end. `first_commit`: from the start of the process, to the
    end of the first batch. `stages`: seconds of all batches, by stage. `resident`: MiB of the largest process by kind,
    look by look. `calls`: of the stream, let through and refused by its limits."""

    messages: int
    seconds: float
    first_commit: float
    batches: int
    outcomes: Counter[str]
    stages: Counter[str]
    use: Use
    resident: dict[str, list[float]]
    calls: dict[str, int]


def run(schema: Schema, aws: Endpoint, workload: Workload, settings: Mapping[str, str], watch: Watch) -> Passed:
    """Apply the whole workload. Raises `RuntimeError` where a message has no outcome, or a letter was not written."""
    with (
        stand_in(workload, aws.url) as stream,
        job(
            schema,
            stream,
            aws,
            {"AWS_ENDPOINT_URL_DYNAMODB": stream.url, **settings},
            "--until-caught-up",
        ) as running,
    ):
        running.wait_for("caught up")
        passed = _passed(running, watch)
        told = tally(stream)
    if passed.messages != workload.count:
        raise RuntimeError(f"{passed.messages} of {workload.count} messages have an outcome")
    owed = sum(count for outcome, count in passed.outcomes.items() if outcome.startswith("letter:"))
    if told.letters != owed:
        raise RuntimeError(f"{told.letters} of {owed} letters were written")
    return passed._replace(calls=told.calls)


def _passed(running: Job, watch: Watch) -> Passed:
    batches = running.batches()
    first = batches[0]
    start, end = first.at - sum(first.fields["seconds"][stage] for stage in ("plan", "run", "commit")), batches[-1].at
    outcomes: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    for batch in batches:
        for counts in batch.fields["outcomes"].values():
            outcomes.update(counts)
        stages.update(batch.fields["seconds"])
    return Passed(
        outcomes.total(),
        end - start,
        batches[0].at - running.started,
        len(batches),
        outcomes,
        stages,
        watch.use(start, end),
        watch.resident(start, end),
        {},
    )
