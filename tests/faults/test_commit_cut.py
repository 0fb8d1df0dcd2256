"""Connections are cut around COMMIT: before it arrives, half-open, and after it was carried out."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.faults.proxy import Cut, cutting, is_commit
from tests.faults.trial import Trial
from tests.schema import Schema
from tests.servers import HERE

SEED = 7
LOCK_WAIT = 30.0
"""Seconds until the server itself ends a connection that has fallen silent."""


def test_a_commit_whose_answer_is_lost_is_done_once_and_one_that_is_lost_is_done_again(
    moto: str, database: Schema, tmp_path: Path
) -> None:
    random = Random(SEED)

    def choose(packet: bytes) -> Cut:
        draw = random.random()
        if not is_commit(packet):
            return Cut.BEFORE if draw < 0.003 else Cut.NONE
        if draw < 0.08:
            return Cut.ANSWER
        if draw < 0.11:
            return Cut.BEFORE
        return Cut.HALF_OPEN if draw < 0.14 else Cut.NONE

    with cutting(database.port, choose) as proxy, Trial(database, moto, tmp_path, SEED, slow=0) as trial:
        through = Schema(HERE, proxy.port, database.user, database.password, database.name)
        trial.send(1200)
        job = trial.start("--until-caught-up", through=through)
        job.wait_for("batch", 3)
        trial.look()
        assert job.exit_code() == 0, job.tail
        assert max(batch["seconds"]["apply"] for batch in job.batches) < LOCK_WAIT, "no lost connection kept its locks"
        report = trial.check()
    assert proxy.cuts[Cut.ANSWER] >= 10, proxy.cuts
    assert min(proxy.cuts[Cut.BEFORE], proxy.cuts[Cut.HALF_OPEN]) >= 3, proxy.cuts
    assert proxy.others >= 3
    repeats = sum(count for (_, outcome), count in report.outcomes.items() if outcome == "repeat")
    assert job.outcomes["duplicate"] > repeats, "commits without an answer were found to be done"
