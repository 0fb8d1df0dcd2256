"""Two drivers on one stream: one works, the other stands by; and each takes over from the other."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest

from tests.faults.trial import Trial

pytestmark = pytest.mark.timeout(900)  # most of it on a machine that is busy with other things

FAIL_OVER = 10.0
A_BATCH = 100
"""Messages at most."""


def seconds_since(moment: datetime, later: datetime) -> float:
    return (later - moment).total_seconds()


def test_the_standby_takes_over_from_a_driver_that_stands_still_and_from_one_that_is_killed(trial: Trial) -> None:
    trial.send(1600)
    first, second = trial.start_two("--until-caught-up", batch=A_BATCH)
    trial.wait_for_mid_batch(first, 20)
    assert not second.lines("leading")
    assert len(trial.owners()) == 1

    first.signal(signal.SIGSTOP)
    stopped, ended = datetime.now(UTC), len(first.batches)
    trial.look()
    assert seconds_since(stopped, second.wait_for("leading")) < 2 * FAIL_OVER
    second.wait_for("batch")
    first.signal(signal.SIGCONT)
    first.wait_for("standing by")
    trial.look()
    assert len(first.batches) <= ended + 1, "nothing was planned after the pause"
    assert second.outcomes["duplicate"] >= 20, "what the first had committed in its last batch was read again"

    trial.wait_for_mid_batch(second, 20)
    second.kill9()
    killed = datetime.now(UTC)
    trial.look()
    assert seconds_since(killed, first.wait_for("leading", 2)) < 2 * FAIL_OVER
    assert first.exit_code() == 0, first.tail
    trial.check()


def test_a_driver_that_is_asked_to_stop_ends_its_batch_and_leaves_the_next_one_nothing_to_repeat(trial: Trial) -> None:
    trial.send(1200)
    first, second = trial.start_two("--until-caught-up", batch=A_BATCH)
    trial.wait_for_mid_batch(first, 20)
    ended = len(first.batches)
    first.terminate()
    trial.look()
    assert first.exit_code() == 0, first.tail
    assert len(first.batches) == ended + 1, "the batch in flight was finished, and no other begun"

    assert seconds_since(first.wait_for("ended"), second.wait_for("leading")) < FAIL_OVER * 0.8, (
        "no lease had to expire"
    )
    trial.look()
    assert second.exit_code() == 0, second.tail
    assert trial.owners() == {None}
    repeats = sum(count for (_, outcome), count in trial.check().outcomes.items() if outcome == "repeat")
    assert first.outcomes["duplicate"] + second.outcomes["duplicate"] <= repeats, "only what producers sent twice"
    assert second.outcomes["1"] > 0
