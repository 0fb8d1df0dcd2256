"""A dry run of the whole job: it says what would happen, and nothing has happened."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.aws import Aws
from tests.faults.job import until
from tests.faults.trial import Trial
from tests.schema import Schema


def dump(schema: Schema, moto: str) -> dict[str, Any]:
    """Every table with its definition (so the next AUTO_INCREMENT), every DynamoDB table, every mail."""
    tables = [name for (name,) in schema.query("SHOW TABLES")]
    with urllib.request.urlopen(f"{moto}/moto-api/data.json") as answer:
        mails = json.load(answer).get("ses")
    dynamodb = Aws("us-east-1", "test", "test", (("AWS_ENDPOINT_URL", moto),)).client("dynamodb")
    names = dynamodb.list_tables()["TableNames"]
    return {
        "rows": {name: sorted(map(repr, schema.query(f"SELECT * FROM `{name}`"))) for name in tables},
        "definitions": {name: schema.query(f"SHOW CREATE TABLE `{name}`") for name in tables},
        "dynamodb": {name: dynamodb.scan(TableName=name)["Items"] for name in names},
        "mails": mails,
    }


def outcomes(text: str) -> Counter[tuple[str, str]]:
    """(type, outcome) → messages, from the table that a dry run prints."""
    found = re.findall(r"^(\S+) +(\S+) +([\d,]+)$", text, re.M)
    return Counter({(kind, outcome): int(count.replace(",", "")) for kind, outcome, count in found})


def dry(trial: Trial) -> str:
    job = trial.start("--dry-run")
    assert job.exit_code() == 0, job.tail
    return job.log.read_text()


@pytest.fixture
def quick(moto: str, database: Schema, tmp_path: Path) -> Any:
    with Trial(database, moto, tmp_path, seed=11) as trial:
        for (name,) in database.query(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        ):
            database.execute(f"DROP TRIGGER `{name}`")
        yield trial


def test_a_dry_run_leaves_database_tables_and_mailbox_as_they_were(quick: Trial, moto: str, database: Schema) -> None:
    quick.send(300)
    before = dump(database, moto)
    told = dry(quick)
    assert dump(database, moto) == before
    assert sum(outcomes(told).values()) == 300
    assert "Nothing was written" in told
    assert "to the tip." in told
    assert "no part of the run" in told


def test_it_goes_on_from_the_positions_of_a_service_that_is_running_and_does_not_disturb_it(
    quick: Trial, moto: str, database: Schema
) -> None:
    quick.send(400)
    service = quick.start("--until-caught-up")
    assert service.exit_code() == 0
    quick.send(200)
    before = dump(database, moto)
    told = dry(quick)
    assert dump(database, moto) == before
    assert sum(outcomes(told).values()) == 200
    holder = quick.start()
    until(lambda: quick.owners() not in ({None}, set()), "the service holds its leases")
    assert "Nothing was written" in dry(quick)
    assert not holder.lines("standing by")
    holder.terminate()
    assert holder.exit_code() == 0


def test_what_it_says_is_what_then_happens_where_no_message_depends_on_another(quick: Trial) -> None:
    quick.send(150)
    said = outcomes(dry(quick))
    job = quick.start("--until-caught-up")
    assert job.exit_code() == 0
    happened = Counter[tuple[str, str]]()
    for batch in job.batches:
        for kind, counts in batch["outcomes"].items():
            happened.update({(kind or "(none)", outcome): count for outcome, count in counts.items()})
    same = sum((said & happened).values())
    assert same >= 0.9 * happened.total(), (said - happened, happened - said)
    assert {key for key in said if key[1].startswith("letter")} == {
        key for key in happened if key[1].startswith("letter")
    }


def test_over_a_span_that_was_applied_it_says_that_every_row_is_there(quick: Trial) -> None:
    quick.send(300)
    assert quick.start("--until-caught-up").exit_code() == 0
    job = quick.start("--dry-run", settings={"CONSUMER_NAME": "looks-at-another-span"})
    assert job.exit_code() == 0, job.tail
    said = outcomes(job.log.read_text())
    assert sum(count for (_, outcome), count in said.items() if outcome == "duplicate") >= quick.rows() > 0
    assert not [outcome for _, outcome in said if outcome.removeprefix("-").isdigit()]


def test_examples_name_positions_and_identities_and_no_secret(quick: Trial, database: Schema) -> None:
    quick.send(300)
    told = dry(quick)
    examples = re.findall(r"^  (shardId-\d+) (\d+) (\d+) ([0-9a-f]{32}) (\{.*\})$", told, re.M)
    assert len(examples) > 10
    put = {record.sequence for record in quick.sent}
    assert {sequence for _, sequence, *_ in examples} <= put
    fields = [json.loads(text) for *_, text in examples]
    assert not [shown for shown in fields if {"pin", "cvc1", "cvc2"} & shown.keys()]
    assert any("transfer_value" in shown for shown in fields)
    assert not [number for (number,) in database.query("SELECT card_num FROM cards") if str(number) in told]


def test_stopped_by_a_signal_it_says_what_it_saw_and_that_it_was_not_all(quick: Trial) -> None:
    quick.send(2000)
    job = quick.start("--dry-run", batch=20)
    until(lambda: "messages so far" in job.log.read_text(), "it has begun")
    job.terminate()
    assert job.exit_code() == 0
    told = job.log.read_text()
    assert "NOT to the tip" in told
    assert 0 < sum(outcomes(told).values()) < 2000


def test_a_stream_that_is_not_there_ends_it_with_one_line(quick: Trial) -> None:
    quick.stream.client.delete_stream(StreamName=quick.stream.name)
    job = quick.start("--dry-run")
    assert job.exit_code() == 1
    assert "aws kinesis create-stream" in job.log.read_text()
