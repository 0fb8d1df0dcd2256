"""The procedure of docs/operations.md after a restore of the database: nothing is lost, nothing comes twice."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from pipeline.__main__ import app
from tests.faults.facts import Told
from tests.faults.job import Job
from tests.faults.tables import WRITTEN
from tests.faults.trial import SMALL, Trial
from tests.schema import Schema

SAVED = ("accounts", "loans", "fraud_alerts", *WRITTEN)


def save(schema: Schema) -> None:
    for table in SAVED:
        schema.execute(f"CREATE TABLE saved_{table} AS SELECT * FROM {table}")


def restore(schema: Schema) -> None:
    for table in SAVED:
        schema.execute(f"DELETE FROM {table}")
        schema.execute(f"INSERT INTO {table} SELECT * FROM saved_{table}")
        schema.execute(f"DROP TABLE saved_{table}")


def consume(trial: Trial) -> Job:
    """Let the job apply all that is in the stream."""
    job = trial.start("--until-caught-up")
    assert job.exit_code() == 0, job.tail
    return job


def replayed(output: str) -> Told:
    """What a replay tells in JSON of the rows that it wrote."""
    outcomes = defaultdict[str, dict[str, int]](dict)
    for name, count in json.loads(output).items():
        kind, _, outcome = name.partition(" ")
        if outcome.removeprefix("-").isdigit():
            outcomes[kind][outcome] = count
    return Told(datetime.now(UTC), outcomes)


def test_replay_after_a_restore_brings_every_row_back_and_the_service_goes_on(
    moto: str, database: Schema, tmp_path: Path
) -> None:
    with Trial(database, moto, tmp_path, seed=21) as trial:
        trial.send(400)
        consume(trial)
        save(database)
        trial.send(400)
        second = consume(trial)
        before = trial.rows()
        restore(database)
        lost = before - trial.rows()
        assert lost > 300
        environment = {
            **database.environment,
            **SMALL,
            "AWS_ENDPOINT_URL": moto,
            "STREAM_NAME": trial.stream.name,
            "CONSUMER_NAME": f"leases-{trial.stream.name}",
            "FAILOVER_TABLE": f"letters-{trial.stream.name}",
        }
        command = ["replay", "--from", "2020-01-01", "--to", "2090-01-01", "--yes", "--json"]
        result = CliRunner().invoke(app(), command, env=environment)
        assert result.exit_code == 0, result.output
        assert trial.rows() == before
        told = replayed(result.stdout)
        assert sum(sum(counts.values()) for counts in told.outcomes.values()) == lost
        trial.were_lost(second, told)
        trial.look()
        trial.send(300)
        consume(trial)
        trial.check()
