"""The driver is killed in mid-batch, again and again; what follows it goes on without losing or repeating a thing."""

from __future__ import annotations

import pytest

from tests.faults.trial import Trial

pytestmark = pytest.mark.timeout(900)  # most of it on a machine that is busy with other things

KILLS = 5
A_BATCH = 150
"""Messages at most."""


def test_five_kills_in_mid_batch_lose_and_repeat_nothing(trial: Trial) -> None:
    trial.send(1800)
    committed = []
    for number in range(KILLS):
        job = trial.start(short_fail_over=True, batch=A_BATCH)
        job.wait_for("batch")
        committed.append(trial.random.randrange(20, 80))
        trial.wait_for_mid_batch(job, committed[-1])
        if number % 2:
            job.kill9()  # Spark's JVM as well
        else:
            job.kill9_driver()
        trial.look()
    last = trial.start("--until-caught-up", short_fail_over=True, batch=A_BATCH)
    assert last.exit_code() == 0, last.tail
    for job, rows in zip(trial.jobs[1:], committed, strict=True):
        assert job.outcomes["duplicate"] >= rows, "what the dead driver had committed was read again"
    assert last.outcomes["1"] > 0, "the last driver had something left to do"
    trial.check()
