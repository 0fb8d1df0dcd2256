"""The database is killed, is away for a while, loses a column: the job waits, then goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from pipeline.records import Position
from tests import servers
from tests.faults.job import until
from tests.faults.trial import Trial
from tests.servers import MariaDB

AWAY = 20.0
"""Seconds."""
LONG_ENOUGH = 3.0
"""Seconds in which a job that went on would be seen to: ten ticks."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MariaDB]:
    """A database that may be killed."""
    with servers.mariadb(tmp_path / "mariadb") as server:
        migrations.upgrade(server.url)
        yield server


def test_a_database_that_is_killed_three_times_and_away_for_20_s_costs_nothing(
    moto: str, server: MariaDB, tmp_path: Path
) -> None:
    with Trial(server, moto, tmp_path, seed=3) as trial:
        trial.send(1500)
        job = trial.start("--until-caught-up")
        for _ in range(3):
            job.wait_for("batch", len(job.batches) + 1)
            trial.wait_for_mid_batch(job, trial.random.randrange(20, 80))
            server.kill9()
            server.start()
            trial.look()
        job.wait_for("batch", len(job.batches) + 1)
        trial.wait_for_mid_batch(job, 20)
        ended = len(job.batches)
        server.stop()
        back = time.monotonic() + AWAY
        until(lambda: time.monotonic() >= back or not job.running, "the outage is over")
        assert len(job.batches) <= ended + 1
        server.start()
        trial.look()
        assert job.exit_code() == 0, job.tail
        hit = sum(batch["retries"] > 0 for batch in job.batches) + len(job.lines("waiting"))
        assert hit >= 4, "each outage fell into a batch"
        trial.check()


def test_a_column_that_is_away_stops_the_stream_and_makes_no_letters(trial: Trial) -> None:
    trial.send(1200)
    job = trial.start("--until-caught-up")
    job.wait_for("batch")
    trial.wait_for_mid_batch(job, 20)
    # Renamed, so that what it held is there again afterwards.
    trial.schema.execute("ALTER TABLE transactions RENAME COLUMN memo TO gone")
    job.wait_for("waiting")
    assert "1054" in job.lines("waiting")[0]["reason"]
    # The last good batch's checkpoint follows within a second, off the batch's own way; moto numbers records from 1.
    done = {Position(sum(batch["records"] for batch in job.batches), 0)}
    until(lambda: set(trial.checkpoints().values()) == done, "what went well is checkpointed")
    before, letters, checkpoints = len(job.batches), trial.letters(), trial.checkpoints()
    back = time.monotonic() + LONG_ENOUGH
    until(lambda: time.monotonic() >= back, "some ticks are over")
    assert (len(job.batches), trial.letters(), trial.checkpoints()) == (before, letters, checkpoints)
    assert job.running
    trial.schema.execute("ALTER TABLE transactions RENAME COLUMN gone TO memo")
    trial.look()
    job.wait_for("going on")
    assert job.exit_code() == 0, job.tail
    trial.check()
